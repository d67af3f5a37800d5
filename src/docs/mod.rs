//! Texts about the crate as a whole. Their snippets are tests.

#[doc = include_str!("design.md")]
pub mod design {}

#[doc = include_str!("security.md")]
pub mod security {}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub mod readme {}
