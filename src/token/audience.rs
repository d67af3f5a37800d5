//! Whom a token is for.

/// Whom a token is for: the `aud` claim (RFC 7519 section 4.1.3), one or several exact strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audience(Box<[Box<str>]>);

impl Audience {
    pub(crate) fn new(members: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Audience(members.into_iter().map(Into::into).collect())
    }

    /// True if this very string is among the audiences; no prefix, case or slash is forgiven.
    pub fn contains(&self, audience: &str) -> bool {
        self.iter().any(|member| member == audience)
    }

    /// The audiences in the order of the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}
