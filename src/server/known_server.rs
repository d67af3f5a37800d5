//! Well-known authorization servers: by what their tokens are recognised, and what most often goes wrong with them.
//! Nothing here lets a token pass; it only makes a refusal plainer to the operator.

use crate::token::error::{AuthError, Reason};
use crate::token::json::{Json, Object};
use crate::verify::rules::Judged;

/// A server that there is a preset for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownServer {
    Keycloak,
    Entra,
    Auth0,
    Okta,
    Cognito,
    Zitadel,
    OpenIddict,
    OidcProvider,
}

/// What a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Audience,
    Subject,
    Form,
    Opaque,
}

/// Says more of a refusal by a trusted issuer: the preset that fits the token, or, where it is in use already, what the
/// server needs to be told.
pub(super) fn explain(error: AuthError, configured: Option<KnownServer>, token: &Judged<'_>) -> AuthError {
    let Some(trouble) = Trouble::of(&error) else { return error };
    let Some(server) = configured.or_else(|| KnownServer::of(token.payload)) else { return error };
    let advice = match (trouble, server) {
        (Trouble::Audience, KnownServer::Entra) if is_for_graph(token.payload) => Some(
            "this token is for Microsoft Graph, and nobody else can verify it: the client must ask for a scope of this \
             API, such as `api://<application id>/.default`",
        ),
        _ => server.advice(trouble),
    };
    let suggestion = server.suggestion().filter(|_| configured.is_none());
    [suggestion, advice].into_iter().flatten().fold(error, explained)
}

/// Says why a token that is no JWT may have come from this server.
pub(super) fn explain_opaque(error: AuthError, server: KnownServer) -> AuthError {
    match (error.reason(), server.advice(Trouble::Opaque)) {
        (Reason::NotAJwt, Some(advice)) => explained(error, advice),
        _ => error,
    }
}

/// Entra ID gives tokens of version 1.0 another issuer, so they meet none that is trusted. Said of a trusted tenant only.
pub(super) fn explain_issuer(error: AuthError, issuer: &str, is_trusted: impl Fn(&str) -> bool) -> AuthError {
    let tenant = issuer.strip_prefix("https://sts.windows.net/").map(|rest| rest.trim_end_matches('/'));
    let trusted = |tenant: &str| {
        tenant.len() == GUID_LENGTH && is_trusted(&format!("https://login.microsoftonline.com/{tenant}/v2.0"))
    };
    if !tenant.is_some_and(trusted) {
        return error;
    }
    explained(
        error,
        "this is a version 1.0 token of a trusted Entra tenant: set `requestedAccessTokenVersion` to 2 in the manifest of \
         this API's registration; tokens for Microsoft Graph are of version 1.0 always and can never pass here",
    )
}

/// The same refusal of a token, with more for the operator behind what was found.
fn explained(error: AuthError, more: &str) -> AuthError {
    let found = error.detail().map(|detail| format!("{detail}; ")).unwrap_or_default();
    AuthError::with_detail(error.reason(), format_args!("{found}{more}"))
}

/// The length of a tenant's id as Entra writes it.
pub(super) const GUID_LENGTH: usize = 36;

impl Trouble {
    /// None where the server's habits are not to blame.
    fn of(error: &AuthError) -> Option<Self> {
        match (error.reason(), error.detail()) {
            (Reason::AudienceMismatch, _) | (Reason::ClaimMissing, Some("aud")) => Some(Trouble::Audience),
            (Reason::ClaimMissing, Some("sub")) => Some(Trouble::Subject),
            (Reason::ClaimMissing | Reason::ClaimInvalid | Reason::TypeNotAccepted, _) => Some(Trouble::Form),
            _ => None,
        }
    }
}

impl KnownServer {
    /// By members and issuers that only one server writes.
    fn of(payload: &Object<'_>) -> Option<Self> {
        let has = |name| payload.get(name).is_some();
        let text = |name| payload.get(name).and_then(Json::as_str).unwrap_or_default();
        let begins = |start| payload.iter().any(|(name, _)| name.starts_with(start));
        let issuer = text("iss");
        let found = [
            (KnownServer::Keycloak, has("realm_access") || has("resource_access") || text("typ") == "Bearer"),
            (KnownServer::Entra, has("tid") && has("ver")),
            (KnownServer::Okta, has("cid") && has("scp")),
            (KnownServer::Cognito, has("token_use") || has("cognito:groups")),
            (KnownServer::Zitadel, begins("urn:zitadel:") || issuer.ends_with(".zitadel.cloud")),
            (KnownServer::OpenIddict, begins("oi_")),
            (KnownServer::Auth0, has("gty") || issuer.ends_with(".auth0.com/")),
        ];
        found.into_iter().find(|(_, fits)| *fits).map(|(server, _)| server)
    }

