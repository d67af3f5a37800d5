//! base64url (RFC 4648 section 5): strict for what is signed, lax for published keys.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const STRICT: GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

const LAX: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// No padding, no other alphabet, spare bits zero: one text for one value (RFC 7515 section 2).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STRICT.decode(text).ok()
}

/// Real issuers publish keys with padding or in the other alphabet; nothing is signed over that text.
pub(crate) fn decode_lax(text: &str) -> Option<Vec<u8>> {
    LAX.decode(text.trim().replace('+', "-").replace('/', "_")).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7515_2_a_only_the_canonical_spelling_is_read() {
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        for text in ["_-8=", "/+8", "_-9", "_-8\n", " _-8", "A", "_-8%"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn keys_may_be_padded_and_use_either_alphabet() {
        for text in ["_-8", "_-8=", "/+8=", "_-9"] {
            assert_eq!(decode_lax(text), Some(vec![0xff, 0xef]), "{text}");
        }
        assert_eq!(decode_lax("!"), None);
    }
}
