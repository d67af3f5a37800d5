//! One spelling for one path, so that a rule cannot be walked past.

use http::Uri;

/// The path in normal form (RFC 3986 section 6.2.2), or `None` for one that an upstream might read another
/// way than the rules do.
///
/// Percent-encoded unreserved characters are decoded, other escapes get capital digits, dot segments are
/// removed. Refused: an empty segment, an encoded slash, a backslash in either form, `;`, NUL, a broken escape,
/// and anything that does not begin with a slash.
///
/// # Example
/// ```
/// # use tower_bearer::normalize_path;
/// assert_eq!(normalize_path("/a/./%62").as_deref(), Some("/a/b"));
/// assert_eq!(normalize_path("/a%2Fb"), None);
/// ```
pub fn normalize_path(path: &str) -> Option<String> {
    let decoded = decode_unreserved(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let inside = decoded.strip_prefix('/')?;
    let mut parts = inside.split('/').peekable();
    let mut slash_at_end = false;
    while let Some(segment) = parts.next() {
        let last = parts.peek().is_none();
        slash_at_end = last && matches!(segment, "" | "." | "..");
        match segment {
            "" if !last => return None,
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(decoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if slash_at_end || segments.is_empty() {
        normal.push('/');
    }
    Some(normal)
}

/// The target with its path in normal form; none where [`normalize_path`] refuses it.
pub(crate) fn normal_target(target: &Uri) -> Option<Uri> {
    let normal = normalize_path(target.path())?;
    if normal == target.path() {
        return Some(target.clone());
    }
    let path = match target.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal,
    };
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(path.try_into().ok()?);
    Uri::from_parts(parts).ok()
}

fn decode_unreserved(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = match byte {
            b'%' => {
                let [high, low, tail @ ..] = tail else { return None };
                push_escape(&mut decoded, hex(*high)? << 4 | hex(*low)?)?;
                tail
            }
            b'\\' | b';' | 0 => return None,
            byte if byte.is_ascii() => {
                decoded.push(char::from(*byte));
                tail
            }
            _ => return None,
        };
    }
    Some(decoded)
}

fn push_escape(decoded: &mut String, byte: u8) -> Option<()> {
    match byte {
        b'/' | b'\\' | 0 => return None,
        b'-' | b'.' | b'_' | b'~' => decoded.push(char::from(byte)),
        byte if byte.is_ascii_alphanumeric() => decoded.push(char::from(byte)),
        byte => decoded.push_str(&format!("%{byte:02X}")),
    }
    Some(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_one_path() {
        for (path, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/%61/%7Eb", "/a/~b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/a%3fb%c3%a4%3b", "/a%3Fb%C3%A4%3B"),
        ] {
            assert_eq!(normalize_path(path).as_deref(), Some(normal), "{path}");
            assert_eq!(normalize_path(normal).as_deref(), Some(normal), "{path}");
        }
    }

    #[test]
    fn what_an_upstream_might_read_otherwise_is_refused() {
        for path in [
            "", "a", "*", "//", "//a", "/a//b", "/a%2fb", "/a%2Fb", "/a\\b", "/a%5cb", "/a;b", "/a%00", "/a%", "/a%2",
            "/a%zz", "/\u{e4}", "/a/.//b",
        ] {
            assert_eq!(normalize_path(path), None, "{path}");
        }
    }
}
