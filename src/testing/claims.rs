//! Claims for tests of handlers, without a token.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::{Clock, SystemClock};
use crate::token::audience::Audience;
use crate::token::claims::{ClaimSet, Claims};
use crate::token::request::Scheme;
use crate::token::resource::{Resource, Schemes};
use crate::token::scope::Scope;
use crate::verify::role_map::RoleMap;

/// Builds [`Claims`] for the unit test of a handler: no layer, no token, no cryptography.
///
/// Put them into the request's extensions, where [`AuthLayer`](crate::AuthLayer) would have put them;
/// extractors and [`RequireScope`](crate::RequireScope) then work as in production.
///
/// # Example
/// ```
/// # use tower_bearer::{Claims, testing::TestClaims};
/// let claims = TestClaims::new().subject("alice").scope("orders:read").claim("dept", "sales").build();
/// let request = http::Request::get("/orders").extension(claims).body(()).unwrap();
/// assert_eq!(request.extensions().get::<Claims>().unwrap().claim("dept").unwrap(), "sales");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TestClaims {
    members: Map<String, Value>,
    clock: Arc<dyn Clock>,
    roles: RoleMap,
}

impl TestClaims {
    /// Claims of subject `test-subject` and client `test-client`, for `https://api.example.com`, without scope.
    pub fn new() -> Self {
        let mut members = Map::new();
        for (name, value) in [
            ("iss", "https://as.example.com"),
            ("aud", "https://api.example.com"),
            ("sub", "test-subject"),
            ("client_id", "test-client"),
            ("jti", "test-token"),
        ] {
            members.insert(name.into(), value.into());
        }
        members.insert("exp".into(), 4_102_444_800_u64.into());
        members.insert("iat".into(), 1_767_225_600_u64.into());
        TestClaims { members, clock: Arc::new(SystemClock::new()), roles: RoleMap::new() }
    }

    /// The subject (`sub`).
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// The client (`client_id`).
    pub fn client_id(self, client: &str) -> Self {
        self.claim("client_id", client)
    }

    /// The issuer (`iss`).
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// The scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// The roles.
    pub fn roles<'a>(self, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.claim("roles", roles.into_iter().collect::<Vec<_>>())
    }

    /// The clock by which the age of an authentication is judged. Default: the system's.
    pub fn clock(self, clock: impl Clock) -> Self {
        TestClaims { clock: Arc::new(clock), ..self }
    }

    /// What the roles grant, as by [`ResourceServerBuilder::roles`](crate::ResourceServerBuilder::roles).
    pub fn role_map(self, roles: RoleMap) -> Self {
        TestClaims { roles, ..self }
    }

    fn role_names(&self) -> impl Iterator<Item = &str> {
        let roles = self.members.get("roles").and_then(Value::as_array).into_iter().flatten();
        roles.filter_map(Value::as_str)
    }

    /// Any claim; what does not serialize becomes null.
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.into(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// The claims, as if a server had verified them.
    pub fn build(self) -> Claims {
        let text = |name: &str| self.members.get(name).and_then(Value::as_str);
        let boxed = |name: &str| text(name).map(Box::from);
        let resource = Resource {
            identifier: text("aud").unwrap_or_default().into(),
            realm: text("aud").map(Into::into),
            realm_is_chosen: false,
            metadata: None,
            authorization_servers: Vec::new(),
            challenge_scope: None,
            refusal_body: None,
            audit_sink: None,
            schemes: Schemes::BEARER,
            binds_certificates: false,
            authorization: Default::default(),
            challenges: Default::default(),
            description: Default::default(),
            strip_credentials: false,
            grpc_refusals: true,
            clock: self.clock.clone(),
            leeway: 30,
        };
        let set = ClaimSet {
            issuer: text("iss").unwrap_or_default().into(),
            subject: boxed("sub"),
            client_id: boxed("client_id"),
            audience: Audience::new(text("aud")),
            scope: Scope::new(text("scope").unwrap_or_default()),
            roles: self.role_names().map(Box::from).collect(),
            granted: self.roles.resolve().of(self.role_names()),
            acr: boxed("acr"),
            auth_time: self.members.get("auth_time").and_then(Value::as_u64),
            jwt_id: boxed("jti"),
            expires_at: self.members.get("exp").and_then(Value::as_u64).unwrap_or_default(),
            not_before: None,
            issued_at: self.members.get("iat").and_then(Value::as_u64),
            confirmation: None,
            payload: Value::Object(self.members.clone()).to_string().into(),
            resource: Arc::new(resource),
            key_life: None,
            digest: None,
        };
        Claims::new(set, Scheme::Bearer)
    }
}

impl Default for TestClaims {
    fn default() -> Self {
        TestClaims::new()
    }
}
