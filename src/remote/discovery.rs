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
    /// None where the issuer publishes no keys: its tokens are opaque.
    pub(crate) jwks_uri: Option<Uri>,
    pub(crate) introspection: Option<IntrospectionEndpoint>,
}

/// Where an issuer tells of tokens (RFC 8414 section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IntrospectionEndpoint {
    pub(crate) uri: Uri,
    /// How clients may authenticate there; empty where the metadata do not say.
    pub(crate) methods: Vec<String>,
}

/// Why no metadata could be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DiscoveryError {
    Http(HttpError),
    NotJson,
    IssuerMismatch(String),
    JwksUri(String),
    Introspection(String),
}

impl DiscoveryError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            DiscoveryError::Http(error) => error.code(),
            DiscoveryError::NotJson => "metadata_malformed",
            DiscoveryError::IssuerMismatch(_) => "issuer_mismatch",
            DiscoveryError::JwksUri(_) => "jwks_uri",
            DiscoveryError::Introspection(_) => "introspection_endpoint",
        }
    }
}

impl From<HttpError> for DiscoveryError {
    fn from(error: HttpError) -> Self {
        DiscoveryError::Http(error)
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
            DiscoveryError::Introspection(what) => write!(f, "`introspection_endpoint` of the metadata {what}"),
        }
    }
}

/// Asks this address, else the well-known ones in the order of RFC 8414 section 5. The next one is asked only when
/// the server answered that this one does not exist, not when it is in trouble.
pub(crate) async fn discover(
    door: &Door,
    issuer: &str,
    address: Option<&Uri>,
    allow_http: bool,
) -> Result<ServerMetadata, DiscoveryError> {
    let mut last = DiscoveryError::NotJson;
    for address in address.map_or_else(|| addresses(issuer), |address| vec![address.clone()]) {
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
    if !is_of_type(response, "application/json") {
        return Err(DiscoveryError::NotJson);
    }
    let object =
        json::parse_object(json::without_byte_order_mark(response.body())).map_err(|_| DiscoveryError::NotJson)?;
    let text = |name| object.get(name).and_then(Json::as_str);
    let found = text("issuer").unwrap_or_default();
    if found != issuer {
        return Err(DiscoveryError::IssuerMismatch(Untrusted(found).to_string()));
    }
    let address = |name, wrong: fn(String) -> DiscoveryError| match object.get(name) {
        None => Ok(None),
        Some(value) => {
            let checked = url::check(value.as_str().unwrap_or_default(), allow_http);
            checked.map(Some).map_err(|bad| wrong(bad.remedy().into()))
        }
    };
    let jwks_uri = address("jwks_uri", DiscoveryError::JwksUri)?;
    // A mistake there is no reason to be without keys: it is told to whoever asks for the endpoint.
    let endpoint = address("introspection_endpoint", DiscoveryError::Introspection).unwrap_or_default();
    let methods = object.get("introspection_endpoint_auth_methods_supported").and_then(Json::as_array);
    let methods = methods.into_iter().flatten().filter_map(Json::as_str).map(String::from).collect();
    let introspection = endpoint.map(|uri| IntrospectionEndpoint { uri, methods });
    Ok(ServerMetadata { jwks_uri, introspection })
}

/// Whether an answer is of this media type, its parameters not looked at.
pub(super) fn is_of_type(response: &Response<bytes::Bytes>, media_type: &str) -> bool {
    let mut found = response.headers().get_all(CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or_default());
    let plain = |value: &str| value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type);
    found.next().is_some_and(plain) && found.next().is_none()
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
