//! Where the body of a refusal comes from.

use bytes::Bytes;

/// Makes the body of a refusal from its bytes.
///
/// Where the body comes from is a type, what it says is a value
/// ([`refusal_body`](crate::ResourceServerBuilder::refusal_body)): one hook serves layers and extractors.
pub trait RefusalBody<B> {
    /// False where bodies cannot carry bytes; refusals are then empty.
    fn carries(&self) -> bool {
        true
    }

    /// The body with these bytes.
    fn body(&self, text: Bytes) -> B;
}

/// Bodies that can be made from `Bytes`: axum's, `http_body_util::Full`. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesBody;

impl<B: From<Bytes>> RefusalBody<B> for BytesBody {
    fn body(&self, text: Bytes) -> B {
        B::from(text)
    }
}

/// Empty refusals, for bodies that have a default only, such as tonic's.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyBody;

impl<B: Default> RefusalBody<B> for EmptyBody {
    fn carries(&self) -> bool {
        false
    }

    fn body(&self, _: Bytes) -> B {
        B::default()
    }
}

/// Bodies made by a function, for any other body type.
#[derive(Debug, Clone, Copy)]
pub struct MapBody<F>(pub(crate) F);

impl<B, F: Fn(Bytes) -> B> RefusalBody<B> for MapBody<F> {
    fn body(&self, text: Bytes) -> B {
        (self.0)(text)
    }
}
