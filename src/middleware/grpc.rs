//! gRPC: what a call is, and refusals as its clients read them.

use std::fmt::Write;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// When a client may try again, in milliseconds; one that retries by itself keeps to it.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

const UNAUTHENTICATED: u16 = 16;

/// True for `application/grpc`, alone or with the format of its messages. `application/grpc-web` is another protocol,
/// which a translator outside this layer turns into this one.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    let Some((media_type, rest)) = value.split_at_checked(GRPC.len()) else { return false };
    media_type.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// True for a request that is a call of gRPC.
pub(super) fn is_call(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::POST && is_grpc(headers)
}

/// Turns a finished refusal without a body into trailers only: the one block of headers says all. The challenges stay in
/// it, as metadata.
pub(super) fn trailers_only<B>(response: &mut Response<B>, message: &str) {
    let status = code(response.status());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(STATUS, HeaderValue::from(status));
    headers.insert(MESSAGE, encoded(message));
    let wait = headers.remove(RETRY_AFTER);
    if let Some(seconds) = wait.and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok()) {
        headers.insert(PUSHBACK, HeaderValue::from(seconds.saturating_mul(1000)));
    }
}

/// The last trailers of a stream whose token has expired.
pub(super) fn expired() -> HeaderMap {
    let message = HeaderValue::from_static("The access token has expired");
    HeaderMap::from_iter([(STATUS, HeaderValue::from(UNAUTHENTICATED)), (MESSAGE, message)])
}

/// The status of gRPC. A malformed request is one whose caller is not known.
fn code(status: StatusCode) -> u16 {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        StatusCode::FORBIDDEN => 7,
        StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 13,
    }
}

/// `grpc-message`: printable ASCII, all else and `%` percent-encoded.
fn encoded(message: &str) -> HeaderValue {
    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_c_a_message_is_printable_ascii_with_all_else_percent_encoded() {
        for (message, expected) in [
            ("The token lacks a required scope", "The token lacks a required scope"),
            ("100 %", "100 %25"),
            ("%41", "%2541"),
            ("z\u{fc}rich \u{2603}", "z%C3%BCrich %E2%98%83"),
            ("a\r\nb\0\u{7f}~", "a%0D%0Ab%00%7F~"),
            ("", ""),
        ] {
            assert_eq!(encoded(message), expected);
        }
    }

    #[test]
    fn grpc_b_each_status_of_a_refusal_has_one_of_grpc() {
        for (status, expected) in [(400, 16), (401, 16), (403, 7), (429, 8), (500, 13), (503, 14)] {
            assert_eq!(code(StatusCode::from_u16(status).unwrap()), expected);
        }
    }

    #[test]
    fn grpc_a_grpc_g_a_call_is_known_by_its_content_type() {
        let is =
            |value: &'static str| is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]));
        for yes in ["application/grpc", "application/grpc+proto", "Application/gRPC+json", "application/grpc;a=b"] {
            assert!(is(yes), "{yes}");
        }
        for no in
            ["application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/grp", "", "x"]
        {
            assert!(!is(no), "{no}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
