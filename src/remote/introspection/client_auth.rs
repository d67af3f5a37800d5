//! How this service authenticates at the endpoint: secret or signed assertion.

use std::fmt;

use http::HeaderValue;

use super::assertion::Assertion;
use super::form;
use crate::verify::base64url::encode_standard;

/// One way to authenticate, and what it needs. Shows nothing of it.
pub(crate) enum ClientAuth {
    /// RFC 6749 section 2.3.1.
    Basic { client_id: String, secret: String },
    /// The same section: in the form, for servers that cannot do the above.
    Post { client_id: String, secret: String },
    /// RFC 7523 section 2.2.
    PrivateKey(Assertion),
}

/// What a call carries of it.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) members: Vec<(&'static str, String)>,
}

impl ClientAuth {
    /// The name among the methods of the metadata.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            ClientAuth::Basic { .. } => "client_secret_basic",
            ClientAuth::Post { .. } => "client_secret_post",
            ClientAuth::PrivateKey(_) => "private_key_jwt",
        }
    }

    /// Made anew for each call: an assertion may be used once. None only where signing fails.
    pub(super) fn credentials(&self, now: u64) -> Option<Credentials> {
        Some(match self {
            ClientAuth::Basic { client_id, secret } => {
                let pair = format!("{}:{}", form::encoded(client_id), form::encoded(secret));
                let mut value = HeaderValue::try_from(format!("Basic {}", encode_standard(pair.as_bytes()))).ok()?;
                value.set_sensitive(true);
                Credentials { authorization: Some(value), members: Vec::new() }
            }
            ClientAuth::Post { client_id, secret } => Credentials {
                authorization: None,
                members: vec![("client_id", client_id.clone()), ("client_secret", secret.clone())],
            },
            ClientAuth::PrivateKey(assertion) => Credentials {
                authorization: None,
                members: vec![
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
                    ("client_assertion", assertion.sign(now)?),
                ],
            },
        })
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientAuth({})", self.method())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7662_2_1_c_id_and_secret_are_form_encoded_before_they_are_joined() {
        let auth = ClientAuth::Basic { client_id: "a:b".into(), secret: "p%/ +\u{e9}".into() };
        let value = auth.credentials(0).unwrap().authorization.unwrap();
        // `a%3Ab:p%25%2F+%2B%C3%A9`
        assert_eq!(value, "Basic YSUzQWI6cCUyNSUyRislMkIlQzMlQTk=");
        assert!(value.is_sensitive());
        assert_eq!(format!("{auth:?}"), "ClientAuth(client_secret_basic)");
    }
}
