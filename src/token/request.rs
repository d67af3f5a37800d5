//! What a request says about its token, read once from its headers.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::error::{AuthError, Reason};

/// Longest access token that is looked at.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;

/// Longest DPoP proof that is looked at.
const MAX_PROOF: usize = 4 * 1024;

/// The field that carries a proof (RFC 9449 section 4.1).
pub(crate) static DPOP: HeaderName = HeaderName::from_static("dpop");

/// How a token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// RFC 6750: whoever holds the token may use it.
    Bearer,
    /// RFC 9449: the token is bound to a key, and a proof by that key comes with each request.
    Dpop,
}

impl Scheme {
    /// The scheme's name as it stands in challenges.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Bearer => "Bearer",
            Scheme::Dpop => "DPoP",
        }
    }
}

/// The credentials of one request to a protected resource (RFC 6750 section 2.1, RFC 9449 section 7.1).
///
/// ```abnf
/// credentials = ( "Bearer" / "DPoP" ) 1*SP b64token
/// b64token    = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
/// ```
///
/// Reads the fields `Authorization` and `DPoP` only: never a query, a form, a cookie or the body. Token and proof are
/// found, not judged. `Debug` shows neither.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for several `Authorization` fields or
/// a malformed one, [`ErrorKind::InvalidDpopProof`](crate::ErrorKind::InvalidDpopProof) for the scheme `DPoP` without
/// exactly one `DPoP` field that looks like a proof. A missing field, or one of another scheme, is no error.
///
/// # Example
/// ```
/// # use tower_bearer::ResourceRequest;
/// let request = http::Request::get("/").header("authorization", "Bearer abc").body(()).unwrap();
/// assert!(ResourceRequest::read(request.headers()).unwrap().has_token());
/// ```
#[derive(Clone, Copy)]
pub struct ResourceRequest<'a> {
    credentials: Credentials<'a>,
}

/// What a request shows.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'a> {
    Nothing,
    Bearer { token: &'a str, beside_proof: bool, head: Option<Head<'a>> },
    Dpop { token: &'a str, proof: &'a str, head: Head<'a> },
}

/// What a proof is made for, and what may say how the client named it.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) extensions: &'a Extensions,
}

impl<'a> ResourceRequest<'a> {
    /// A request without credentials.
    pub(crate) const NONE: Self = ResourceRequest { credentials: Credentials::Nothing };

    /// Reads the headers of a request for a Bearer token, which may not be bound to a certificate: headers show none. The scheme `DPoP` is any other scheme here, since a proof
    /// cannot be judged by headers alone: see [`from_parts`](ResourceRequest::from_parts).
    pub fn read(headers: &'a HeaderMap) -> Result<Self, AuthError> {
        match sent(headers) {
            Ok(Some((Scheme::Bearer, token))) => Ok(ResourceRequest::bearer_of(token, headers, None)),
            Ok(_) => Ok(ResourceRequest::NONE),
            Err(error) if error.scheme() == Some(Scheme::Dpop) => Ok(ResourceRequest::NONE),
            Err(error) => Err(error),
        }
    }

    /// Reads a request for a token of either scheme.
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{ErrorKind, ResourceRequest};
    /// let (parts, ()) = http::Request::get("/").header("authorization", "DPoP abc").body(()).unwrap().into_parts();
    /// assert_eq!(ResourceRequest::from_parts(&parts).unwrap_err().kind(), ErrorKind::InvalidDpopProof);
    /// ```
    pub fn from_parts(parts: &'a Parts) -> Result<Self, AuthError> {
        let Parts { method, uri, headers, extensions, .. } = parts;
        ResourceRequest::of(Head { method, uri, headers, extensions })
    }

    pub(crate) fn of(head: Head<'a>) -> Result<Self, AuthError> {
        let credentials = match sent(head.headers)? {
            None => return Ok(ResourceRequest::NONE),
            Some((Scheme::Bearer, token)) => return Ok(ResourceRequest::bearer_of(token, head.headers, Some(head))),
            Some((Scheme::Dpop, token)) => {
                let proof = proof(head.headers).map_err(|error| error.presented(Scheme::Dpop))?;
                Credentials::Dpop { token, proof, head }
            }
        };
        Ok(ResourceRequest { credentials })
    }

    fn bearer_of(token: &'a str, headers: &HeaderMap, head: Option<Head<'a>>) -> Self {
        let beside_proof = headers.contains_key(&DPOP);
        ResourceRequest { credentials: Credentials::Bearer { token, beside_proof, head } }
    }

