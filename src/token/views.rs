//! Typed views of one payload.

use std::any::Any;
use std::sync::{Arc, OnceLock};

/// Typed views that were asked for, each made once: a list that only grows.
#[derive(Default)]
pub(super) struct View(OnceLock<Box<(Arc<dyn Any + Send + Sync>, View)>>);

impl View {
    pub(super) fn find<V: Send + Sync + 'static>(&self) -> Option<Arc<V>> {
        let mut view = self;
        while let Some(next) = view.0.get() {
            if let Ok(found) = next.0.clone().downcast::<V>() {
                return Some(found);
            }
            view = &next.1;
        }
        None
    }

    /// Adds a view to the end of the list; a racing twin is kept as well, which costs memory only.
    pub(super) fn remember<V: Send + Sync + 'static>(&self, value: Arc<V>) -> Arc<V> {
        let mut node = Box::new((value.clone() as Arc<dyn Any + Send + Sync>, View::default()));
        let mut view = self;
        loop {
            match view.0.set(node) {
                Ok(()) => return value,
                Err(back) => node = back,
            }
            match view.0.get() {
                Some(next) => view = &next.1,
                None => return value,
            }
        }
    }
}
