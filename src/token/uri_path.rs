//! One spelling for the path of a URI (RFC 3986 section 6.2.2).

/// One byte of a text with percent-encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Octet {
    Plain(u8),
    Escaped(u8),
}

/// The bytes of a text; `None` where an escape is broken.
pub(crate) fn octets(text: &str) -> impl Iterator<Item = Option<Octet>> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        if byte != b'%' {
            return Some(Some(Octet::Plain(byte)));
        }
        let (digits, tail) = rest.split_at_checked(2).unwrap_or((rest, b""));
        rest = tail;
        Some(escaped(digits).map(Octet::Escaped))
    })
}

fn escaped(digits: &[u8]) -> Option<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match digits {
        [high, low] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Writes an escape as RFC 3986 wants it: unreserved characters plain, the digits of the others in capitals.
pub(crate) fn push_escape(text: &mut String, byte: u8) {
    match byte {
        b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
        byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
        byte => text.push_str(&format!("%{byte:02X}")),
    }
}

/// Removes the segments `.` and `..` (RFC 3986 section 5.2.4). Empty segments stay. The path begins with a slash.
pub(crate) fn without_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(segment) = parts.next() {
        let last = parts.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                if last {
                    segments.push("");
                }
            }
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_removed_as_rfc_3986_does() {
        for (path, plain) in [
            ("/a/b/c/./../../g", "/a/g"),
            ("/", "/"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a//b", "/a//b"),
            ("/a//../b", "/a/b"),
            ("/.//a", "//a"),
            ("/a/", "/a/"),
            ("/...", "/..."),
        ] {
            assert_eq!(without_dot_segments(path), plain, "{path}");
        }
    }

    #[test]
    fn an_escape_has_two_digits() {
        let read = |text: &str| octets(text).collect::<Option<Vec<_>>>();
        assert_eq!(read("a%2F"), Some(vec![Octet::Plain(b'a'), Octet::Escaped(b'/')]));
        for text in ["%", "%2", "a%zz", "%+1", "% 1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
