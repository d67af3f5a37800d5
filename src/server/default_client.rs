//! The client that fetches metadata and keys where no other one was given.

use std::sync::Arc;

use crate::error::ConfigProblem;
use crate::remote::http_client::HttpClient;
#[cfg(feature = "reqwest")]
use crate::remote::reqwest_client::{ReqwestClient, Roots};

/// With the roots in this PEM text instead of the system's, if there is one.
#[cfg(feature = "reqwest")]
pub(super) fn default_client(public_only: bool, ca_pem: Option<&[u8]>) -> Result<Arc<dyn HttpClient>, ConfigProblem> {
    let cannot = |error: &dyn std::fmt::Display| {
        ConfigProblem::new("http_client", "(default)", format_args!("cannot be built: {error}"))
    };
    let roots = ca_pem.map(Roots::parse).transpose().map_err(|error| cannot(&error))?;
    let client = ReqwestClient::new(public_only, roots.as_ref()).map_err(|error| cannot(&error))?;
    Ok(Arc::new(client))
}

#[cfg(not(feature = "reqwest"))]
pub(super) fn default_client(_: bool, _: Option<&[u8]>) -> Result<Arc<dyn HttpClient>, ConfigProblem> {
    let remedy = "an issuer whose keys are fetched needs one: turn on the feature `reqwest` or set `http_client(..)`";
    Err(ConfigProblem::new("http_client", "(none)", remedy))
}

/// What is wrong with this PEM text as a set of roots.
#[cfg(feature = "reqwest")]
pub(crate) fn roots_problem(ca_pem: &[u8]) -> Option<String> {
    let roots = Roots::parse(ca_pem);
    roots.and_then(|roots| ReqwestClient::new(false, Some(&roots)).map(drop).map_err(|error| error.to_string())).err()
}

#[cfg(not(feature = "reqwest"))]
pub(crate) fn roots_problem(_: &[u8]) -> Option<String> {
    Some("is for the default client: turn on the feature `reqwest`".into())
}
