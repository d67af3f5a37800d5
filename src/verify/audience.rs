//! Whether a token is meant for this resource.

use super::rules::{audiences, invalid};
use crate::token::error::{AuthError, Reason};
use crate::token::json::{Json, Object};
use crate::token::untrusted::Untrusted;

/// Most members of `aud`.
const MAX_AUDIENCES: usize = 256;

/// Whom an issuer's tokens must name.
#[derive(Debug)]
pub(crate) struct AudienceRule {
    /// Exact strings, one of which must be in `aud`. None: any audience passes.
    pub(crate) accepted: Option<Vec<String>>,
    /// The clients whose tokens pass without an `aud`. They never stand in for one that is there.
    pub(crate) client_ids: Vec<String>,
}

impl AudienceRule {
    /// The `aud` of a token that is meant for us; none where its client spoke for it.
    pub(super) fn judge<'a>(
        &self,
        payload: &'a Object<'a>,
        client: Option<&str>,
    ) -> Result<Option<&'a Json<'a>>, AuthError> {
        let Some(claim) = payload.get("aud") else { return self.judge_client(client).map(|()| None) };
        let readable = match claim {
            Json::String(_) => true,
            Json::Array(list) => {
                (1..=MAX_AUDIENCES).contains(&list.len()) && list.iter().all(|one| one.as_str().is_some())
            }
            _ => false,
        };
        if !readable {
            return Err(invalid("aud is neither a string nor a list of 1 to 256 strings"));
        }
        let ours = |own: &Vec<String>| audiences(claim).any(|member| own.iter().any(|own| own == member));
        if self.accepted.as_ref().is_none_or(ours) {
            return Ok(Some(claim));
        }
        let first = Untrusted(audiences(claim).next().unwrap_or_default()).to_string();
        Err(AuthError::with_detail(Reason::AudienceMismatch, format_args!("aud is `{first}`")))
    }

    fn judge_client(&self, client: Option<&str>) -> Result<(), AuthError> {
        if self.client_ids.is_empty() {
            return Err(AuthError::with_detail(Reason::ClaimMissing, "aud"));
        }
        match client {
            Some(client) if self.client_ids.iter().any(|own| own == client) => Ok(()),
            Some(client) => {
                let detail = format!("there is no aud, and the client is `{}`", Untrusted(client));
                Err(AuthError::with_detail(Reason::AudienceMismatch, detail))
            }
            None => Err(AuthError::with_detail(Reason::AudienceMismatch, "there is neither an aud nor a client")),
        }
    }
}
