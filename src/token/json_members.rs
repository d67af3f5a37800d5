//! The members of an object that is being read, and whether one stands twice.

use std::borrow::Cow;

use super::json::{Json, Object};

/// As many members as most payloads have.
const USUAL_MEMBERS: usize = 16;

/// Looks at each name as it comes.
pub(super) struct Members<'a> {
    list: Vec<(Cow<'a, str>, Json<'a>)>,
    /// A bit for each name. Equal names have the same one, so only a name that finds its bit set is compared.
    seen: u64,
    repeats: bool,
}

impl<'a> Members<'a> {
    pub(super) fn new(depth: usize) -> Self {
        let list = Vec::with_capacity(if depth == 1 { USUAL_MEMBERS } else { 0 });
        Members { list, seen: 0, repeats: false }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, name: Cow<'a, str>, value: Json<'a>) {
        let bit = 1 << (name_hash(&name) % 64);
        if self.seen & bit != 0 && self.list.len() <= USUAL_MEMBERS {
            self.repeats |= self.list.iter().any(|(earlier, _)| *earlier == name);
        }
        self.seen |= bit;
        self.list.push((name, value));
    }

    pub(super) fn finish(self) -> Object<'a> {
        let repeats = self.repeats || self.list.len() > USUAL_MEMBERS && many_have_repeats(&self.list);
        Object { members: self.list, repeats }
    }
}

/// Sorted, so that thousands of members cost no quadratic time.
#[cold]
fn many_have_repeats(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    let mut names: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair.first() == pair.last())
}

/// A few bits that tell most names apart.
#[inline(always)]
fn name_hash(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let byte = |place: Option<&u8>| u32::from(place.copied().unwrap_or_default());
    byte(bytes.first()) + 3 * byte(bytes.last()) + 7 * bytes.len() as u32
}
