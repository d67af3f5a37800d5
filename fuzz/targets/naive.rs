//! A straight reading of RFC 7515, RFC 7519 and RFC 9068 over the slow JSON reader: the second opinion.

use super::slow_json::{Number, Slow};

pub const ISSUER: &str = "https://as.example.com";
pub const AUDIENCE: &str = "https://api.example.com";

/// The moment at which the targets judge tokens.
pub const NOW: u64 = 1_800_000_000;
const LEEWAY: u64 = 30;
const LAST_SECOND_OF_9999: u64 = 253_402_300_799;

const ALGORITHMS: [&str; 14] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "EdDSA", "Ed25519",
];

/// One object within the bounds of the crate, no member twice.
pub fn is_sound(slow: &Slow) -> bool {
    matches!(slow, Slow::Map(_)) && !slow.has_duplicates() && slow.depth() <= 16
}

pub fn is_good_header(header: &Slow) -> bool {
    is_sound(header)
        && header.get("crit").is_none()
        && header.get("enc").is_none()
        && header.get("b64").is_none_or(|b64| *b64 == Slow::Bool(true))
        && header.get("alg").and_then(Slow::text).is_some_and(|alg| ALGORITHMS.contains(&alg))
        && header.get("kid").is_none_or(|kid| kid.text().is_some_and(|kid| kid.len() <= 256))
        && header.get("typ").is_none_or(|typ| typ.text().is_some())
}

pub fn is_access_token_header(header: &Slow) -> bool {
    let typ = header.get("typ").and_then(Slow::text).unwrap_or_default().to_ascii_lowercase();
    is_good_header(header)
        && header.get("alg").and_then(Slow::text) == Some("HS256")
        && ["at+jwt", "application/at+jwt"].contains(&typ.as_str())
}

/// Whether these claims pass with every default of the crate; none where a rounding error of serde_json decides.
pub fn is_good_payload(payload: &Slow) -> Option<bool> {
    let text = |name| payload.get(name).and_then(Slow::text);
    let texts = ["sub", "client_id", "jti"].iter().all(|name| text(name).is_some());
    let good = is_sound(payload)
        && text("iss") == Some(ISSUER)
        && texts
        && is_for_us(payload.get("aud"))
        && is_good_scope(payload.get("scope"))
        // Neither kind of binding can be shown by a plain Bearer token.
        && payload.get("cnf").is_none();
    let exp = date(payload.get("exp"))?;
    let nbf = date(payload.get("nbf"))?;
    let iat = date(payload.get("iat"))?;
    let timely = matches!(exp, Date::At { floor, .. } if NOW < floor + LEEWAY)
        && match nbf {
            Date::Absent => true,
            // Nor may it begin after its end.
            Date::At { ceil, .. } => ceil <= NOW + LEEWAY && matches!(exp, Date::At { floor, .. } if ceil <= floor),
            Date::Bad => false,
        }
        && matches!(iat, Date::At { ceil, .. } if ceil <= NOW + 60);
    Some(good && timely)
}

/// Whether this answer about an opaque token may pass with every default of the crate; none where a rounding error of
/// serde_json decides.
pub fn is_good_answer(answer: &Slow) -> Option<bool> {
    let text_or_absent = |name: &str| answer.get(name).is_none_or(|value| value.text().is_some());
    let kind = answer.get("token_type").map(|kind| kind.text().unwrap_or_default().to_ascii_lowercase());
    let good = is_sound(answer)
        && answer.get("active") == Some(&Slow::Bool(true))
        && answer.get("iss").is_none_or(|iss| iss.text() == Some(ISSUER))
        && ["sub", "client_id", "jti"].into_iter().all(text_or_absent)
        && is_for_us(answer.get("aud"))
        && is_good_scope(answer.get("scope"))
        && kind.is_none_or(|kind| ["bearer", "n_a", "dpop"].contains(&kind.as_str()));
    let (exp, nbf, iat) = (date(answer.get("exp"))?, date(answer.get("nbf"))?, date(answer.get("iat"))?);
    let timely = match exp {
        Date::Absent => true,
        Date::At { floor, .. } => NOW < floor + LEEWAY,
        Date::Bad => false,
    };
    let begun = |date: Date, ahead: u64| match date {
        Date::Absent => true,
        Date::At { ceil, .. } => ceil <= NOW + ahead,
        Date::Bad => false,
    };
    Some(good && timely && begun(nbf, LEEWAY) && begun(iat, 60))
}

/// RFC 7519 section 5.3: what the header repeats is what the payload says.
pub fn repeats_agree(header: &Slow, payload: &Slow) -> bool {
    ["iss", "sub", "aud"].iter().all(|name| header.get(name).is_none() || header.get(name) == payload.get(name))
}

enum Date {
    Absent,
    At { floor: u64, ceil: u64 },
    Bad,
}

fn date(value: Option<&Slow>) -> Option<Date> {
    Some(match value {
        None => Date::Absent,
        Some(Slow::Number(Number::Whole(whole))) if *whole <= LAST_SECOND_OF_9999 => {
            Date::At { floor: *whole, ceil: *whole }
        }
        Some(Slow::Number(Number::Float(float))) => {
            // Close to a whole second the float does not tell on which side the text is.
            if (float - float.round()).abs() < 1e-3 {
                return None;
            }
            // Up beyond the last second is out of range, as is down.
            match float.ceil() <= LAST_SECOND_OF_9999 as f64 {
                true => Date::At { floor: *float as u64, ceil: float.ceil() as u64 },
                false if float.floor() <= LAST_SECOND_OF_9999 as f64 => return None,
                false => Date::Bad,
            }
        }
        Some(_) => Date::Bad,
    })
}

fn is_for_us(aud: Option<&Slow>) -> bool {
    match aud {
        Some(Slow::Text(one)) => one == AUDIENCE,
        Some(Slow::List(list)) => {
            (1..=256).contains(&list.len())
                && list.iter().all(|member| member.text().is_some())
                && list.contains(&Slow::Text(AUDIENCE.into()))
        }
        _ => false,
    }
}

fn is_good_scope(scope: Option<&Slow>) -> bool {
    match scope {
        None => true,
        Some(Slow::Text(text)) => {
            let control = text.chars().any(|c| matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}'));
            !control && text.split(' ').filter(|token| !token.is_empty()).count() <= 256
        }
        Some(_) => false,
    }
}
