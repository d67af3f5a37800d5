//! One spelling for one path, so that a rule cannot be walked past.

use http::Uri;

use crate::token::uri_path::{Octet, octets, push_escape, without_dot_segments};

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
    let whole = decoded.starts_with('/') && !decoded.contains("//");
    whole.then(|| without_dot_segments(&decoded))
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
    for octet in octets(path) {
        match octet? {
            Octet::Escaped(b'/' | b'\\' | 0) | Octet::Plain(b'\\' | b';' | 0) => return None,
            Octet::Escaped(byte) => push_escape(&mut decoded, byte),
            Octet::Plain(byte) if byte.is_ascii() => decoded.push(char::from(byte)),
            Octet::Plain(_) => return None,
        }
    }
    Some(decoded)
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
