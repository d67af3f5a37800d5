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

const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// No padding, no other alphabet, spare bits zero: one text for one value (RFC 7515 section 2).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(decoded_length(text));
    append(text, &mut bytes)?;
    Some(bytes)
}

/// How many bytes a text stands for.
pub(crate) fn decoded_length(text: &str) -> usize {
    text.len() * 3 / 4
}

/// The same, behind what is there already; what stands there after a refusal is of no use.
///
/// Written out because each token passes here before its signature: sixteen letters a turn without a branch. A property
/// test holds it against the library.
pub(crate) fn append(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (turns, rest) = text.as_bytes().as_chunks::<16>();
    let (groups, rest) = rest.as_chunks::<4>();
    let start = bytes.len();
    bytes.resize(start + turns.len() * 12 + groups.len() * 3, 0);
    let (twelves, rest_of_bytes) = bytes.get_mut(start..)?.as_chunks_mut::<12>();
    let mut words = 0;
    for (turn, twelve) in turns.iter().zip(twelves) {
        let [one, two, three, four] = four_words(turn);
        words |= one | two | three | four;
        let (high, low) = (pair(one, two), pair(three, four));
        if let Some(bytes) = (u128::from(high) << 48 | u128::from(low)).to_be_bytes().last_chunk() {
            *twelve = *bytes;
        }
    }
    for (group, triple) in groups.iter().zip(rest_of_bytes.as_chunks_mut().0) {
        let word = word(group);
        words |= word;
        let [_, first, second, third] = word.to_be_bytes();
        *triple = [first, second, third];
    }
    append_last(rest, words, bytes)
}

/// The letters that fill no group of four.
fn append_last(rest: &[u8], mut words: u32, bytes: &mut Vec<u8>) -> Option<()> {
    let (first, second, third) = match *rest {
        [] => return (words & NO_LETTER == 0).then_some(()),
        [first, second] => (first, second, None),
        [first, second, third] => (first, second, Some(third)),
        _ => return None,
    };
    let last = word(&[first, second, third.unwrap_or(b'A'), b'A']);
    words |= last;
    let [_, first, second, spare] = last.to_be_bytes();
    bytes.push(first);
    if third.is_some() {
        bytes.push(second);
    }
    let spare = u32::from(spare) | if third.is_none() { u32::from(second) } else { 0 };
    (words & NO_LETTER == 0 && spare == 0).then_some(())
}

fn four_words(letters: &[u8; 16]) -> [u32; 4] {
    let &[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = letters;
    [word(&[a, b, c, d]), word(&[e, f, g, h]), word(&[i, j, k, l]), word(&[m, n, o, p])]
}

fn pair(one: u32, two: u32) -> u64 {
    u64::from(one) << 24 | u64::from(two)
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn p01_texts_are_read_as_the_library_reads_them(
            text in "[A-Za-z0-9_-]{0,80}", place in 0..80usize, other in any::<char>(),
        ) {
            prop_assert_eq!(decode(&text), STRICT.decode(&text).ok());
            let mut behind = b"before".to_vec();
            if append(&text, &mut behind).is_some() {
                prop_assert_eq!(behind, [b"before", &STRICT.decode(&text).unwrap()[..]].concat());
            }
            let mut spoiled: Vec<char> = text.chars().collect();
            spoiled.insert(place.min(spoiled.len()), other);
            let spoiled: String = spoiled.into_iter().collect();
            prop_assert_eq!(decode(&spoiled), STRICT.decode(&spoiled).ok());
        }
    }

    #[test]
    fn every_byte_is_read_as_the_library_reads_it() {
        for byte in 0..128u8 {
            for (length, place) in (0..40).flat_map(|length| (0..length).map(move |place| (length, place))) {
                let mut text = "A".repeat(length);
                text.replace_range(place..=place, &char::from(byte).to_string());
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
