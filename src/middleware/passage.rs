//! What `AuthLayer` leaves in a request's extensions for the layers and extractors inside it.

use std::sync::Arc;

use http::Extensions;

use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::token::resource::Resource;

/// Left behind where a request passes without claims. Neither this nor `Claims`: the layer is missing.
#[derive(Debug, Clone)]
pub(crate) struct Unauthenticated {
    pub(crate) resource: Arc<Resource>,
    pub(crate) because: Because,
}

/// Left behind where a proof passed: a nested layer of the same server does not take it for a replay.
#[derive(Debug, Clone)]
pub(crate) struct ProofPassed {
    pub(crate) claims: Claims,
    /// Equal for this very token with this very proof only.
    pub(crate) mark: u128,
}

/// Why a request passes without claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// Optional mode, and no token was sent.
    Anonymous,
    /// A CORS preflight, which never carries credentials.
    Preflight,
    /// The metadata document, which is public.
    Public,
}

/// Who stands at an inner door.
pub(crate) enum Visitor<'a> {
    Known(&'a Claims),
    Unknown(&'a Unauthenticated),
}

impl<'a> Visitor<'a> {
    pub(crate) fn resource(&self) -> &'a Arc<Resource> {
        match self {
            Visitor::Known(claims) => &claims.set().resource,
            Visitor::Unknown(unauthenticated) => &unauthenticated.resource,
        }
    }
}

/// Reads what the layer left. Its absence is a mistake in the wiring, never "no scopes".
pub(crate) fn visitor(extensions: &Extensions) -> Result<Visitor<'_>, AuthError> {
    if let Some(claims) = extensions.get::<Claims>() {
        return Ok(Visitor::Known(claims));
    }
    let unauthenticated = extensions.get::<Unauthenticated>().ok_or(Reason::LayerMissing)?;
    Ok(Visitor::Unknown(unauthenticated))
}
