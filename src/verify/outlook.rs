//! What the text of a payload promises before it is read.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use super::audience::AudienceRule;
use super::times::LONGEST_DATE;

static ISSUER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""iss":""#));
static EXPIRY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""exp":"#));
static NOT_BEFORE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""nbf":"#));

/// What the payloads of one issuer hold when they are meant for this resource.
///
/// It settles nothing but the order of the work: where the outlook is good, the signature may be checked before the
/// payload is read, so that a forged token costs little more than that. Every rule is applied to what the payload really
/// says, whatever was promised; a payload that is written in another way, or tries to mislead, is read first.
#[derive(Debug)]
pub(crate) struct Outlook {
    /// One of these stands in the payload. None: any audience passes.
    audiences: Option<Box<[Finder<'static>]>>,
}

impl Outlook {
    pub(crate) fn new(rule: &AudienceRule) -> Self {
        let finder = |audience: &String| Finder::new(&format!("\"{audience}\"")).into_owned();
        Outlook { audiences: rule.accepted.as_ref().map(|accepted| accepted.iter().map(finder).collect()) }
    }

    /// True where the token seems to be for us, and to hold now.
    pub(crate) fn is_good(&self, payload: &[u8], now: u64, leeway: u64) -> bool {
        date(&EXPIRY, payload).is_some_and(|expiry| expiry.saturating_add(leeway) > now)
            && date(&NOT_BEFORE, payload).is_none_or(|begin| begin <= now.saturating_add(leeway))
            && self.audiences.as_ref().is_none_or(|ours| ours.iter().any(|audience| audience.find(payload).is_some()))
    }
}

/// What seems to be the issuer.
pub(crate) fn issuer(payload: &[u8]) -> Option<&str> {
    let text = behind(&ISSUER, payload)?;
    std::str::from_utf8(text.get(..memchr(b'"', text)?)?).ok()
}

/// What seems to be this date, in whole seconds.
fn date(name: &Finder<'_>, payload: &[u8]) -> Option<u64> {
    let digits = behind(name, payload)?.iter().map_while(|&byte| char::from(byte).to_digit(10));
    Some(digits.take(LONGEST_DATE).fold(0, |seconds, digit| seconds * 10 + u64::from(digit)))
}

fn behind<'a>(finder: &Finder<'_>, payload: &'a [u8]) -> Option<&'a [u8]> {
    payload.get(finder.find(payload)? + finder.needle().len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(payload: &str) -> bool {
        let rule = AudienceRule { accepted: Some(vec!["a".into(), "https://b".into()]), client_ids: Vec::new() };
        Outlook::new(&rule).is_good(payload.as_bytes(), 110, 10)
    }

    #[test]
    fn a_token_for_us_that_holds_now_looks_good() {
        for payload in [
            r#"{"exp":101,"aud":"a"}"#,
            r#"{"aud":["x","https://b"],"exp":101.5}"#,
            r#"{"exp":101,"aud":"a","nbf":120}"#,
        ] {
            assert!(is_good(payload), "{payload}");
        }
        for payload in [
            r#"{"exp":100,"aud":"a"}"#,
            r#"{"exp":101,"aud":"b"}"#,
            r#"{"exp": 101,"aud":"a"}"#,
            r#"{"exp":1.01e2,"aud":"a"}"#,
            r#"{"exp":101,"aud":"a","nbf":121}"#,
            r#"{"aud":"a"}"#,
            r#"{"exp":"#,
            "",
        ] {
            assert!(!is_good(payload), "{payload}");
        }
        let any = Outlook::new(&AudienceRule { accepted: None, client_ids: Vec::new() });
        assert!(any.is_good(br#"{"exp":101}"#, 100, 0) && !any.is_good(br#"{"exp":100}"#, 100, 0));
        assert!(any.is_good(br#"{"exp":99999999999999999999999999}"#, 100, u64::MAX));
    }

    #[test]
    fn the_issuer_is_the_first_text_of_that_name() {
        assert_eq!(issuer(br#"{"act":{"iss":"a"},"iss":"b"}"#), Some("a"));
        for payload in [r#"{"iss":"a"#, r#"{"iss" :"a"}"#, r#"{"iss":1}"#, "{\"iss\":\"", ""] {
            assert_eq!(issuer(payload.as_bytes()), None, "{payload}");
        }
        assert_eq!(issuer(b"{\"iss\":\"\xff\"}"), None);
    }
}
