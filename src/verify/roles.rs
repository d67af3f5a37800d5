//! The roles of a token: where an issuer writes them, and in which shape.

use super::rules::boxed;
use crate::token::json::{Json, Object};

/// A claim that holds roles, by name or dotted path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RolesClaim {
    pub(crate) path: String,
    pub(crate) shape: RolesShape,
}

/// How the roles stand in their claim. Any other shape grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RolesShape {
    /// A list of strings, or of objects with `value` (SCIM).
    List,
    /// The same, and one role alone as a string.
    OneOrList,
    /// An object whose members are named by the roles. Each says in an object of its own where the role was granted;
    /// a role that was granted nowhere is none.
    Names,
}

/// Those of RFC 9068 section 2.2.3.1.
const STANDARD: [&str; 3] = ["roles", "groups", "entitlements"];

/// The roles in these claims; in the standard ones where none is named.
pub(super) fn roles(claims: &[RolesClaim], payload: &Object<'_>) -> Box<[Box<str>]> {
    let named = claims.iter().filter_map(|claim| Some((payload.at(&claim.path)?, claim.shape)));
    let standard = STANDARD.iter().filter(|_| claims.is_empty());
    let standard = standard.filter_map(|name| Some((payload.get(name)?, RolesShape::List)));
    boxed(named.chain(standard).flat_map(|(claim, shape)| in_shape(claim, shape)))
}

fn in_shape<'a>(claim: &'a Json<'_>, shape: RolesShape) -> impl Iterator<Item = &'a str> + Clone {
    let list = claim.as_array().filter(|_| shape != RolesShape::Names);
    let one = claim.as_str().filter(|_| shape == RolesShape::OneOrList);
    let names = claim.as_object().filter(|_| shape == RolesShape::Names);
    let names = names.into_iter().flat_map(Object::iter).filter(|(_, granted)| is_granted(granted));
    list.into_iter().flatten().filter_map(role_name).chain(one).chain(names.map(|(name, _)| name))
}

fn role_name<'a>(role: &'a Json<'_>) -> Option<&'a str> {
    match role {
        Json::Object(object) => object.get("value")?.as_str(),
        other => other.as_str(),
    }
}

fn is_granted(place: &Json<'_>) -> bool {
    place.as_object().is_some_and(|places| places.iter().next().is_some())
}
