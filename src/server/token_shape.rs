//! What an issuer's tokens look like.

use super::issuer::Issuer;
use crate::verify::roles::{RolesClaim, RolesShape};
use crate::verify::rules::Typ;

/// Where roles stand.
#[derive(Clone)]
pub(super) enum RolesAt {
    Claim(RolesClaim),
    /// In a claim for each service, named by the audience that is accepted.
    OwnAudience {
        before: &'static str,
        after: &'static str,
        shape: RolesShape,
    },
}

impl Issuer {
    /// Which `typ` its access tokens carry. Default [`Typ::AtJwt`]: it keeps ID tokens out.
    pub fn typ(self, typ: Typ) -> Self {
        Issuer { typ, ..self }
    }

    /// The claims a token must hold beside `iss`, `aud` and `exp`. Default: `sub`, `client_id`, `iat`, `jti`,
    /// as RFC 9068 section 2.2 obliges the issuer.
    pub fn required_claims(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Issuer { required: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// The audiences accepted from this issuer, instead of the server's.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        let mut audiences = self.audiences.unwrap_or_default();
        audiences.push(audience.into());
        Issuer { audiences: Some(audiences), ..self }
    }

    /// The clients whose tokens are accepted without an audience, *where the token holds none*: some servers, Amazon
    /// Cognito first, write no `aud`. Default: none, and a token without `aud` is refused.
    ///
    /// The client of such a token must be one of these, compared byte for byte. A token that does hold an `aud` is
    /// judged by it alone: for another service it is refused, whichever client asked for it.
    ///
    /// This is weaker than an audience. A service to which one of these clients sends its token can send it on to this
    /// one (RFC 8725 section 3.9), so name only clients that call nobody you would not trust with it, and ask for
    /// a scope of your own on every route.
    pub fn client_ids(self, clients: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Issuer { client_ids: Some(clients.into_iter().map(Into::into).collect()), ..self }
    }

    /// The claim that holds the scope, as a name or dotted path; then a list of strings is taken, too.
    /// Default: `scope`, a string (RFC 9068 section 2.2.3).
    pub fn scope_claim(self, path: impl Into<String>) -> Self {
        self.scope_claims([path])
    }

    /// The claims that hold scope where there are several, such as `scope` and `permissions`: what all of them grant
    /// counts. Whoever writes the weakest of them can grant everything.
    pub fn scope_claims(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Issuer { scope_claims: paths.into_iter().map(Into::into).collect(), ..self }
    }

    /// The claim that holds the roles, as a name or dotted path such as `realm_access.roles`. Default:
    /// `roles`, `groups` and `entitlements` together (RFC 9068 section 2.2.3.1). Taken are lists of strings and of
    /// objects with `value` (SCIM); other shapes grant nothing.
    pub fn roles_claim(self, path: impl Into<String>) -> Self {
        self.roles_claims([path])
    }

    /// The claims that hold roles where there are several: the roles of all count.
    pub fn roles_claims(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let list = |path: String| RolesAt::Claim(RolesClaim { path, shape: RolesShape::List });
        Issuer { roles: paths.into_iter().map(Into::into).map(list).collect(), ..self }
    }

    /// The claim that holds the client, as a name or dotted path. Default: `client_id`, else `azp`.
    pub fn client_claim(self, path: impl Into<String>) -> Self {
        Issuer { client_claim: Some(path.into()), ..self }
    }

    /// Where the roles stand in tokens for these audiences.
    pub(super) fn roles_claims_for(&self, audiences: &[String]) -> Vec<RolesClaim> {
        let claims = self.roles.iter().flat_map(|place| match place {
            RolesAt::Claim(claim) => vec![claim.clone()],
            RolesAt::OwnAudience { before, after, shape } => audiences
                .iter()
                .map(|audience| RolesClaim { path: format!("{before}{audience}{after}"), shape: *shape })
                .collect(),
        });
        claims.collect()
    }
}
