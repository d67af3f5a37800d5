//! The verdict on what a route or a handler asks for, told once.

use http::Extensions;
use http::request::{Parts, Request};

use super::passage::{Because, Visitor, visitor};
use crate::policy::facts::Facts;
use crate::policy::requirement::Requirement;
use crate::policy::rule::{Label, Rule};
use crate::telemetry::{self, Checked, Watch};
use crate::token::claims::{ClaimSet, Claims};
use crate::token::error::{AuthError, Reason};
use crate::token::resource::Resource;

/// Judges what the layer left in a request's extensions, and tells of the decision. Without the rest of the request
/// predicates have no say.
pub(crate) fn judge(rule: &Rule, extensions: &Extensions, request: Option<&Parts>) -> Result<(), AuthError> {
    let Some(claims) = admit(rule.label(), extensions)? else { return Ok(()) };
    let watch = Watch::start(Some(&claims.set().resource));
    let facts = Facts::of(claims.set());
    let facts = match request {
        Some(request) => facts.with_request(claims, request),
        None => facts,
    };
    let result = rule.check(&facts).map_err(|error| error.presented(claims.scheme()));
    tell(rule.label(), &result, watch, Some(extensions), claims.set());
    result
}

/// The same for a whole request, which is taken apart only where a predicate asks about it.
pub(crate) fn judge_request<Q>(rule: &Rule, request: Request<Q>) -> (Request<Q>, Result<(), AuthError>) {
    if !rule.asks_request() {
        let result = judge(rule, request.extensions(), None);
        return (request, result);
    }
    let (parts, body) = request.into_parts();
    let result = judge(rule, &parts.extensions, Some(&parts));
    (Request::from_parts(parts, body), result)
}

/// Judges claims that a handler holds.
pub(crate) fn judge_claims<T>(
    claims: &Claims<T>,
    requirement: &Requirement,
    request: Option<&Parts>,
) -> Result<(), AuthError> {
    let untyped;
    let set = claims.set();
    let watch = Watch::start(Some(&set.resource));
    let facts = Facts::of(set);
    let facts = match request.filter(|_| requirement.asks_request()) {
        Some(request) => {
            untyped = claims.untyped();
            facts.with_request(&untyped, request)
        }
        None => facts,
    };
    let result = requirement.check(&facts).map_err(|error| error.presented(claims.scheme()));
    if watch.is_heard() || result.is_err() {
        tell(&requirement.label(), &result, watch, request.map(|request| &request.extensions), set);
    } else {
        watch.stop();
    }
    result
}

/// True where claims fulfil what is asked and nobody wants to be told.
#[cfg(feature = "axum")]
pub(crate) fn passes_unheard<T>(claims: &Claims<T>, fulfil: impl FnOnce(&Claims<T>) -> bool) -> bool {
    let watch = Watch::start(Some(&claims.set().resource));
    let passes = !watch.is_heard() && fulfil(claims);
    if passes {
        watch.stop();
    }
    passes
}

/// The claims to be judged; none where the layer let the request through on purpose. Any other request is refused,
/// which is told.
pub(crate) fn admit<'a>(label: &Label, extensions: &'a Extensions) -> Result<Option<&'a Claims>, AuthError> {
    let (reason, resource) = match visitor(extensions) {
        Ok(Visitor::Known(claims)) => return Ok(Some(claims)),
        Ok(Visitor::Unknown(visitor)) if visitor.because == Because::Anonymous => {
            (Reason::MissingToken.into(), Some(&*visitor.resource))
        }
        Ok(Visitor::Unknown(_)) => return Ok(None),
        Err(error) => (error, None),
    };
    let refused = Err(reason);
    let watch = Watch::start(resource);
    telemetry::authorized(&refused, checked(label, watch, Some(extensions), resource), None, resource);
    refused.map(|()| None)
}

/// Tells of a decision that was made.
pub(crate) fn tell(
    label: &Label,
    result: &Result<(), AuthError>,
    watch: Watch,
    extensions: Option<&Extensions>,
    claims: &ClaimSet,
) {
    let resource = Some(&*claims.resource);
    telemetry::authorized(result, checked(label, watch, extensions, resource), Some(claims), resource);
}

/// Where the route is found is asked only if somebody listens.
fn checked<'a>(
    label: &'a Label,
    watch: Watch,
    extensions: Option<&'a Extensions>,
    resource: Option<&Resource>,
) -> Checked<'a> {
    let took = watch.stop();
    let hooked = || resource?.authorization.route(extensions?);
    let route = label.route.as_deref().or_else(|| took.and_then(|_| hooked()));
    Checked { route, requirement: &label.text, scopes: &label.scopes, took }
}
