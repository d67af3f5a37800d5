//! NumericDate (RFC 7519 section 2) and the comparisons made with it. All in whole seconds.

use crate::token::claims::NO_END;
use crate::token::error::{AuthError, Reason};
use crate::token::json::{Json, Object};

/// The last second of the year 9999. Also catches milliseconds given for seconds.
const MAX_DATE: u64 = 253_402_300_799;

/// How many digits it has.
pub(super) const LONGEST_DATE: usize = 12;

/// How far `iat` may lie ahead, apart from the leeway (FAPI 2.0 refuses beyond 60 s).
const MAX_IAT_AHEAD: u64 = 60;

/// The times of a token. A fraction of a second never lengthens its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) expires_at: u64,
    pub(crate) not_before: Option<u64>,
    pub(crate) issued_at: Option<u64>,
}

impl Times {
    /// Reads `exp`, `nbf` and `iat`: present but unreadable is a refusal, never "absent".
    pub(crate) fn read(payload: &Object<'_>) -> Result<Self, AuthError> {
        let exp = date(payload, "exp", Round::Down)?;
        Ok(Times {
            expires_at: exp.ok_or_else(|| AuthError::with_detail(Reason::ClaimMissing, "exp"))?,
            not_before: date(payload, "nbf", Round::Up)?,
            issued_at: date(payload, "iat", Round::Up)?,
        })
    }

    /// The same where `exp` may be absent: what an issuer says of an opaque token (RFC 7662 section 2.2).
    pub(crate) fn read_open(members: &Object<'_>) -> Result<Self, AuthError> {
        Ok(Times {
            expires_at: date(members, "exp", Round::Down)?.unwrap_or(NO_END),
            not_before: date(members, "nbf", Round::Up)?,
            issued_at: date(members, "iat", Round::Up)?,
        })
    }

    /// Valid while `nbf - leeway <= now < exp + leeway` and `iat` is no more than a minute ahead.
    pub(crate) fn check(&self, now: u64, leeway: u64) -> Result<(), Reason> {
        if now >= self.expires_at.saturating_add(leeway) {
            return Err(Reason::Expired);
        }
        if self.not_before.is_some_and(|nbf| nbf > now.saturating_add(leeway)) {
            return Err(Reason::NotYetValid);
        }
        // A token that begins after its end was never valid; two leeways must not open a window.
        if self.not_before.is_some_and(|nbf| nbf > self.expires_at) {
            return Err(Reason::NotYetValid);
        }
        if self.issued_at.is_some_and(|iat| iat > now.saturating_add(MAX_IAT_AHEAD)) {
            return Err(Reason::IssuedInFuture);
        }
        Ok(())
    }
}

