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
///
/// Written out because each token passes here before its signature: whole groups of four letters without a branch.
/// What is left over goes to the library, and a property test holds both against each other.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks();
    let mut bytes = vec![0; groups.len() * 3];
    let mut words = 0;
    for (group, triple) in groups.iter().zip(bytes.as_chunks_mut().0) {
        let word = word(group);
        words |= word;
        let [_, first, second, third] = word.to_be_bytes();
        *triple = [first, second, third];
    }
    if words & NO_LETTER != 0 {
        return None;
    }
    if !rest.is_empty() {
        STRICT.decode_vec(rest, &mut bytes).ok()?;
    }
    Some(bytes)
}

/// Four letters as 24 bits, with a mark above them where one is no letter.
fn word(&[first, second, third, fourth]: &[u8; 4]) -> u32 {
    let value = |table: &[u32; 256], letter: u8| table.get(usize::from(letter)).copied().unwrap_or(NO_LETTER);
    let [a, b, c, d] = &LETTERS;
    value(a, first) | value(b, second) | value(c, third) | value(d, fourth)
}

const NO_LETTER: u32 = 1 << 31;

/// The bits of each letter at each of the four places of a group.
static LETTERS: [[u32; 256]; 4] = [letters(18), letters(12), letters(6), letters(0)];

#[allow(clippy::indexing_slicing, reason = "computed at compile time: an index out of bounds does not compile")]
const fn letters(shift: u32) -> [u32; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut table = [NO_LETTER; 256];
    let mut value = 0;
    while value < alphabet.len() {
        table[alphabet[value] as usize] = (value as u32) << shift;
        value += 1;
    }
    table
}

/// Real issuers publish keys with padding or in the other alphabet; nothing is signed over that text.
pub(crate) fn decode_lax(text: &str) -> Option<Vec<u8>> {
    LAX.decode(text.trim().replace('+', "-").replace('/', "_")).ok()
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn p01_texts_are_read_as_the_library_reads_them(
            text in "[A-Za-z0-9_-]{0,40}", place in 0..40usize, other in any::<char>(),
        ) {
            prop_assert_eq!(decode(&text), STRICT.decode(&text).ok());
            let mut spoiled: Vec<char> = text.chars().collect();
            spoiled.insert(place.min(spoiled.len()), other);
            let spoiled: String = spoiled.into_iter().collect();
            prop_assert_eq!(decode(&spoiled), STRICT.decode(&spoiled).ok());
        }
    }

    #[test]
    fn every_byte_is_read_as_the_library_reads_it() {
        for byte in 0..128u8 {
            for text in [format!("{}AAA", char::from(byte)), format!("AA{}A", char::from(byte))] {
                assert_eq!(decode(&text), STRICT.decode(&text).ok(), "{text:?}");
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
