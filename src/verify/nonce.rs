//! Nonces for proofs, without memory: a keyed digest of the time of day (RFC 9449 section 8).

use std::fmt;

use super::{base64url, crypto};

/// How long a nonce is the newest one; it is accepted for as long again.
const STEP: u64 = 300;

/// Sets these digests apart from any other use of the same secret.
const PURPOSE: &[u8] = b"tower-bearer DPoP nonce 1\0";

/// Makes and knows nonces. Whoever shares the secret makes and knows the same ones, so a fleet needs no store.
///
/// `Debug` does not show the secret.
#[derive(Clone)]
pub(crate) struct Nonces {
    secret: [u8; 32],
}

/// A nonce that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownNonce {
    /// A newer one is to be had.
    pub(crate) is_old: bool,
    /// The first second at which it is no longer accepted.
    pub(crate) expires_at: u64,
}

impl Nonces {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Nonces { secret }
    }

    /// The nonce to hand out now.
    pub(crate) fn current(&self, now: u64) -> String {
        base64url::encode(&crypto::hmac_sha256(&self.secret, &message(now / STEP)))
    }

    /// Looks for a nonce among the newest and the one before.
    pub(crate) fn find(&self, nonce: &str, now: u64) -> Option<KnownNonce> {
        let bytes = base64url::decode(nonce).filter(|bytes| bytes.len() == 32)?;
        let newest = now / STEP;
        let made_in = |step: &u64| crypto::is_hmac_sha256(&self.secret, &message(*step), &bytes);
        let step = [Some(newest), newest.checked_sub(1)].into_iter().flatten().find(made_in)?;
        Some(KnownNonce { is_old: step != newest, expires_at: (step + 2) * STEP })
    }
}

fn message(step: u64) -> Vec<u8> {
    [PURPOSE, &step.to_be_bytes()].concat()
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn c9449_8_2_a_a_nonce_is_accepted_until_the_end_of_the_period_after_its_own() {
        let nonces = Nonces::new([7; 32]);
        let nonce = nonces.current(NOW);
        let found = |now| nonces.find(&nonce, now).map(|known| known.is_old);
        assert_eq!(NOW % STEP, 0);
        assert_eq!(found(NOW - 1), None);
        assert_eq!(found(NOW), Some(false));
        assert_eq!(found(NOW + STEP - 1), Some(false));
        assert_eq!(found(NOW + STEP), Some(true));
        assert_eq!(found(NOW + 2 * STEP - 1), Some(true));
        assert_eq!(found(NOW + 2 * STEP), None);
        assert_eq!(nonces.find(&nonce, NOW).unwrap().expires_at, NOW + 2 * STEP);
    }

    #[test]
    fn s9_19_c9449_8_1_a_only_whoever_has_the_secret_makes_a_nonce() {
        let nonces = Nonces::new([7; 32]);
        let nonce = nonces.current(NOW);
        assert_eq!(nonce.len(), 43);
        assert!(nonce.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')));
        assert!(Nonces::new([7; 32]).find(&nonce, NOW).is_some());
        assert!(Nonces::new([8; 32]).find(&nonce, NOW).is_none());
        let mut forged = base64url::decode(&nonce).unwrap();
        forged[31] ^= 1;
        let padded = format!("{nonce}=");
        for other in ["", "x", &nonce[..42], &padded, &base64url::encode(&forged), &"A".repeat(10_240)] {
            assert!(nonces.find(other, NOW).is_none(), "{other:.50}");
        }
        assert!(nonces.find(&nonces.current(0), 0).is_some());
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Nonces::new([65; 32])), "Nonces");
    }
}
