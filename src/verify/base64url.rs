//! base64url (RFC 4648 section 5): strict for what is signed, lax for published keys.

use std::sync::LazyLock;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};

const NO_PADDING: GeneralPurposeConfig = base64::engine::general_purpose::NO_PAD;

/// Each token passes here before its signature, so where the processor has wide instructions they are used.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static STRICT: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::url_safe(NO_PADDING));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static STRICT: LazyLock<GeneralPurpose> = LazyLock::new(|| GeneralPurpose::new(&alphabet::URL_SAFE, NO_PADDING));

const LAX: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// No padding, no other alphabet, spare bits zero: one text for one value (RFC 7515 section 2).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STRICT.decode(text).ok()
}

/// How many bytes a text stands for at most, with what the decoder needs beyond them.
pub(crate) fn decoded_length(text: &str) -> usize {
    base64::decoded_len_estimate(text.len())
}

/// The same, behind what is there already; what stands there after a refusal is of no use.
pub(crate) fn append(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    STRICT.decode_vec(text, bytes).ok()
}

/// Real issuers publish keys with padding or in the other alphabet; nothing is signed over that text.
pub(crate) fn decode_lax(text: &str) -> Option<Vec<u8>> {
    LAX.decode(text.trim().replace('+', "-").replace('/', "_")).ok()
}

/// The alphabet of RFC 4648 section 4, padded or not.
pub(crate) fn decode_standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

/// The alphabet of RFC 4648 section 4 with padding, as HTTP's Basic scheme has it.
pub(crate) fn encode_standard(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn p01_texts_are_read_as_by_the_engine_without_wide_instructions(
            text in "[A-Za-z0-9_-]{0,200}", place in 0..200usize, other in any::<char>(),
        ) {
            prop_assert_eq!(decode(&text), URL_SAFE_NO_PAD.decode(&text).ok());
            let mut behind = b"before".to_vec();
            if append(&text, &mut behind).is_some() {
                prop_assert_eq!(behind, [b"before", &URL_SAFE_NO_PAD.decode(&text).unwrap()[..]].concat());
            }
            let mut spoiled: Vec<char> = text.chars().collect();
            spoiled.insert(place.min(spoiled.len()), other);
            let spoiled: String = spoiled.into_iter().collect();
            prop_assert_eq!(decode(&spoiled), URL_SAFE_NO_PAD.decode(&spoiled).ok());
        }
    }

    #[test]
    fn every_byte_is_read_as_by_the_engine_without_wide_instructions() {
        for byte in 0..128u8 {
            for (length, place) in (0..80).flat_map(|length| (0..length).map(move |place| (length, place))) {
                let mut text = "A".repeat(length);
                text.replace_range(place..=place, &char::from(byte).to_string());
                assert_eq!(decode(&text), URL_SAFE_NO_PAD.decode(&text).ok(), "{text:?}");
            }
        }
    }

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
