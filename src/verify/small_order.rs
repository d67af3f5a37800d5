//! Ed25519 keys that no honest client has: those of small order verify signatures nobody made.

/// The y coordinates of the points of order 4, 1, 2 and 8, little-endian; 0 and 1 stand for their aliases as well,
/// because larger numbers than the field has are refused before.
const SMALL: [[u8; 32]; 5] = [
    number(0, 0, 0),
    number(1, 0, 0),
    number(0xec, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// True if the key is of small order or spelled with a number that the field does not have.
pub(crate) fn is_suspect(key: &[u8; 32]) -> bool {
    let mut y = *key;
    if let Some(last) = y.last_mut() {
        // The highest bit is the sign of x.
        *last &= 0x7f;
    }
    !is_below_the_prime(&y) || SMALL.contains(&y)
}

/// Below 2^255 - 19.
fn is_below_the_prime(y: &[u8; 32]) -> bool {
    y.iter().rev().lt(number(0xed, 0xff, 0x7f).iter().rev())
}

/// Thirty bytes alike between the lowest and the highest.
const fn number(lowest: u8, middle: u8, highest: u8) -> [u8; 32] {
    let [mut bytes, low, high] = [[middle; 32], [lowest; 32], [highest; 32]];
    bytes.split_at_mut(1).0.copy_from_slice(low.split_at(1).0);
    bytes.split_at_mut(31).1.copy_from_slice(high.split_at(1).0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::algorithm::Algorithm;
    use crate::verify::crypto::VerifyingKey;

    /// The signature with R the neutral element and S zero: by a key of small order it holds for one message in 8 at
    /// least.
    fn forges(key: &[u8; 32]) -> bool {
        let key = VerifyingKey::ed25519(key).unwrap();
        let signature = [&number(1, 0, 0)[..], &[0; 32]].concat();
        (0..200u8).any(|message| key.verify(Algorithm::Ed25519, &[message], &signature))
    }

    #[test]
    fn s9_12_s1_15_each_key_of_small_order_verifies_what_nobody_signed_and_is_suspect() {
        for y in SMALL {
            for sign in [0, 0x80] {
                let mut key = y;
                key[31] |= sign;
                assert!(is_suspect(&key), "{key:x?}");
            }
            assert!(forges(&y), "{y:x?}");
        }
    }

    #[test]
    fn s1_15_numbers_beyond_the_field_are_suspect_and_those_within_are_not() {
        for lowest in 0xed..=0xff {
            assert!(is_suspect(&number(lowest, 0xff, 0x7f)), "{lowest}");
            assert!(is_suspect(&number(lowest, 0xff, 0xff)), "{lowest}");
        }
        assert!(!is_suspect(&number(0xeb, 0xff, 0x7f)));
        // RFC 8032 section 7.1, test 1.
        let honest = crate::verify::base64url::decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let honest: [u8; 32] = honest.try_into().unwrap();
        assert!(!is_suspect(&honest) && !forges(&honest));
    }
}