/// When the user was authenticated. Anything but a number counts as absent: the claim is optional (RFC 9068 section
/// 2.2.1), and whoever asks for it refuses its absence.
pub(crate) fn auth_time(payload: &Object<'_>) -> Option<u64> {
    match payload.get("auth_time") {
        Some(Json::Number(text)) => seconds(text, Round::Down),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Round {
    Down,
    Up,
}

fn date(payload: &Object<'_>, name: &str, round: Round) -> Result<Option<u64>, AuthError> {
    match payload.get(name) {
        None => Ok(None),
        Some(Json::Number(text)) => match seconds(text, round) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(AuthError::with_detail(Reason::ClaimInvalid, format_args!("{name} is out of range"))),
        },
        Some(_) => Err(AuthError::with_detail(Reason::ClaimInvalid, format_args!("{name} is not a number"))),
    }
}

/// `text` is a JSON number. Negative dates and those beyond the year 9999 are refused. Read digit by digit: as a
/// float, a long row of nines would round up into the next second.
fn seconds(text: &str, round: Round) -> Option<u64> {
    // As nearly everybody writes it: too few digits to overflow.
    let (mut whole, mut is_plain) = (0, text.len() <= LONGEST_DATE);
    for digit in text.bytes().take(LONGEST_DATE) {
        is_plain &= digit.is_ascii_digit();
        whole = whole * 10 + u64::from(digit & 0xf);
    }
    if is_plain { (whole <= MAX_DATE).then_some(whole) } else { written_otherwise(text, round) }
}

fn written_otherwise(text: &str, round: Round) -> Option<u64> {
    let mut whole: u64 = 0;
    for (place, digit) in text.bytes().enumerate() {
        match digit {
            b'0'..=b'9' => {
                let next = whole.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
                // Too many digits for whole seconds: out of range, unless a negative exponent takes them back.
                let Some(next) = next else { return scientific(text, round) };
                whole = next;
            }
            b'.' => return fraction(whole, text.get(place + 1..)?, text, round),
            _ => return scientific(text, round),
        }
    }
    (whole <= MAX_DATE).then_some(whole)
}

fn fraction(whole: u64, fraction: &str, text: &str, round: Round) -> Option<u64> {
    if fraction.contains(['e', 'E']) {
        return scientific(text, round);
    }
    let begun = matches!(round, Round::Up) && fraction.bytes().any(|digit| digit != b'0');
    whole.checked_add(u64::from(begun)).filter(|&seconds| seconds <= MAX_DATE)
}

fn scientific(text: &str, round: Round) -> Option<u64> {
    let exact: f64 = text.parse().ok().filter(|_| !text.starts_with('-'))?;
    let whole = match round {
        Round::Down => exact.floor(),
        Round::Up => exact.ceil(),
    };
    // Within this range every whole f64 is a u64, so the conversion is exact.
    (whole <= MAX_DATE as f64).then_some(whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::json;

    fn read(payload: &str) -> Result<Times, &'static str> {
        Times::read(&json::parse_object(payload.as_bytes()).unwrap()).map_err(|error| error.code())
    }

    #[test]
    fn c7519_2_a_a_date_is_a_number_and_may_have_a_fraction() {
        let times = read(r#"{"exp":1900000000.9,"nbf":1800000000.1,"iat":18e8}"#).unwrap();
        assert_eq!(times.expires_at, 1_900_000_000);
        assert_eq!(times.not_before, Some(1_800_000_001));
        assert_eq!(times.issued_at, Some(1_800_000_000));
        assert!(read(r#"{"exp":253402300799}"#).is_ok());
        let shifted = read(r#"{"exp":1900000000000000000000000e-15,"nbf":1.8e9}"#).unwrap();
        assert_eq!((shifted.expires_at, shifted.not_before), (1_900_000_000, Some(1_800_000_000)));
        let nines = read(r#"{"exp":1900000000.99999999999999999999,"nbf":1800000000.00000000000000000001}"#).unwrap();
        assert_eq!((nines.expires_at, nines.not_before), (1_900_000_000, Some(1_800_000_001)));
    }

    #[test]
    fn a_date_of_another_type_or_out_of_range_is_refused_and_never_taken_for_absent() {
        for exp in [
            "\"1900000000\"",
            "true",
            "null",
            "[]",
            "{}",
            "1e400",
            "1e19",
            "1e300",
            "-1",
            "-0.5",
            "-0",
            "253402300800",
            "9007199254740993",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
        ] {
            assert_eq!(read(&format!(r#"{{"exp":{exp}}}"#)), Err("claim_invalid"), "exp {exp}");
            assert_eq!(read(&format!(r#"{{"exp":1,"nbf":{exp}}}"#)), Err("claim_invalid"), "nbf {exp}");
        }
        assert_eq!(read(&format!(r#"{{"exp":{}}}"#, "9".repeat(10_000))), Err("claim_invalid"));
        assert_eq!(read("{}"), Err("claim_missing"));
    }

    #[test]
    fn c7519_4_1_4_a_the_boundaries_are_exact_to_the_second() {
        let times = Times { expires_at: 1000, not_before: Some(500), issued_at: Some(500) };
        assert_eq!(times.check(1029, 30), Ok(()));
        assert_eq!(times.check(1030, 30), Err(Reason::Expired));
        assert_eq!(times.check(470, 30), Ok(()));
        assert_eq!(times.check(469, 30), Err(Reason::NotYetValid));
        let issued = Times { not_before: None, ..times };
        assert_eq!(issued.check(440, 0), Ok(()));
        assert_eq!(issued.check(439, 300), Err(Reason::IssuedInFuture));
    }
}
