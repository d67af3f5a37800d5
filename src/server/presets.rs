//! Issuers whose tokens are known: what each server really sends, and what its users have to tell it.

use super::issuer::Issuer;
use super::known_server::{GUID_LENGTH, KnownServer};
use super::token_shape::RolesAt;
use crate::verify::roles::{RolesClaim, RolesShape};
use crate::verify::rules::Typ;

impl Issuer {
    /// [Keycloak](https://www.keycloak.org), by the URL of a realm.
    ///
    /// Takes `typ` `JWT` beside `at+jwt`, asks for `sub`, `iat` and `jti`, finds the client in `azp`, and the roles in
    /// `realm_access.roles` and, for your own audience only, in `resource_access.<audience>.roles`: the roles that
    /// other clients define are none here. ID and refresh tokens are told by the `typ` in their payload.
    ///
    /// ```json
    /// {"iss": "https://id.example.com/realms/shop", "aud": ["orders-api", "account"], "sub": "f3a1-...", "typ": "Bearer",
    ///  "azp": "shop-web", "exp": 1796083200, "iat": 1796082900, "jti": "onrtac:...", "scope": "openid profile",
    ///  "realm_access": {"roles": ["staff"]}, "resource_access": {"orders-api": {"roles": ["clerk"]}}}
    /// ```
    ///
    /// Keycloak names a service in `aud` only where it is told to: add a mapper of the type *Audience* with this
    /// service's client to the client that asks, or to a client scope. Since version 25 `sub` comes with the client scope
    /// `basic`.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let issuer = Issuer::keycloak("https://id.example.com/realms/shop");
    /// let server = ResourceServer::builder("orders-api", issuer).resource("https://api.example.com").build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn keycloak(realm_url: impl Into<String>) -> Self {
        let url = without_slash(realm_url);
        let realm = url.rsplit_once("/realms/").map_or("", |(_, realm)| realm);
        let bad = realm.is_empty() || realm.contains('/');
        let issuer = preset(KnownServer::Keycloak, url, Typ::Jwt, &["sub", "iat", "jti"]);
        Issuer {
            roles: vec![
                claim("realm_access.roles", RolesShape::List),
                RolesAt::OwnAudience { before: "resource_access.", after: ".roles", shape: RolesShape::List },
            ],
            ..issuer.misnamed_if(bad, "must be the URL of a realm, such as https://id.example.com/realms/shop")
        }
    }

    /// [Microsoft Entra ID](https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference), by the
    /// id of a tenant, or by the issuer of another cloud: `https://login.microsoftonline.us/<tenant id>/v2.0`.
    ///
    /// Takes `typ` `JWT`, asks for `sub` and `iat`, finds the scope in `scp`, the client in `azp` and the roles in `roles`,
    /// which an administrator assigns. `groups` are no roles here, because users can make groups of any name; where
    /// yours are safe, add them: `.roles_claims(["roles", "groups"])`.
    ///
    /// ```json
    /// {"iss": "https://login.microsoftonline.com/72f988bf-.../v2.0", "aud": "6e74172b-...", "sub": "AAAAAI...", "ver": "2.0",
    ///  "azp": "00001111-...", "exp": 1796083200, "iat": 1796079600, "nbf": 1796079600, "scp": "orders.read",
    ///  "roles": ["Clerk"], "oid": "690222be-...", "tid": "72f988bf-...", "uti": "fqiBqXLP..."}
    /// ```
    ///
    /// `aud` of these tokens is the application id of your API, so that is your audience. Version 1.0 tokens have
    /// another issuer and do not pass: set `requestedAccessTokenVersion` to 2 in the manifest of the API's registration.
    /// A token for Microsoft Graph is nobody else's to verify: the client must ask for a scope of your API. Each tenant is an
    /// issuer of its own; `common` and `organizations` are none.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let issuer = Issuer::entra("72f988bf-86f1-41af-91ab-2d7cd011db47");
    /// let server = ResourceServer::builder("6e74172b-be56-4843-9ff4-e66a39bb12e3", issuer).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn entra(tenant: impl Into<String>) -> Self {
        let given = tenant.into();
        let url = match given.contains("://") {
            true => given,
            false => format!("https://login.microsoftonline.com/{given}/v2.0"),
        };
        let tenant = url.trim_end_matches('/').strip_suffix("/v2.0").and_then(|start| start.rsplit('/').next());
        let bad = !tenant.is_some_and(is_guid);
        let issuer = preset(KnownServer::Entra, url, Typ::Jwt, &["sub", "iat"]).scope_claim("scp").roles_claim("roles");
        issuer.misnamed_if(bad, "must name one tenant by its id, such as 72f988bf-86f1-41af-91ab-2d7cd011db47")
    }

    /// [Auth0](https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles), by the tenant's domain, also a
    /// custom one, or its URL.
    ///
    /// Takes both token profiles: `typ` `JWT` with `azp`, or `at+jwt` with `client_id`. Asks for `sub` and `iat`, and takes
    /// `permissions` for roles, which are there where RBAC is on. The issuer ends with a slash, which is added.
    ///
    /// ```json
    /// {"iss": "https://shop.eu.auth0.com/", "aud": ["https://api.example.com", "https://shop.eu.auth0.com/userinfo"],
    ///  "sub": "auth0|64f0c1...", "azp": "dQw4w9WgXcQ...", "exp": 1796169300, "iat": 1796082900,
    ///  "scope": "openid orders:read", "permissions": ["orders:read"]}
    /// ```
    ///
    /// A client that names no `audience` gets a token that nobody but Auth0 can read; it must name the identifier of your
    /// API, which is your audience here.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let server = ResourceServer::builder("https://api.example.com", Issuer::auth0("shop.eu.auth0.com")).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn auth0(domain: impl Into<String>) -> Self {
        let given = without_slash(domain);
        let url = match given.contains("://") {
            true if is_for_tests(&given) => given,
            true => format!("{given}/"),
            false => format!("https://{given}/"),
        };
        preset(KnownServer::Auth0, url, Typ::Jwt, &["sub", "iat"]).roles_claim("permissions")
    }

    /// [Okta](https://developer.okta.com/docs/concepts/auth-servers/), by the URL of a custom authorization server.
    ///
    /// Takes tokens without `typ`, asks for `sub`, `iat` and `jti`, finds the scope in `scp`, a list, the client in `cid`,
    /// and the roles in `groups`, where such a claim is set up.
    ///
    /// ```json
    /// {"iss": "https://shop.okta.com/oauth2/default", "aud": "api://default", "sub": "alice@example.com", "ver": 1,
    ///  "cid": "0oa2hl2inow5Uqc6c357", "uid": "00u1fv...", "exp": 1796086500, "iat": 1796082900, "jti": "AT.o4F8...",
    ///  "scp": ["openid", "orders:read"], "groups": ["clerks"]}
    /// ```
    ///
    /// `aud` is what the settings of that authorization server say. Tokens of the org authorization server (a URL
    /// without `/oauth2/<id>`) are for Okta's own use, and nobody else can verify them.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let issuer = Issuer::okta("https://shop.okta.com/oauth2/default");
    /// let server = ResourceServer::builder("api://default", issuer).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn okta(authorization_server: impl Into<String>) -> Self {
        let url = without_slash(authorization_server);
        let bad = url.rsplit_once("/oauth2/").is_none_or(|(_, id)| id.is_empty() || id.contains('/'));
        let issuer = preset(KnownServer::Okta, url, Typ::Jwt, &["sub", "iat", "jti"])
            .scope_claim("scp")
            .client_claim("cid")
            .roles_claim("groups");
        issuer.misnamed_if(
            bad,
            "must be the URL of a custom authorization server, such as https://shop.okta.com/oauth2/default; tokens of \
             the org authorization server cannot be verified by others",
        )
    }

    /// [Amazon Cognito](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html),
    /// by region and user pool, `eu-central-1/eu-central-1_AbCdEf123`, or by the issuer's URL.
    ///
    /// Takes tokens without `typ`, asks for `sub`, `client_id`, `iat` and `jti`, and finds the roles in `cognito:groups`.
    /// ID tokens are told by `token_use`.
    ///
    /// ```json
    /// {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123", "sub": "aaaaaaaa-...",
    ///  "client_id": "57cbishk4j24pabc1234567890", "token_use": "access", "scope": "orders/read", "version": 2,
    ///  "auth_time": 1796082900, "exp": 1796086500, "iat": 1796082900, "jti": "bbbbbbbb-...", "cognito:groups": ["clerks"]}
    /// ```
    ///
    /// There is no `aud` unless the client names a `resource`, so name the app clients that may call you with
    /// [`client_ids`](Issuer::client_ids), and read there what that is worth. Without them such tokens are refused.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let issuer = Issuer::cognito("eu-central-1/eu-central-1_AbCdEf123").client_ids(["57cbishk4j24pabc1234567890"]);
    /// let server = ResourceServer::builder("https://api.example.com", issuer).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn cognito(pool: impl Into<String>) -> Self {
        let given = without_slash(pool);
        let (region, pool) = given.split_once('/').unwrap_or_default();
        let bad = !given.contains("://") && !pool.strip_prefix(region).is_some_and(|id| id.starts_with('_'));
        let cloud = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = match given.contains("://") || bad {
            true => given,
            false => format!("https://cognito-idp.{region}.{cloud}/{pool}"),
        };
        let issuer = preset(KnownServer::Cognito, url, Typ::Jwt, &["sub", "client_id", "iat", "jti"]);
        issuer.roles_claim("cognito:groups").misnamed_if(
            bad,
            "must be region and user pool, such as eu-central-1/eu-central-1_AbCdEf123, or the issuer's URL",
        )
    }

    /// [ZITADEL](https://zitadel.com/docs/apis/openidoauth/claims), by the URL of the instance.
    ///
    /// Takes `typ` `JWT`, asks for `sub`, `iat` and `jti`, and finds the roles in the claim of your own project,
    /// `urn:zitadel:iam:org:project:<audience>:roles`, an object whose members are named by the roles. A role counts
    /// where its member names an organization that granted it. The claim without an id is not read: it holds the
    /// roles of the *client's* project, and whoever runs another project names the roles there.
    ///
    /// ```json
    /// {"iss": "https://shop-a1b2c3.zitadel.cloud", "aud": ["284123456789012345@shop", "284123456789000001"],
    ///  "sub": "284987654321098765", "client_id": "284123456789012345@shop", "exp": 1796126100, "iat": 1796082900,
    ///  "nbf": 1796082900, "jti": "V2_284...", "urn:zitadel:iam:org:project:284123456789000001:roles":
    ///  {"clerk": {"284000000000000001": "shop.zitadel.cloud"}}}
    /// ```
    ///
    /// The audience is the id of the project, and the client asks for it with the scope
    /// `urn:zitadel:iam:org:project:id:<project id>:aud`; for roles also with `urn:zitadel:iam:org:projects:roles`. Tokens are
    /// opaque unless the application's token type is JWT. There is no `scope` claim: require roles. Where several
    /// organizations use the project, `claim` reads which one granted a role.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let issuer = Issuer::zitadel("https://shop-a1b2c3.zitadel.cloud");
    /// let server = ResourceServer::builder("284123456789000001", issuer).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn zitadel(url: impl Into<String>) -> Self {
        let (before, after) = ("urn:zitadel:iam:org:project:", ":roles");
        let issuer = preset(KnownServer::Zitadel, without_slash(url), Typ::Jwt, &["sub", "iat", "jti"]);
        Issuer { roles: vec![RolesAt::OwnAudience { before, after, shape: RolesShape::Names }], ..issuer }
    }

    /// [OpenIddict](https://documentation.openiddict.com), by the issuer as its discovery document has it: mostly with a
    /// slash at the end.
    ///
    /// Its tokens follow RFC 9068, so everything that is asked by default is asked; roles are found in `role`, one as a
    /// string or several as a list.
    ///
    /// ```json
    /// {"iss": "https://as.example.com/", "aud": "orders-api", "sub": "42", "client_id": "shop-web", "oi_prst": "shop-web",
    ///  "oi_au_id": "7a1c...", "oi_tkn_id": "0f3b...", "exp": 1796086500, "iat": 1796082900, "jti": "6b2f...",
    ///  "scope": "openid orders", "role": ["clerk", "staff"]}
    /// ```
    ///
    /// Its access tokens are encrypted unless `DisableAccessTokenEncryption()` is called on the server, and encrypted ones
    /// are not taken here. `aud` holds the resources of the granted scopes: give the scope of your API one.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let server = ResourceServer::builder("orders-api", Issuer::openiddict("https://as.example.com/")).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn openiddict(url: impl Into<String>) -> Self {
        let issuer = Issuer { known: Some(KnownServer::OpenIddict), ..Issuer::new(url) };
        Issuer { roles: vec![claim("role", RolesShape::OneOrList)], ..issuer }
    }

    /// [oidc-provider](https://github.com/panva/node-oidc-provider), by its issuer.
    ///
    /// Its tokens follow RFC 9068, so nothing differs from [`Issuer::new`] but what the operator is told when a token is
    /// refused.
    ///
    /// ```json
    /// {"iss": "https://as.example.com", "aud": "https://api.example.com", "sub": "alice", "client_id": "shop-web",
    ///  "exp": 1796086500, "iat": 1796082900, "jti": "x9Qk...", "scope": "orders:read"}
    /// ```
    ///
    /// Its tokens are opaque unless `getResourceServerInfo` answers `accessTokenFormat: "jwt"` for your service, and are for
    /// your service only where the client asks for it with `resource`.
    ///
    /// ```
    /// # use tower_bearer::{Issuer, ResourceServer};
    /// let issuer = Issuer::oidc_provider("https://as.example.com");
    /// let server = ResourceServer::builder("https://api.example.com", issuer).build()?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn oidc_provider(url: impl Into<String>) -> Self {
        Issuer { known: Some(KnownServer::OidcProvider), ..Issuer::new(url) }
    }

    fn misnamed_if(self, bad: bool, remedy: &'static str) -> Self {
        let bad = bad && !is_for_tests(&self.identifier);
        Issuer { misnamed: bad.then_some(remedy), ..self }
    }
}

fn preset(server: KnownServer, url: String, typ: Typ, required: &[&str]) -> Issuer {
    Issuer { known: Some(server), ..Issuer::new(url).typ(typ).required_claims(required.iter().copied()) }
}

fn claim(path: &str, shape: RolesShape) -> RolesAt {
    RolesAt::Claim(RolesClaim { path: path.into(), shape })
}

/// These servers write their issuer without a slash at the end, and people copy it with one.
fn without_slash(text: impl Into<String>) -> String {
    let mut text = text.into();
    if !is_for_tests(&text) {
        text.truncate(text.trim_end_matches('/').len());
    }
    text
}

/// None of these servers is reached over http but by a test, whose stand-in has a name of its own.
fn is_for_tests(url: &str) -> bool {
    url.starts_with("http://")
}

/// `8-4-4-4-12` hexadecimal digits, in lower case as Entra writes them.
fn is_guid(text: &str) -> bool {
    let fits = |(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == GUID_LENGTH && text.bytes().enumerate().all(fits)
}
