//! Texts about the crate as a whole. Their snippets are tests.

#[doc = include_str!("five_minutes.md")]
pub mod five_minutes {}

#[doc = include_str!("axum.md")]
pub mod axum {}

#[doc = include_str!("tower.md")]
pub mod tower {}

#[doc = include_str!("dpop.md")]
pub mod dpop {}

#[doc = include_str!("mcp.md")]
pub mod mcp {}

#[doc = include_str!("gateway.md")]
pub mod gateway {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("compare.md")]
pub mod compare {}

#[doc = include_str!("design.md")]
pub mod design {}

#[doc = include_str!("security.md")]
pub mod security {}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub mod readme {}
