//! Protected resource metadata (RFC 9728): the document and the service that answers it.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ALLOW, CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::{Value, json};
use tower_service::Service;

use super::body::{BytesBody, RefusalBody};
use crate::server::resource_server::ResourceServer;
use crate::token::resource::{Description, MetadataAddress, Resource, WELL_KNOWN};

/// The metadata document of a resource (RFC 9728 section 2), to which every challenge points.
///
/// [`AuthLayer`](crate::AuthLayer) answers it by itself when it is mounted at the root. Where the layer
/// sits deeper (a route, a nested router), mount [`service`](ProtectedResourceMetadata::service) at
/// [`path`](ProtectedResourceMetadata::path) of the root, without a layer above it: the document is public.
///
/// # Example
/// ```
/// # use tower_bearer::{ProtectedResourceMetadata, ResourceServer};
/// let server = ResourceServer::builder("https://api.example.com/mcp", "https://as.example.com").build()?;
/// let metadata = ProtectedResourceMetadata::of(&server).expect("the audience is an https URL");
/// assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/mcp");
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ProtectedResourceMetadata {
    address: MetadataAddress,
    at_root: bool,
    json: Bytes,
}

impl ProtectedResourceMetadata {
    /// The document of a server; `None` where its resource is not an https (or loopback) URL.
    pub fn of(server: &ResourceServer) -> Option<Self> {
        ProtectedResourceMetadata::describe(server.resource())
    }

    pub(crate) fn describe(resource: &Arc<Resource>) -> Option<Self> {
        let address = resource.metadata.clone()?;
        let at_root = resource.description.at_root;
        Some(ProtectedResourceMetadata { address, at_root, json: document(resource).to_string().into() })
    }

    /// The path of the document: the well-known segment before the path of the resource.
    pub fn path(&self) -> &str {
        &self.address.path
    }

    /// Every path at which the document is answered: the one above, and that at the root where
    /// [`metadata_at_root`](crate::ResourceServerBuilder::metadata_at_root) asks for it.
    ///
    /// # Example
    /// Two resources of one host, each with its own server, layer and document; the documents stand at the root of the
    /// host, outside every layer:
    /// ```
    /// use axum::{Router, body::Body, routing::get};
    /// use tower_bearer::{AuthLayer, ProtectedResourceMetadata, ResourceServer};
    ///
    /// let mut app = Router::new();
    /// for name in ["orders", "files"] {
    ///     let resource = format!("https://api.example.com/{name}");
    ///     let server = ResourceServer::builder(resource, "https://as.example.com").build()?;
    ///     let metadata = ProtectedResourceMetadata::of(&server).expect("the resource is an https URL");
    ///     for path in metadata.paths() {
    ///         app = app.route_service(path, metadata.clone().service::<Body>());
    ///     }
    ///     let inner: Router = Router::new().route("/", get(|| async { "inside" })).layer(AuthLayer::new(server));
    ///     app = app.nest(&format!("/{name}"), inner);
    /// }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let root = Some(WELL_KNOWN).filter(|root| self.at_root && self.address.path != *root);
        std::iter::once(self.path()).chain(root)
    }

    /// The whole address of the document, as it stands in challenges.
    pub fn url(&self) -> &str {
        &self.address.url
    }

    /// The document.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// A service that answers the document: 200 for GET and HEAD, 204 for a CORS preflight, 405 else.
    ///
    /// With axum, name the body: `.route_service(path, metadata.service::<axum::body::Body>())`.
    pub fn service<B>(self) -> MetadataService<B> {
        MetadataService { metadata: self, body: PhantomData }
    }

    /// The whole answer to a request for the document, for services that answer by themselves.
    pub fn respond(&self, method: &Method) -> Response<Bytes> {
        self.answer(method, &BytesBody)
    }

    /// True for this very path and query, or for the root where it is asked for; no other spelling of them is public.
    pub fn is_at(&self, uri: &Uri) -> bool {
        let own = uri.path() == self.address.path && uri.query() == self.address.query.as_deref();
        own || (self.at_root && uri.path() == WELL_KNOWN && uri.query().is_none())
    }

    pub(crate) fn answer<B>(&self, method: &Method, body: &impl RefusalBody<B>) -> Response<B> {
        let text = if method == Method::GET { self.json.clone() } else { Bytes::new() };
        let mut response = Response::new(body.body(text));
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        match *method {
            Method::GET | Method::HEAD => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
            }
            Method::OPTIONS => {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            _ => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            }
        }
        response
    }
}

/// Its members; those that say nothing are left out (RFC 9728 section 3.2).
fn document(resource: &Resource) -> Value {
    let Description { scopes, name, documentation, .. } = &resource.description;
    let algorithms: Vec<&str> = resource.schemes.dpop.iter().flat_map(|names| names.split(' ')).collect();
    let members = [
        ("resource", json!(resource.identifier)),
        ("authorization_servers", json!(resource.authorization_servers)),
        ("scopes_supported", json!(scopes)),
        ("bearer_methods_supported", json!(["header"])),
        ("resource_name", json!(name)),
        ("resource_documentation", json!(documentation)),
        ("dpop_signing_alg_values_supported", json!(algorithms)),
        ("dpop_bound_access_tokens_required", json!(!resource.schemes.bearer)),
        ("tls_client_certificate_bound_access_tokens", json!(resource.binds_certificates)),
    ];
    let says_something = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    members
        .into_iter()
        .filter(|(_, value)| says_something(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Answers a [`ProtectedResourceMetadata`] document, with bodies made from bytes.
pub struct MetadataService<B> {
    metadata: ProtectedResourceMetadata,
    body: PhantomData<fn() -> B>,
}

impl<B: From<Bytes>, Q> Service<Request<Q>> for MetadataService<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        ready(Ok(self.metadata.answer(request.method(), &BytesBody)))
    }
}

impl<B> Clone for MetadataService<B> {
    fn clone(&self) -> Self {
        MetadataService { metadata: self.metadata.clone(), body: PhantomData }
    }
}

impl<B> fmt::Debug for MetadataService<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MetadataService").field(&self.metadata).finish()
    }
}
