//! Headers of tokens whose signature held, by their exact text: the tokens of one key share it.
//!
//! What a header says depends on its text alone, so a header that is known again changes no verdict: its algorithm, its
//! type and its key are judged for each token as if it had just been read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::verify::algorithm::Algorithm;
use crate::verify::jws::Header;

/// Most headers that are kept, and the longest text of one.
const MOST: usize = 16;
const LONGEST: usize = 512;

/// Once all places are taken, one header in so many takes the place of another: an issuer that writes a new header for
/// each token makes nobody wait for a lock.
const SELDOM: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct KnownHeaders {
    list: RwLock<Vec<Arc<KnownHeader>>>,
    strangers: AtomicUsize,
}

/// A header and its text.
#[derive(Debug)]
pub(crate) struct KnownHeader {
    text: Box<str>,
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
}

impl KnownHeader {
    pub(crate) fn header(&self) -> Header<'_> {
        Header { algorithm: self.algorithm, kid: self.kid.as_deref(), typ: self.typ.as_deref() }
    }
}

impl KnownHeaders {
    /// The header of exactly this text, still encoded.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<KnownHeader>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().find(|known| *known.text == *text).cloned()
    }

    /// Keeps the header of a token whose signature held; nobody else may fill this memory.
    pub(crate) fn keep(&self, text: &str, header: &Header<'_>) {
        if text.len() > LONGEST {
            return;
        }
        let stranger = self.strangers.fetch_add(1, Ordering::Relaxed);
        if stranger >= MOST && !stranger.is_multiple_of(SELDOM) {
            return;
        }
        let known = Arc::new(KnownHeader {
            text: text.into(),
            algorithm: header.algorithm,
            kid: header.kid.map(Into::into),
            typ: header.typ.map(Into::into),
        });
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|kept| kept.text == known.text) {
            return;
        }
        if list.len() < MOST {
            list.push(known);
        } else if let Some(place) = list.get_mut(stranger / SELDOM % MOST) {
            *place = known;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header<'a>(kid: &'a str) -> Header<'a> {
        Header { algorithm: Algorithm::ES256, kid: Some(kid), typ: Some("at+jwt") }
    }

    proptest! {
        #[test]
        fn a_header_with_one_other_letter_is_never_taken_for_a_known_one(
            texts in prop::collection::vec("[AB]{1,8}", 1..12), place in 0..8usize,
        ) {
            let known = KnownHeaders::default();
            for text in &texts {
                known.keep(text, &header(text));
            }
            for text in &texts {
                let found = known.find(text).unwrap();
                prop_assert_eq!(found.header().kid, Some(text.as_str()));
                let mut other = text.clone();
                let place = place % other.len();
                other.replace_range(place..=place, if text[place..].starts_with('A') { "B" } else { "A" });
                if let Some(found) = known.find(&other) {
                    prop_assert_eq!(found.header().kid, Some(other.as_str()));
                    prop_assert!(texts.contains(&other));
                }
                prop_assert!(known.find(&text[1..]).is_none_or(|found| found.header().kid == Some(&text[1..])));
            }
        }
    }

    #[test]
    fn the_memory_is_bounded_and_makes_room_for_new_headers() {
        let known = KnownHeaders::default();
        known.keep(&"x".repeat(LONGEST + 1), &header("long"));
        assert!(known.find(&"x".repeat(LONGEST + 1)).is_none());
        let name = |number: usize| format!("header-{number}");
        for number in 0..100 * SELDOM {
            known.keep(&name(number), &header("k"));
        }
        let kept = |number: &usize| known.find(&name(*number)).is_some();
        assert_eq!((0..100 * SELDOM).filter(kept).count(), MOST);
        assert!(kept(&(99 * SELDOM)) && !kept(&0));
        known.keep(&name(99 * SELDOM), &header("k"));
        assert_eq!(known.list.read().unwrap().len(), MOST);
    }
}
