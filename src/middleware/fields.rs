//! The credentials among the fields of a request, found in one look.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};

use super::rules_service::TargetAsSent;
use crate::token::request::{DPOP, Head};

/// What one look at all fields finds.
pub(super) struct Fields<'a> {
    pub(super) authorization: Field<'a>,
    pub(super) has_proof: bool,
}

/// The `Authorization` fields of a request.
pub(super) enum Field<'a> {
    Absent,
    One(&'a HeaderValue),
    Several,
}

/// Marks the fields that hold a token or a proof, so that logging layers inside hide their values by themselves.
pub(super) fn mark_sensitive(headers: &mut HeaderMap) {
    look(headers);
}

/// Marks them, so that logging layers inside this one hide their values by themselves.
#[inline]
pub(super) fn look(headers: &mut HeaderMap) -> Fields<'_> {
    let mut found = Fields { authorization: Field::Absent, has_proof: false };
    // Not through `entry`, which first makes room for one field more and panics where there can be none.
    for (name, value) in headers.iter_mut() {
        if *name == AUTHORIZATION {
            value.set_sensitive(true);
            found.authorization = match found.authorization {
                Field::Absent => Field::One(value),
                Field::One(_) | Field::Several => Field::Several,
            };
        } else if *name == DPOP {
            value.set_sensitive(true);
            found.has_proof = true;
        }
    }
    found
}

/// What a proof is made for.
pub(super) fn head<Q>(request: &Request<Q>) -> Head<'_> {
    let extensions = request.extensions();
    let uri = extensions.get::<TargetAsSent>().map_or(request.uri(), |TargetAsSent(uri)| uri);
    Head { method: request.method(), uri, headers: request.headers(), extensions }
}
