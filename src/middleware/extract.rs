//! axum extractors: `Claims`, `Option<Claims>`, `Claims<T>`, `Scoped<S>`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::grpc;
use super::judge::{judge_claims, passes_unheard};
use super::passage::{Visitor, visitor};
use super::rejection::AuthRejection;
use crate::policy::requirement::Requirement;
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::token::scope::is_scope_token;

impl AuthRejection {
    /// Of a decision that was told already.
    fn new(error: AuthError, parts: &Parts) -> Self {
        let resource = visitor(&parts.extensions).ok().map(|visitor| visitor.resource().clone());
        let is_grpc = grpc::is_call(&parts.method, &parts.headers);
        AuthRejection { error, resource, head: parts.method == Method::HEAD, is_grpc }
    }

    /// Writes the audit event of the refusal.
    fn audited(error: AuthError, parts: &Parts) -> Self {
        let claims = parts.extensions.get::<Claims>().map(Claims::set);
        let rejection = AuthRejection::new(error, parts);
        telemetry::decided(Decision::Refused(&rejection.error), claims, rejection.resource.as_deref());
        rejection
    }
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        // To HEAD axum sends no body by itself.
        self.response::<Body>(&Method::GET)
    }
}

/// Rejects with 401 where no token was sent, and with 500 where no `AuthLayer` stands above the route.
impl<S, T> FromRequestParts<S> for Claims<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
        known(parts)
            .and_then(|claims| claims.ok_or_else(|| Reason::MissingToken.into()))
            .map_err(|error| AuthRejection::audited(error, parts))
    }
}

/// `None` only where the layer let the request through without a token: it is [`optional`](crate::AuthLayer::optional), or
/// the request is a CORS preflight or, with [`empty_body`](crate::AuthLayer::empty_body), asks for the metadata document.
impl<S, T> OptionalFromRequestParts<S> for Claims<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthRejection> {
        known(parts).map_err(|error| AuthRejection::audited(error, parts))
    }
}

fn known<T>(parts: &Parts) -> Result<Option<Claims<T>>, AuthError>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    match visitor(&parts.extensions)? {
        Visitor::Unknown(_) => Ok(None),
        Visitor::Known(claims) => match claims.typed() {
            Ok(claims) => Ok(Some(claims)),
            Err(error) => {
                let error = AuthError::with_detail(Reason::ClaimsMismatch, mismatch(&error));
                Err(error.presented(claims.scheme()))
            }
        },
    }
}

/// Where the payload does not fit, without the values that stand there.
fn mismatch(error: &serde_json::Error) -> String {
    let type_name = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or of another type",
        _ => "the payload cannot be read",
    };
    format!("{type_name} (line {}, column {} of the payload)", error.line(), error.column())
}

/// The scopes that a handler asks for, as a type.
///
/// # Example
/// ```
/// # use tower_bearer::{RequiredScopes, Scoped};
/// struct WritePayments;
/// impl RequiredScopes for WritePayments {
///     const SCOPES: &'static [&'static str] = &["payments:write"];
/// }
/// async fn pay(claims: Scoped<WritePayments>) -> String {
///     format!("paid by {}", claims.subject().unwrap_or("client"))
/// }
/// ```
pub trait RequiredScopes {
    /// All of these are required. An empty list or a malformed scope does not compile.
    const SCOPES: &'static [&'static str];
}

/// [`Claims`] whose token holds the scopes of `S`: 403 `insufficient_scope` otherwise.
pub struct Scoped<S, T = ()> {
    claims: Claims<T>,
    scopes: PhantomData<fn() -> S>,
}

impl<S, T> Scoped<S, T> {
    /// The claims.
    pub fn into_claims(self) -> Claims<T> {
        self.claims
    }
}

impl<S, T> Deref for Scoped<S, T> {
    type Target = Claims<T>;

    fn deref(&self) -> &Claims<T> {
        &self.claims
    }
}

impl<S, T> fmt::Debug for Scoped<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.claims).finish()
    }
}

impl<St, S, T> FromRequestParts<St> for Scoped<S, T>
where
    St: Send + Sync,
    S: RequiredScopes,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &St) -> Result<Self, AuthRejection> {
        const { assert!(well_formed(S::SCOPES), "SCOPES must name one well-formed scope at least") };
        let claims = <Claims<T> as FromRequestParts<St>>::from_request_parts(parts, state).await?;
        let has_all = |claims: &Claims<T>| S::SCOPES.iter().all(|scope| claims.has_permission(scope));
        if !passes_unheard(&claims, has_all) {
            let scopes = Requirement::all_of(S::SCOPES.iter().map(|scope| Requirement::scope(*scope)));
            judge_claims(&claims, &scopes, Some(parts)).map_err(|error| AuthRejection::new(error, parts))?;
        }
        Ok(Scoped { claims, scopes: PhantomData })
    }
}

/// A requirement as a type, for [`Permitted`]. One that can be written in one line is often better as a layer
/// ([`Require`](crate::Require)): it is judged before the extractors run.
///
/// # Example
/// ```
/// # use std::sync::LazyLock;
/// # use tower_bearer::{Permitted, Policy, Requirement};
/// struct Refunds;
/// impl Policy for Refunds {
///     fn requirement() -> &'static Requirement {
///         static REFUNDS: LazyLock<Requirement> =
///             LazyLock::new(|| Requirement::scope("payments:write") & Requirement::acr(["urn:example:mfa"]));
///         &REFUNDS
///     }
/// }
/// async fn refund(claims: Permitted<Refunds>) -> String {
///     format!("refunded by {}", claims.subject().unwrap_or("client"))
/// }
/// ```
pub trait Policy {
    /// What is asked for.
    fn requirement() -> &'static Requirement;
}

/// [`Claims`] that fulfil the requirement of `P`; refused as by [`Require`](crate::Require) otherwise.
pub struct Permitted<P, T = ()> {
    claims: Claims<T>,
    policy: PhantomData<fn() -> P>,
}

impl<P, T> Permitted<P, T> {
    /// The claims.
    pub fn into_claims(self) -> Claims<T> {
        self.claims
    }
}

impl<P, T> Deref for Permitted<P, T> {
    type Target = Claims<T>;

    fn deref(&self) -> &Claims<T> {
        &self.claims
    }
}

impl<P, T> fmt::Debug for Permitted<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permitted").field(&self.claims).finish()
    }
}

impl<St, P, T> FromRequestParts<St> for Permitted<P, T>
where
    St: Send + Sync,
    P: Policy,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &St) -> Result<Self, AuthRejection> {
        let claims = <Claims<T> as FromRequestParts<St>>::from_request_parts(parts, state).await?;
        let judged = judge_claims(&claims, P::requirement(), Some(parts));
        judged.map_err(|error| AuthRejection::new(error, parts))?;
        Ok(Permitted { claims, policy: PhantomData })
    }
}

const fn well_formed(scopes: &[&str]) -> bool {
    let mut rest = scopes;
    while let [scope, tail @ ..] = rest {
        if !is_scope_token(scope) {
            return false;
        }
        rest = tail;
    }
    !scopes.is_empty()
}
