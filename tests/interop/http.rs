//! Requests of a client to its authorization server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A client with its secret, as both stand in a configuration.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub id: &'a str,
    pub secret: &'a str,
}

impl Client<'_> {
    /// RFC 6749 section 2.3.1: both are form-encoded before they are joined.
    fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(self.id), encoded(self.secret))))
    }
}

/// Sends a form; status and JSON, null where there is none.
pub async fn post(
    url: &str,
    client: Client<'_>,
    form: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> (StatusCode, Value) {
    let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap().to_string();
    let mut request = Request::post(uri.path())
        .header("host", &authority)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", client.authorization());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let stream = TcpStream::connect(authority).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request.body(Full::<Bytes>::from(form.join("&"))).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A token by client credentials (RFC 6749 section 4.4).
pub async fn token(url: &str, client: Client<'_>, form: &[(&str, &str)], headers: &[(&str, &str)]) -> String {
    let form = [&[("grant_type", "client_credentials")], form].concat();
    let (status, answer) = post(url, client, &form, headers).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        b' ' => "+".into(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
