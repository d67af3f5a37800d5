//! What becomes of the keys of a set when the next one comes.

use std::collections::HashSet;
use std::sync::Arc;

use crate::verify::jwk::Jwk;
use crate::verify::jwks::Jwks;

/// What is held against keys for good, by thumbprint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// Published with their private part: anybody can sign with them.
    pub(super) exposed: HashSet<Box<str>>,
    /// Forgotten by the operator.
    pub(super) forgotten: HashSet<Box<str>>,
}

/// Turns a fetched set into the successor of the previous one: equal keys are carried over, so that
/// cached tokens live on; keys that left are marked withdrawn, so that their tokens die with them.
/// Returns the `kid` of each key whose private part was seen for the first time as well (none for one that was
/// left out of the set).
pub(super) fn succeed(previous: Option<&Jwks>, mut keys: Jwks, record: &mut Record) -> (Jwks, Vec<Option<Box<str>>>) {
    let mut newly_exposed = Vec::new();
    for thumbprint in std::mem::take(&mut keys.exposed) {
        if record.exposed.insert(thumbprint) {
            newly_exposed.push(None);
        }
    }
    let old_keys = previous.map(Jwks::keys).unwrap_or_default();
    for key in &mut keys.keys {
        let same = |old: &&_| same_key(old, key);
        if let Some(old) = old_keys.iter().find(same) {
            key.key = old.key.clone();
        }
        if key.private_part && record.exposed.insert(key.key.thumbprint.clone().unwrap_or_default()) {
            newly_exposed.push(key.kid.clone());
        }
    }
    // Only now: the same key may stand earlier in the set, without its private part and under another name.
    for key in &mut keys.keys {
        key.private_part = key.key.thumbprint.as_ref().is_some_and(|thumbprint| record.exposed.contains(thumbprint));
        if key.private_part {
            key.key.life.withdraw();
        }
    }
    keys.keys
        .retain(|key| !key.key.thumbprint.as_ref().is_some_and(|thumbprint| record.forgotten.contains(thumbprint)));
    for old in old_keys {
        if !keys.keys.iter().any(|key| Arc::ptr_eq(&key.key, &old.key)) {
            old.key.life.withdraw();
        }
    }
    (keys, newly_exposed)
}

fn same_key(old: &Jwk, new: &Jwk) -> bool {
    old.key.thumbprint == new.key.thumbprint && old.algorithm == new.algorithm
}
