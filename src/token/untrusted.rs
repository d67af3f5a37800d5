//! How text from outside is shown to an operator.

use std::fmt;

/// Shows text that a caller chose: printable ASCII as it is, all else escaped, 128 bytes at most.
///
/// Line breaks, terminal sequences and bidirectional marks can so neither forge a log line nor
/// hide one.
pub(crate) struct Untrusted<'a>(pub(crate) &'a str);

const MAX_SHOWN: usize = 128;

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for character in self.0.chars() {
            let plain = matches!(character, ' '..='~');
            let width = if plain { 1 } else { 10 };
            if shown + width > MAX_SHOWN {
                return f.write_str("...");
            }
            shown += width;
            if plain {
                write!(f, "{character}")?;
            } else {
                write!(f, "{}", character.escape_unicode())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_length_is_bounded() {
        assert_eq!(Untrusted("a\r\n\u{1b}[31m\u{202e}").to_string(), "a\\u{d}\\u{a}\\u{1b}[31m\\u{202e}");
        let long = Untrusted(&"x".repeat(4096)).to_string();
        assert_eq!(long.len(), MAX_SHOWN + 3);
    }
}
