//! A strict reader of one challenge (RFC 9110 section 11.6.1): one scheme, then parameters as quoted-strings.

use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Challenge {
    pub scheme: String,
    pub parameters: BTreeMap<String, Vec<u8>>,
}

pub fn is_tchar(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

/// `auth-scheme 1*SP auth-param *( "," SP auth-param )`, a name once only.
pub fn challenge(line: &[u8]) -> Option<Challenge> {
    let (scheme, mut rest) = take_while(line, is_tchar);
    rest = rest.strip_prefix(b" ")?;
    let mut parameters = BTreeMap::new();
    loop {
        let (name, tail) = take_while(rest, is_tchar);
        let (value, tail) = quoted_string(tail.strip_prefix(b"=")?)?;
        let name = String::from_utf8(name.to_ascii_lowercase()).ok()?;
        if name.is_empty() || parameters.insert(name, value).is_some() {
            return None;
        }
        if tail.is_empty() {
            break;
        }
        rest = tail.strip_prefix(b", ")?;
    }
    let scheme = String::from_utf8(scheme.to_vec()).ok().filter(|scheme| !scheme.is_empty())?;
    Some(Challenge { scheme, parameters })
}

fn take_while(text: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !wanted(*byte)).unwrap_or(text.len()))
}

/// `DQUOTE *( qdtext / quoted-pair ) DQUOTE`: the value without its escapes, and what follows it.
fn quoted_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut value = Vec::new();
    loop {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        match byte {
            b'"' => return Some((value, rest)),
            b'\\' => {
                let (&escaped, tail) = rest.split_first()?;
                if escaped != b'\t' && (escaped < b' ' || escaped == 0x7f) {
                    return None;
                }
                value.push(escaped);
                rest = tail;
            }
            b'\t' | b' '..=b'~' | 0x80.. => value.push(byte),
            _ => return None,
        }
    }
}
