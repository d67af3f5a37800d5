//! `[forward]`: what the service behind learns of the caller.

use http::HeaderName;
use tower_bearer::{ConfigTable, ForwardLayer};

/// A client's word, unless a proxy of `[mtls]` sends them: then the gateway has judged the token by them, and nothing behind
/// needs them.
const UNTRUSTED: [HeaderName; 2] =
    [HeaderName::from_static("client-cert"), HeaderName::from_static("client-cert-chain")];

/// The layer of a file; without the section it removes what is not to be trusted, and no more.
pub fn read(table: &mut ConfigTable) -> ForwardLayer {
    let Some(mut section) = table.table("forward") else { return ForwardLayer::default().remove(UNTRUSTED) };
    let strips = section.flag("strip_credentials");
    let layer = ForwardLayer::new(section.pairs("headers")).unwrap_or_else(|error| {
        for problem in error.problems() {
            section.problem(&problem.setting, &problem.value, &problem.remedy);
        }
        ForwardLayer::default()
    });
    section.finish().unwrap_or_else(|error| table.absorb(error));
    let layer = layer.remove(UNTRUSTED);
    if strips { layer.strip_credentials() } else { layer }
}
