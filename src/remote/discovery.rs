//! Authorization server metadata (RFC 8414, OpenID Connect Discovery).

use std::fmt;

use http::header::CONTENT_TYPE;
use http::{Response, Uri};

use super::http_client::{Door, HttpError};
use super::url;
use crate::token::json::{self, Json};
use crate::token::untrusted::Untrusted;

/// What of the metadata this crate uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerMetadata {
    pub(crate) jwks_uri: Uri,
}

/// Why no metadata could be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DiscoveryError {
    Http(HttpError),
    NotJson,
    IssuerMismatch(String),
    JwksUri(String),
}

impl DiscoveryError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            DiscoveryError::Http(error) => error.code(),
            DiscoveryError::NotJson => "metadata_malformed",
            DiscoveryError::IssuerMismatch(_) => "issuer_mismatch",
            DiscoveryError::JwksUri(_) => "jwks_uri",
        }
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiscoveryError::Http(error) => write!(f, "metadata: {error}"),
            DiscoveryError::NotJson => f.write_str("the metadata is not a JSON object of type application/json"),
            DiscoveryError::IssuerMismatch(issuer) => {
                write!(f, "the metadata is of issuer `{issuer}`; the configured one must equal it byte for byte")
            }
            DiscoveryError::JwksUri(what) => write!(f, "`jwks_uri` of the metadata {what}"),
        }
    }
}

/// Asks the well-known addresses in the order of RFC 8414 section 5. The next one is asked only when
/// the server answered that this one does not exist, not when it is in trouble.
pub(crate) async fn discover(door: &Door, issuer: &str, allow_http: bool) -> Result<ServerMetadata, DiscoveryError> {
    let mut last = DiscoveryError::NotJson;
    for address in addresses(issuer) {
        match door.get(&address).await {
            Ok(response) => return read(&response, issuer, allow_http),
            Err(HttpError::Status(status)) if status.is_client_error() => {
                last = DiscoveryError::Http(HttpError::Status(status));
            }
            Err(error) => return Err(DiscoveryError::Http(error)),
        }
    }
    Err(last)
}

/// RFC 8414 inserts the well-known segment before the path, OpenID Connect appends it.
fn addresses(issuer: &str) -> Vec<Uri> {
    let Ok(uri) = issuer.parse::<Uri>() else { return Vec::new() };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Vec::new() };
    let path = uri.path().trim_end_matches('/');
    let origin = format!("{scheme}://{authority}");
    let mut texts = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ];
    texts.dedup();
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Judges one metadata document.
pub(crate) fn read(
    response: &Response<bytes::Bytes>,
    issuer: &str,
    allow_http: bool,
) -> Result<ServerMetadata, DiscoveryError> {
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(DiscoveryError::NotJson);
    }
    let object =
        json::parse_object(json::without_byte_order_mark(response.body())).map_err(|_| DiscoveryError::NotJson)?;
    let text = |name| object.get(name).and_then(Json::as_str);
    let found = text("issuer").unwrap_or_default();
    if found != issuer {
        return Err(DiscoveryError::IssuerMismatch(Untrusted(found).to_string()));
    }
    let jwks_uri = text("jwks_uri").ok_or_else(|| DiscoveryError::JwksUri("is missing".into()))?;
    let jwks_uri = url::check(jwks_uri, allow_http).map_err(|bad| DiscoveryError::JwksUri(bad.remedy().into()))?;
    Ok(ServerMetadata { jwks_uri })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(issuer: &str) -> Vec<String> {
        addresses(issuer).iter().map(Uri::to_string).collect()
    }

    #[test]
    fn c8414_3_1_a_c8414_5_a_b_the_well_known_addresses_of_an_issuer() {
        let with_path = [
            "https://as.example.com/.well-known/oauth-authorization-server/t1",
            "https://as.example.com/.well-known/openid-configuration/t1",
            "https://as.example.com/t1/.well-known/openid-configuration",
        ];
        assert_eq!(texts("https://as.example.com/t1"), with_path);
        assert_eq!(texts("https://as.example.com/t1/"), with_path);
        let bare = [
            "https://as.example.com/.well-known/oauth-authorization-server",
            "https://as.example.com/.well-known/openid-configuration",
        ];
        assert_eq!(texts("https://as.example.com"), bare);
        assert_eq!(texts("https://as.example.com/"), bare);
    }
}