    /// A token that came some other way, such as in a message of a queue. It must be one `b64token`.
    pub fn bearer(token: &'a str) -> Result<Self, AuthError> {
        if !is_one_token68(token.as_bytes()) {
            return Err(AuthError::new(Reason::MalformedCredentials).presented(Scheme::Bearer));
        }
        Ok(ResourceRequest { credentials: Credentials::Bearer { token, beside_proof: false, head: None } })
    }

    /// True if a token was sent in a supported scheme.
    pub fn has_token(&self) -> bool {
        !matches!(self.credentials, Credentials::Nothing)
    }

    /// The scheme of the token that was sent.
    pub fn scheme(&self) -> Option<Scheme> {
        match self.credentials {
            Credentials::Nothing => None,
            Credentials::Bearer { .. } => Some(Scheme::Bearer),
            Credentials::Dpop { .. } => Some(Scheme::Dpop),
        }
    }

    pub(crate) fn credentials(&self) -> Credentials<'a> {
        self.credentials
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn token(&self) -> Option<&'a str> {
        match self.credentials {
            Credentials::Nothing => None,
            Credentials::Bearer { token, .. } | Credentials::Dpop { token, .. } => Some(token),
        }
    }
}

/// The one token of the `Authorization` field.
fn sent(headers: &HeaderMap) -> Result<Option<(Scheme, &str)>, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Reason::SeveralTokens.into());
    }
    scheme_and_token(value.as_bytes())
}

/// The one field that looks like a proof: three parts of base64url, none of which is decoded.
fn proof(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(&DPOP).iter();
    let value = values.next().ok_or(Reason::ProofMissing)?.as_bytes();
    let bad = |what: &str| AuthError::with_detail(Reason::ProofInvalid, what);
    if values.next().is_some() || value.contains(&b',') {
        return Err(bad("several proofs were sent (RFC 9449 section 4.3)"));
    }
    if value.len() > MAX_PROOF {
        return Err(bad("the proof is longer than 4 KiB"));
    }
    let is_part = |part: &[u8]| !part.is_empty() && part.iter().all(|&byte| is_base64url(byte));
    let three = value.iter().filter(|&&byte| byte == b'.').count() == 2;
    let text = std::str::from_utf8(value).ok().filter(|_| three && value.split(|&byte| byte == b'.').all(is_part));
    text.ok_or_else(|| bad("the proof is not three parts of base64url"))
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The bytes where a Bearer token must stand in this field, their characters not looked at: equal to those of a token
/// that was read before, they are that token. Where [`ResourceRequest::read`] finds a token, it is this.
#[inline]
pub(crate) fn unread_token(field: &HeaderValue) -> Option<&[u8]> {
    let (scheme, rest) = field.as_bytes().split_at_checked(BEARER.len())?;
    // As nearly everybody writes it, compared as one piece.
    if scheme != b"Bearer " && !scheme.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    rest.get(spaces..)
}

const BEARER: &[u8] = b"bearer ";

impl std::fmt::Debug for ResourceRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourceRequest").field("has_token", &self.has_token()).finish()
    }
}

fn scheme_and_token(value: &[u8]) -> Result<Option<(Scheme, &str)>, AuthError> {
    let end = value.iter().position(|&byte| !is_tchar(byte)).unwrap_or(value.len());
    let (name, rest) = value.split_at(end);
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    let scheme =
        [Scheme::Bearer, Scheme::Dpop].into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.as_str().as_bytes()));
    let credentials = rest.get(spaces..).unwrap_or_default();
    if let (Some(scheme), 1.., Some(token)) = (scheme, spaces, token68(credentials)) {
        return Ok(Some((scheme, token)));
    }
    if names_second_scheme(rest) {
        return Err(Reason::SeveralTokens.into());
    }
    match scheme {
        Some(scheme) => Err(AuthError::new(Reason::MalformedCredentials).presented(scheme)),
        None => Ok(None),
    }
}

fn token68(value: &[u8]) -> Option<&str> {
    if is_one_token68(value) { std::str::from_utf8(value).ok() } else { None }
}

/// One token68: letters, digits and `-._~+/`, then only `=`.
fn is_one_token68(value: &[u8]) -> bool {
    // Whole pieces first, each without a branch: tokens are long and seldom padded.
    let mut rest = value;
    while let Some((piece, tail)) = rest.split_at_checked(32) {
        if !piece.iter().fold(true, |good, &byte| good & is_token68(byte)) {
            break;
        }
        rest = tail;
    }
    let body = value.len() - rest.len() + rest.iter().take_while(|&&byte| is_token68(byte)).count();
    body > 0 && value.iter().skip(body).all(|&byte| byte == b'=')
}

