//! `RequireRules`: rules by method and path around a service that cannot declare them per route.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Method, Uri};
use tower_layer::Layer;

use super::auth::AuthLayer;
use super::body::{BytesBody, EmptyBody, MapBody};
use super::metadata::ProtectedResourceMetadata;
use super::require::Require;
use super::rules_service::Ruled;
use crate::policy::access::{Access, AccessRules};
use crate::policy::requirement::Requirement;
use crate::policy::routes::RouteRules;
use crate::server::resource_server::ResourceServer;

/// A layer that asks of each request what the rule for its method and path says: [`AuthLayer`] and [`Require`] in one,
/// for services that have no routes to hang layers on, such as a proxy or a file server.
///
/// Where there are rules, the path is put into [normal form](crate::normalize_path) first; the rules match that form,
/// and the service inside sees it. A path that the service might read another way than the rules do is answered with
/// 400. Without a single rule the path is of no interest and is left as it came. Paths are compared with their case;
/// a service that ignores it needs rules with `{*rest}` that deny by default.
///
/// The work per request does not grow with the number of rules, but for the search among the literal segments at one
/// place, which is logarithmic.
///
/// # Example
/// ```
/// use tower::ServiceBuilder;
/// use tower_bearer::{Access, AccessRules, RequireRules, ResourceServer, RouteRules};
/// # use tower::{ServiceExt, service_fn};
/// # use http::{Request, Response, StatusCode};
/// # use http_body_util::Full;
/// # use bytes::Bytes;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut routes = RouteRules::new();
/// routes.insert("/health", &[], Access::Public)?;
/// routes.insert("/orders/{*rest}", &[], Access::Require("scope:orders:read".parse()?))?;
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let rules = RequireRules::new(server, AccessRules::new(routes));
/// let handle = rules.handle();
/// # let inner = service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default())) });
/// let service = ServiceBuilder::new().layer(rules).service(inner);
/// let status = |path: &str| service.clone().oneshot(Request::get(path).body(()).unwrap());
/// assert_eq!(status("/./health").await?.status(), StatusCode::OK);
/// assert_eq!(status("/orders/7").await?.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(status("/orders%2F7").await?.status(), StatusCode::BAD_REQUEST);
///
/// // At run time: requests under way keep the rules that they began with.
/// handle.replace(AccessRules::new(RouteRules::new()).default_access(Access::Public));
/// assert_eq!(status("/orders/7").await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RequireRules<R = BytesBody> {
    handle: RulesHandle,
    pub(super) body: R,
}

/// Replaces the rules of a [`RequireRules`] layer while it serves.
///
/// Each request is judged by exactly one configuration: the one in force when it arrived, from its path to its token,
/// also where it waits for keys meanwhile.
#[derive(Clone)]
pub struct RulesHandle {
    current: Arc<ArcSwap<Guard>>,
}

/// One configuration, prepared.
pub(super) struct Guard {
    pub(super) server: ResourceServer,
    pub(super) auth: AuthLayer,
    metadata: Option<ProtectedResourceMetadata>,
    routes: RouteRules<Door>,
    default: Door,
}

/// What a rule puts in front of the service.
#[derive(Clone)]
pub(super) enum Door {
    Open,
    Optional,
    Authenticated,
    Require(Require),
}

impl RequireRules {
    /// Protects with this server, and with these rules from now on.
    pub fn new(server: ResourceServer, rules: AccessRules) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(Guard::new(server, &rules)));
        RequireRules { handle: RulesHandle { current }, body: BytesBody }
    }
}

impl<R> RequireRules<R> {
    /// What replaces the rules of this layer and of every service that it made.
    pub fn handle(&self) -> RulesHandle {
        self.handle.clone()
    }

    /// Empty refusals; see [`AuthLayer::empty_body`].
    pub fn empty_body(self) -> RequireRules<EmptyBody> {
        RequireRules { handle: self.handle, body: EmptyBody }
    }

    /// Refusals whose body is made by `f`.
    pub fn map_body<F>(self, f: F) -> RequireRules<MapBody<F>> {
        RequireRules { handle: self.handle, body: MapBody(f) }
    }

    pub(super) fn guard(&self) -> Arc<Guard> {
        self.handle.current.load_full()
    }
}

impl RulesHandle {
    /// Puts other rules in force; the server stays.
    pub fn replace(&self, rules: AccessRules) {
        self.current.rcu(|guard| Guard::new(guard.server.clone(), &rules));
    }

    /// Puts another server and other rules in force, both at once.
    pub fn replace_with(&self, server: ResourceServer, rules: AccessRules) {
        self.current.store(Arc::new(Guard::new(server, &rules)));
    }
}

impl Guard {
    fn new(server: ResourceServer, rules: &AccessRules) -> Self {
        Guard {
            auth: AuthLayer::new(server.clone()),
            metadata: ProtectedResourceMetadata::of(&server),
            routes: rules.routes.map_with_template(|template, access| Door::of(access).on_route(template)),
            default: Door::of(&rules.default),
            server,
        }
    }

    pub(super) fn looks_at_paths(&self) -> bool {
        !self.routes.is_empty()
    }

    /// The metadata document is public, and [`AuthLayer`] answers it.
    pub(super) fn is_metadata(&self, uri: &Uri) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| metadata.is_at(uri))
    }

    pub(super) fn door(&self, method: &Method, path: &str) -> &Door {
        self.routes.find(method, path).unwrap_or(&self.default)
    }
}

impl Door {
    /// Audit events then name the rule's path.
    fn on_route(self, template: &Arc<str>) -> Self {
        match self {
            Door::Require(require) => Door::Require(require.route(template.clone())),
            other => other,
        }
    }

    fn of(access: &Access) -> Self {
        match access {
            Access::Public => Door::Open,
            Access::Optional => Door::Optional,
            Access::Authenticated => Door::Authenticated,
            Access::Deny => Door::Require(Require::new(Requirement::any_of([]))),
            Access::Require(requirement) => Door::Require(Require::new(requirement.clone())),
        }
    }
}

impl<S, R: Clone> Layer<S> for RequireRules<R> {
    type Service = Ruled<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Ruled { inner, rules: self.clone() }
    }
}

impl<R> fmt::Debug for RequireRules<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireRules").field(&self.handle).finish()
    }
}

impl fmt::Debug for RulesHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RulesHandle").field("rules", &self.current.load().routes.len()).finish_non_exhaustive()
    }
}
