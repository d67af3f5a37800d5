//! RSA moduli of a broken generator (CVE-2017-15361, "ROCA"), whose private keys can be computed.

/// The odd primes whose product divides the generator's constant for every key size.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// True if the modulus is a power of 65537 modulo each of the primes: one in 2^27 good keys is, by chance.
pub(crate) fn is_suspect(modulus: &[u8]) -> bool {
    PRIMES.into_iter().all(|prime| is_power(remainder(modulus, prime), prime))
}

fn remainder(modulus: &[u8], prime: u32) -> u32 {
    modulus.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime)
}

fn is_power(value: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let powers = std::iter::successors(Some(1), |power| Some(power * generator % prime));
    powers.take(prime as usize).any(|power| power == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::base64url;

    /// Wycheproof `json_web_crypto` 46, `rejectsKeyWithRocaVulnerability`.
    const SUSPECT: &str = "AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXEaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQVZ-QYyE";

    #[test]
    fn s5_10_the_modulus_of_the_broken_generator_is_known_by_its_remainders() {
        let mut modulus = base64url::decode(SUSPECT).unwrap();
        assert!(is_suspect(&modulus));
        modulus[100] ^= 2;
        assert!(!is_suspect(&modulus));
    }
}
