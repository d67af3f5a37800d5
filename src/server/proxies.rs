//! Proxies whose word counts, known by the address of the connection.

use std::net::IpAddr;
use std::sync::Arc;

use http::Extensions;

use crate::error::ConfigProblem;
use crate::token::network::Network;
use crate::token::peer::PeerAddress;

/// Finds the address of the peer.
pub(super) type FindAddress = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

/// The trusted ones, prepared.
pub(super) struct Proxies {
    networks: Vec<Network>,
    address: Option<FindAddress>,
}

impl Proxies {
    pub(super) fn new(networks: &[String], address: Option<&FindAddress>) -> Self {
        let networks = networks.iter().filter_map(|network| Network::parse(network)).collect();
        Proxies { networks, address: address.cloned() }
    }

    pub(super) fn problems(setting: &'static str, networks: &[String]) -> impl Iterator<Item = ConfigProblem> {
        let bad = networks.iter().filter(|network| Network::parse(network).is_none());
        let remedy = "must be an address or a network, such as 127.0.0.1/32 or 10.0.0.0/8";
        bad.map(move |network| ConfigProblem::new(setting, network, remedy))
    }

    /// True if one of them sent the request.
    pub(super) fn sent(&self, extensions: &Extensions) -> bool {
        let address = match &self.address {
            Some(find) => find(extensions),
            None => extensions.get().map(|PeerAddress(address)| *address),
        };
        address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }
}
