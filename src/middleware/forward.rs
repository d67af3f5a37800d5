//! `ForwardLayer`: verified claims as header fields for the service inside, and no copy of them that a client made.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, HeaderName, TRAILER};
use http::{HeaderMap, HeaderValue, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::forward_value::Values;
use crate::error::{ConfigError, ConfigProblem};
use crate::telemetry;
use crate::token::claims::Claims;

/// A fleet of fields is a mistake, and each is looked for on every request.
const MAX_HEADERS: usize = 64;

/// Fields that frame a message, name its target or carry credentials.
const RESERVED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A layer that tells the service inside who calls, in header fields: for services that know nothing of tokens, such
/// as one behind a proxy.
///
/// Stands inside an [`AuthLayer`](crate::AuthLayer). Every copy of these fields that came with the request is removed
/// first, with or without a token, in every spelling: in any case, repeated, and with any other character in place of
/// a hyphen, because servers that hand fields to programs as variables (CGI, WSGI, PHP) cannot tell `X_User` from
/// `X-User`. They are struck from `Trailer` as well; for the trailers themselves there is
/// [`remove_from`](ForwardLayer::remove_from).
///
/// A field is named with a claim: a name or a dotted path. `scope`, `roles` and `client_id` are those that a
/// [`Requirement`](crate::Requirement) sees, whichever claim they come from; `scope` is separated by spaces, every
/// other list by commas. What cannot stand in a field is left out and logged once: text that is not printable ASCII,
/// a list with a member that holds a comma, an object, more than 4,096 bytes. An absent claim sets no field.
///
/// # Example
/// ```
/// # use tower_bearer::{AuthLayer, ForwardLayer, ResourceServer};
/// # use tower::ServiceBuilder;
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let layers = ServiceBuilder::new()
///     .layer(AuthLayer::new(server))
///     .layer(ForwardLayer::new([("x-user", "sub"), ("x-roles", "roles")])?.strip_credentials());
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ForwardLayer {
    fields: Arc<[ClaimField]>,
    removed: Arc<[Box<str>]>,
}

#[derive(Debug)]
struct ClaimField {
    name: HeaderName,
    claim: Box<str>,
    /// A claim that does not fit would otherwise be complained of with every request.
    told: AtomicBool,
}

impl ForwardLayer {
    /// Sets these fields, each from the claim beside it; 64 at most.
    ///
    /// # Errors
    /// A name is no field name, is one that frames messages or carries credentials, or stands twice; a claim has no
    /// name.
    pub fn new(fields: impl IntoIterator<Item = (impl AsRef<str>, impl Into<Box<str>>)>) -> Result<Self, ConfigError> {
        let (mut known, mut removed, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (name, claim) in fields {
            let (name, claim) = (name.as_ref(), claim.into());
            match check(name, &claim, &removed) {
                Ok(name) => {
                    removed.push(spelling(name.as_str()));
                    known.push(ClaimField { name, claim, told: AtomicBool::new(false) });
                }
                Err(remedy) => problems.push(ConfigProblem::new(format!("headers.{name}"), claim, remedy)),
            }
        }
        if known.len() > MAX_HEADERS {
            problems.push(ConfigProblem::new("headers", known.len(), "must name 64 fields at most"));
        }
        ConfigError::unless_empty(problems)?;
        Ok(ForwardLayer { fields: known.into(), removed: removed.into() })
    }

    /// Removes these fields of the request as well, in every spelling: `Client-Cert`, for instance, where nobody in
    /// front sets it.
    pub fn remove(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let more = names.into_iter().map(|name| spelling(name.as_str()));
        ForwardLayer { removed: self.removed.iter().cloned().chain(more).collect(), ..self }
    }

    /// Removes what proves who calls: `Authorization`, `DPoP`, `Client-Cert` and `Client-Cert-Chain`. The service
    /// inside can then neither leak nor replay a token. Default: they are left as they came.
    pub fn strip_credentials(self) -> Self {
        let names = [AUTHORIZATION.as_str(), "dpop", "client-cert", "client-cert-chain"];
        self.remove(names.map(HeaderName::from_static))
    }

    /// The names of the fields that are set.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields.iter().map(|field| &field.name)
    }

    /// Removes every spelling of the fields: what the layer does with the header section of each request, for the
    /// trailers of its body, which only who reads the body can see.
    pub fn remove_from(&self, fields: &mut HeaderMap) {
        let copies: Vec<HeaderName> = fields.keys().filter(|name| self.is_ours(name.as_str())).cloned().collect();
        copies.iter().for_each(|name| drop(fields.remove(name)));
        if fields.contains_key(TRAILER) {
            self.strike_from_trailer(fields);
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        self.removed.iter().any(|removed| is_spelling_of(name, removed))
    }

    fn strike_from_trailer(&self, fields: &mut HeaderMap) {
        let announced = fields.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
        let names = announced.flat_map(|value| value.split(',')).map(str::trim);
        let kept: Vec<&str> = names.filter(|name| !name.is_empty() && !self.is_ours(name)).collect();
        match HeaderValue::try_from(kept.join(", ")) {
            Ok(kept) if !kept.is_empty() => drop(fields.insert(TRAILER, kept)),
            _ => drop(fields.remove(TRAILER)),
        }
    }

    fn apply<Q>(&self, request: &mut Request<Q>) {
        self.remove_from(request.headers_mut());
        let Some(claims) = request.extensions().get::<Claims>().cloned() else { return };
        let values = Values::of(&claims);
        for field in &*self.fields {
            let outcome = values.get(&field.claim).and_then(|value| match value {
                Some(value) => request.headers_mut().try_insert(&field.name, value).map(drop).map_err(|_| "no room"),
                None => Ok(()),
            });
            if let Err(why) = outcome
                && !field.told.swap(true, Ordering::Relaxed)
            {
                telemetry::claim_not_forwarded(field.name.as_str(), &field.claim, why);
            }
        }
    }
}

fn check(name: &str, claim: &str, taken: &[Box<str>]) -> Result<HeaderName, &'static str> {
    let parsed: HeaderName = name.parse().map_err(|_| "must be the name of a header field")?;
    let spelled = spelling(parsed.as_str());
    if RESERVED.contains(&&*spelled) {
        return Err("this field has a meaning of its own; choose another, such as `x-auth-subject`");
    }
    if taken.contains(&spelled) {
        return Err("stands twice: names that differ in case or `_` for `-` only are one");
    }
    if claim.is_empty() { Err("must name a claim, such as `sub`") } else { Ok(parsed) }
}

/// One spelling for all that some server takes for the same name.
fn spelling(name: &str) -> Box<str> {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

fn is_spelling_of(name: &str, spelled: &str) -> bool {
    let same = |(one, other): (u8, u8)| match other {
        b'-' => !one.is_ascii_alphanumeric(),
        _ => one.eq_ignore_ascii_case(&other),
    };
    name.len() == spelled.len() && name.bytes().zip(spelled.bytes()).all(same)
}

impl<S> Layer<S> for ForwardLayer {
    type Service = Forward<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Forward { inner, layer: self.clone() }
    }
}

/// The service that [`ForwardLayer`] makes.
#[derive(Clone)]
pub struct Forward<S> {
    inner: S,
    layer: ForwardLayer,
}

impl<S, Q> Service<Request<Q>> for Forward<S>
where
    S: Service<Request<Q>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        self.layer.apply(&mut request);
        self.inner.call(request)
    }
}

impl<S> fmt::Debug for Forward<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Forward").field(&self.layer).finish()
    }
}
