//! The client that fetches metadata and keys where no other one was given.

use std::sync::Arc;

use crate::error::ConfigProblem;
use crate::remote::http_client::HttpClient;

#[cfg(feature = "reqwest")]
pub(super) fn default_client(public_only: bool) -> Result<Arc<dyn HttpClient>, ConfigProblem> {
    match crate::remote::reqwest_client::ReqwestClient::new(public_only) {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(ConfigProblem::new("http_client", "(default)", format_args!("cannot be built: {error}"))),
    }
}

#[cfg(not(feature = "reqwest"))]
pub(super) fn default_client(_: bool) -> Result<Arc<dyn HttpClient>, ConfigProblem> {
    let remedy = "an issuer whose keys are fetched needs one: turn on the feature `reqwest` or set `http_client(..)`";
    Err(ConfigProblem::new("http_client", "(none)", remedy))
}