fn is_token68(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
        || matches!(byte, b'-'..=b'9')
        || (byte == b'_')
        || (byte == b'~')
        || (byte == b'+')
}

/// A comma outside a quoted string, followed by a scheme that carries tokens: two credentials in one
/// field, and nobody can say which one was meant (RFC 9110 section 5.3).
fn names_second_scheme(rest: &[u8]) -> bool {
    let mut quoted = false;
    let mut bytes = rest;
    while let Some((&byte, tail)) = bytes.split_first() {
        match byte {
            b'\\' if quoted => bytes = tail.get(1..).unwrap_or_default(),
            b'"' => (quoted, bytes) = (!quoted, tail),
            b',' if !quoted && starts_with_scheme(tail.trim_ascii_start()) => return true,
            _ => bytes = tail,
        }
    }
    false
}

fn starts_with_scheme(value: &[u8]) -> bool {
    [&b"bearer "[..], b"dpop "]
        .iter()
        .any(|scheme| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        match ResourceRequest::read(&headers) {
            Ok(request) => Ok(request.token().map(String::from)),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn c6750_2_1_b_each_byte_is_judged_alike_at_every_place() {
        for byte in 0..=255u8 {
            let named = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            for length in [1, 31, 32, 33, 64, 100] {
                for place in [0, length / 2, length - 1] {
                    let mut value = vec![b'a'; length];
                    value[place] = byte;
                    // Padding is the only other byte, at the end only and not alone.
                    let padded = byte == b'=' && place == length - 1 && length > 1;
                    assert_eq!(token68(&value).is_some(), named || padded, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_token_that_is_read_is_the_unread_one() {
        for value in ["Bearer abc", "bEaReR   a.b.c==", "Bearer a,b", "Bearer", "Bearer ", "Basic abc", "DPoP abc", ""]
        {
            let mut headers = HeaderMap::new();
            headers.append(AUTHORIZATION, value.parse().unwrap());
            if let Ok(Some(token)) = ResourceRequest::read(&headers).map(|request| request.token()) {
                assert_eq!(unread_token(&headers[AUTHORIZATION]), Some(token.as_bytes()), "{value}");
            }
        }
    }

    #[test]
    fn c6750_2_1_b_c_the_scheme_is_compared_without_case_and_followed_by_spaces() {
        for value in ["Bearer abc.-_~+/9==", "bearer abc.-_~+/9==", "bEaReR   abc.-_~+/9=="] {
            assert_eq!(read(&[value.as_bytes()]), Ok(Some("abc.-_~+/9==".into())), "{value}");
        }
    }

    #[test]
    fn c6750_2_1_c_d_e_what_is_not_one_token68_is_malformed() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer\tabc",
            "Bearer a,b",
            "Bearer a b",
            "Bearer \"t\"",
            "Bearer a=b",
            "Bearer =",
            "Bearer abc ",
            "Bearer \tabc",
            "Bearer, abc",
            "Bearer=abc",
            "Bearer {}",
            "Bearer a%2Eb",
            "Bearer  ",
        ] {
            assert_eq!(read(&[value.as_bytes()]), Err("malformed_credentials"), "{value:?}");
        }
        assert_eq!(read(&["Bearer t\u{f6}k".as_bytes()]), Err("malformed_credentials"));
        assert_eq!(read(&["Bearer\u{200b}abc".as_bytes()]), Err("malformed_credentials"));
    }

    #[test]
    fn c6750_2_1_f_g_another_scheme_is_no_authentication_information() {
        for value in
            ["", "Basic dTpw", "Negotiate x", "Bearerx abc", "BearerT", " Bearer abc", "DPoP abc", "B\u{e4}r x"]
        {
            assert_eq!(read(&[value.as_bytes()]), Ok(None), "{value:?}");
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn c6750_2_b_two_credentials_are_refused_however_they_are_written() {
        for values in [
            &["Bearer a", "Bearer b"][..],
            &["Bearer a", "Bearer a"],
            &["Bearer a", "DPoP b"],
            &["Bearer a", "Basic b"],
            &["Bearer x, DPoP y"],
            &["Bearer a, Bearer b"],
            &["Basic x, Bearer y"],
            &["Bearer a,bearer b"],
        ] {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(read(&values), Err("several_tokens"), "{values:?}");
        }
        assert_eq!(read(&[b"Digest username=\"x, Bearer y\", realm=\"z\""]), Ok(None));
    }
}