    #[rustfmt::skip]
    const fn suggestion(self) -> Option<&'static str> {
        match self {
            KnownServer::Keycloak => Some("it looks like a token of Keycloak: `Issuer::keycloak(..)`, `preset = \"keycloak\"` in a file"),
            KnownServer::Entra => Some("it looks like a token of Entra ID: `Issuer::entra(..)`, `preset = \"entra\"` in a file"),
            KnownServer::Auth0 => Some("it looks like a token of Auth0: `Issuer::auth0(..)`, `preset = \"auth0\"` in a file"),
            KnownServer::Okta => Some("it looks like a token of Okta: `Issuer::okta(..)`, `preset = \"okta\"` in a file"),
            KnownServer::Cognito => Some("it looks like a token of Amazon Cognito: `Issuer::cognito(..)`, `preset = \"cognito\"` in a file"),
            KnownServer::Zitadel => Some("it looks like a token of ZITADEL: `Issuer::zitadel(..)`, `preset = \"zitadel\"` in a file"),
            KnownServer::OpenIddict => Some("it looks like a token of OpenIddict: `Issuer::openiddict(..)`, `preset = \"openiddict\"` in a file"),
            KnownServer::OidcProvider => None,
        }
    }

    #[rustfmt::skip]
    const fn advice(self, trouble: Trouble) -> Option<&'static str> {
        match (self, trouble) {
            (KnownServer::Keycloak, Trouble::Audience) => Some("Keycloak names a service in `aud` only where it is told to: add a mapper of the type Audience to the client or to one of its client scopes"),
            (KnownServer::Keycloak, Trouble::Subject) => Some("Keycloak 25 and later write `sub` through the client scope `basic`, and lightweight tokens leave it out: add the scope to the client"),
            (KnownServer::Entra, Trouble::Audience) => Some("`aud` of a version 2.0 token is the application id of this API, and that must be the audience here"),
            (KnownServer::Auth0, Trouble::Audience) => Some("the client must name the identifier of this API as `audience` when it asks Auth0 for a token"),
            (KnownServer::Okta, Trouble::Audience) => Some("`aud` is what the settings of the authorization server in Okta say, and that must be the audience here"),
            (KnownServer::Cognito, Trouble::Audience) => Some("Cognito writes no `aud` unless the client names a `resource`: name the app clients with `Issuer::client_ids(..)`"),
            (KnownServer::Zitadel, Trouble::Audience) => Some("the audience here must be the id of the project, and the client must ask for the scope `urn:zitadel:iam:org:project:id:<project id>:aud`"),
            (KnownServer::OpenIddict, Trouble::Audience) => Some("OpenIddict writes the resources of the granted scopes into `aud`: give the scope of this API a resource"),
            (KnownServer::OidcProvider, Trouble::Audience) => Some("the client must ask for this service with `resource`, and `resourceIndicators` must know it"),
            (KnownServer::Auth0, Trouble::Opaque) => Some("Auth0 gives an opaque or encrypted token where the client names no `audience`: it must name the identifier of this API"),
            (KnownServer::Zitadel, Trouble::Opaque) => Some("ZITADEL gives opaque tokens unless the application's token type is JWT"),
            (KnownServer::OpenIddict, Trouble::Opaque) => Some("OpenIddict encrypts access tokens unless `DisableAccessTokenEncryption()` is called on its server"),
            (KnownServer::OidcProvider, Trouble::Opaque) => Some("oidc-provider gives opaque tokens unless `getResourceServerInfo` answers `accessTokenFormat: \"jwt\"` for this service"),
            (KnownServer::Okta, Trouble::Opaque) => Some("tokens of the org authorization server are for Okta alone: the client must use a custom one"),
            _ => None,
        }
    }
}

/// Microsoft Graph by its application id or its address.
fn is_for_graph(payload: &Object<'_>) -> bool {
    const GRAPH: [&str; 2] = ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"];
    payload.get("aud").and_then(Json::as_str).is_some_and(|aud| GRAPH.contains(&aud.trim_end_matches('/')))
}
