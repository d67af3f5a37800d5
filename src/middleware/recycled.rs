//! What a refusal takes over from its request.

use http::{Extensions, HeaderMap, Request};

use super::grpc;

/// The maps of a request that goes no further, emptied: its refusal needs no new ones.
#[derive(Default)]
pub(crate) struct Recycled {
    pub(super) headers: HeaderMap,
    pub(super) extensions: Extensions,
    /// Of the request, which tells how its refusal is read.
    pub(super) is_grpc: bool,
}

impl Recycled {
    /// Nothing to use again.
    pub(crate) fn nothing(is_grpc: bool) -> Self {
        Recycled { is_grpc, ..Recycled::default() }
    }

    pub(crate) fn from<Q>(request: &mut Request<Q>) -> Self {
        let is_grpc = grpc::is_call(request.method(), request.headers());
        let mut headers = std::mem::take(request.headers_mut());
        let mut extensions = std::mem::take(request.extensions_mut());
        headers.clear();
        extensions.clear();
        Recycled { headers, extensions, is_grpc }
    }
}
