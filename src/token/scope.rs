//! The scope of a token (RFC 6749 section 3.3).

use std::fmt;

/// The scope of an access token: a set of scope-tokens separated by single spaces.
///
/// ```abnf
/// scope       = scope-token *( SP scope-token )
/// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
/// ```
///
/// Examples: `openid`, `orders:read orders:write`. Compared byte for byte: `Orders:read` is not
/// `orders:read`. An absent or empty claim is the empty set, which contains nothing. It does not
/// know any hierarchy: `orders` does not contain `orders:read`.
///
/// # Example
/// ```
/// # use tower_bearer::testing::TestClaims;
/// let claims = TestClaims::new().scope("orders:read orders:write").build();
/// assert!(claims.scope().contains("orders:read"));
/// assert!(!claims.scope().contains("orders"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    text: Box<str>,
}

impl Scope {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Scope { text: text.into() }
    }

    /// True if this very scope-token was granted.
    pub fn contains(&self, scope: &str) -> bool {
        !scope.is_empty() && self.iter().any(|granted| granted == scope)
    }

    /// The scope-tokens in the order of the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|token| !token.is_empty())
    }

    /// True if nothing was granted.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The scope as it stands in the token, scope-tokens separated by spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// True for a text without control characters that holds so many scope-tokens at most.
pub(crate) fn is_readable_scope(text: &str, most: usize) -> bool {
    // A text of so many bytes cannot hold more tokens.
    let is_short = text.len() <= most || text.split(' ').filter(|token| !token.is_empty()).nth(most).is_none();
    // Letter by letter only where one is not printable ASCII.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    is_short && (is_plain || !text.chars().any(char::is_control))
}

/// What a mistaken scope in a configuration is told.
pub(crate) const SCOPE_REMEDY: &str = "must be one scope-token: printable ASCII without space, quote and backslash";

/// True for one scope-token of the grammar above; what fails here cannot stand in a challenge.
pub(crate) const fn is_scope_token(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        if !matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
            return false;
        }
        rest = tail;
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_tokens_are_split_at_spaces_only_and_compared_exactly() {
        let scope = Scope::new("a:b  c\u{a0}d e");
        assert_eq!(scope.iter().collect::<Vec<_>>(), ["a:b", "c\u{a0}d", "e"]);
        assert!(scope.contains("a:b") && !scope.contains("A:b") && !scope.contains("a") && !scope.contains(""));
        assert!(Scope::default().is_empty() && Scope::new(" ").is_empty());
    }

    #[test]
    fn a_readable_scope_has_no_control_character_and_not_too_many_tokens() {
        for text in ["", "a b", "\u{e9} \u{a0}", "a  b "] {
            assert!(is_readable_scope(text, 2), "{text:?}");
        }
        for text in ["a b c", "a\tb", "a\u{7f}", "\u{e9}\u{85}"] {
            assert!(!is_readable_scope(text, 2), "{text:?}");
        }
    }

    #[test]
    fn a_scope_token_has_no_space_quote_backslash_or_foreign_letter() {
        assert!(is_scope_token("orders:write/~!"));
        for text in ["", "a b", "a\"b", "a\\b", "é", "a\tb", "\u{7f}"] {
            assert!(!is_scope_token(text), "{text:?}");
        }
    }
}
