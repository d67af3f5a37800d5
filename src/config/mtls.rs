//! `[mtls]`: where client certificates come from.

use super::table::ConfigTable;
use crate::server::mtls::Mtls;

/// A section without proxies is a mistake: a file cannot say where else a certificate should come from.
pub(super) fn read_mtls(table: &mut ConfigTable) -> Option<Mtls> {
    let mut section = table.table("mtls")?;
    let header = section.text("client_cert_header").unwrap_or_else(|| "Client-Cert".into());
    let proxies = section.texts("trusted_proxies").unwrap_or_default();
    section.finish().unwrap_or_else(|error| table.absorb(error));
    Some(Mtls::new().client_cert_header(header).trusted_proxies(proxies))
}
