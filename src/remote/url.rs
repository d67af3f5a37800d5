//! Which addresses may be called.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

/// What is wrong with an address, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadUrl {
    NotAbsolute,
    NotHttps,
    UserInfo,
    Fragment,
    Query,
    Character,
}

impl BadUrl {
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            BadUrl::NotAbsolute => "must be an absolute URL such as https://as.example.com",
            BadUrl::NotHttps => {
                "must use https; http is accepted for loopback hosts, or everywhere with `danger_allow_http()`"
            }
            BadUrl::UserInfo => "must not hold a user name or password",
            BadUrl::Fragment => "must not have a fragment (`#`)",
            BadUrl::Query => "must not have a query (`?`)",
            BadUrl::Character => "must hold the characters of RFC 3986 only; encode the others (`%20`)",
        }
    }
}

/// An absolute https URL without user name and fragment; http for loopback hosts, or where allowed.
pub(crate) fn check(text: &str, allow_http: bool) -> Result<Uri, BadUrl> {
    // `http::Uri` drops a fragment silently, so it is looked for in the text.
    if text.contains('#') {
        return Err(BadUrl::Fragment);
    }
    // `http::Uri` lets bytes through that cannot stand in a challenge.
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)) {
        return Err(BadUrl::Character);
    }
    let uri: Uri = text.parse().map_err(|_| BadUrl::NotAbsolute)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(BadUrl::NotAbsolute);
    };
    if authority.as_str().contains('@') {
        return Err(BadUrl::UserInfo);
    }
    // `http::Uri` takes `a[::1]b` for a host and any text for a port; where a client then goes is its own choice.
    let host = authority.host();
    let port_is_good = authority.as_str().strip_prefix(host).is_some_and(is_port);
    let host_is_good = !host.is_empty() && (!host.contains(['[', ']']) || ipv6_literal(host).is_some());
    match scheme {
        _ if !host_is_good || !port_is_good => Err(BadUrl::NotAbsolute),
        "https" => Ok(uri),
        "http" if allow_http || is_loopback(host) => Ok(uri),
        _ => Err(BadUrl::NotHttps),
    }
}

/// The same without a query: issuer identifiers (RFC 8414 section 2).
pub(crate) fn check_issuer(text: &str, allow_http: bool) -> Result<Uri, BadUrl> {
    let uri = check(text, allow_http)?;
    if text.contains('?') { Err(BadUrl::Query) } else { Ok(uri) }
}

/// The address for an operator's eyes: a user name and password never stand in an error or a log.
pub(crate) fn shown(text: &str) -> String {
    let (head, rest) = text.split_at(text.find("//").map_or(0, |slashes| slashes + 2));
    // A colon before the last `@` may begin a password with a slash in it, so all up to there is hidden.
    match rest.rsplit_once('@') {
        Some((before, host)) if before.contains(':') || !before.contains(['/', '?', '#']) => {
            format!("{head}***@{host}")
        }
        _ => text.to_owned(),
    }
}

/// Nothing, or a colon and a number below 65536.
fn is_port(text: &str) -> bool {
    let Some(number) = text.strip_prefix(':') else { return text.is_empty() };
    number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u16>().is_ok()
}

/// Brackets belong to IPv6 alone (RFC 3986 section 3.2.2); who resolves `[127.0.0.1]` may ask anybody.
fn ipv6_literal(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        || ipv6_literal(host).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_everywhere_and_http_on_loopback_only() {
        for good in [
            "https://as.example.com",
            "HTTPS://as.example.com/t1/",
            "http://127.0.0.1:9",
            "http://[::1]:9/x",
            "http://localhost",
            "https://as.example.com:8443",
            "https://[2001:db8::1]",
        ] {
            assert!(check_issuer(good, false).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://as.example.com", BadUrl::NotHttps),
            ("http://127.0.0.1.example.com", BadUrl::NotHttps),
            ("file:///etc/passwd", BadUrl::NotAbsolute),
            ("ftp://as.example.com/", BadUrl::NotHttps),
            ("as.example.com", BadUrl::NotAbsolute),
            ("/as", BadUrl::NotAbsolute),
            ("", BadUrl::NotAbsolute),
            ("https://", BadUrl::NotAbsolute),
            ("https://as.example.com:", BadUrl::NotAbsolute),
            ("https://as.example.com:x/", BadUrl::NotAbsolute),
            ("https://as.example.com:65536/", BadUrl::NotAbsolute),
            ("https://as.example.com:+443/", BadUrl::NotAbsolute),
            ("https://as.example[::1]com:8443", BadUrl::NotAbsolute),
            ("https://[::1]com:8443", BadUrl::NotAbsolute),
            ("http://[127.0.0.1]/", BadUrl::NotAbsolute),
            ("http://[localhost]/", BadUrl::NotAbsolute),
            ("https://u:p/w@as.example.com", BadUrl::NotAbsolute),
            ("https://u:p@as.example.com", BadUrl::UserInfo),
            ("https://as.example.com/#f", BadUrl::Fragment),
            ("https://as.example.com/?x", BadUrl::Query),
            ("https:\\\\as", BadUrl::Character),
            ("https://as.example.com/\u{e9}", BadUrl::Character),
            ("https://as.example.com/\u{7f}", BadUrl::Character),
            ("https://as.example.com/\"x", BadUrl::Character),
            ("https://as.example.com/{tenant}", BadUrl::Character),
            ("https://as.example.com/a b", BadUrl::Character),
        ] {
            assert_eq!(check_issuer(bad, false), Err(why), "{bad}");
        }
        assert!(check_issuer("http://as.example.com", true).is_ok());
    }

    #[test]
    fn s6_06_a_password_in_an_address_is_not_shown() {
        for (text, expected) in [
            ("https://u:p@as.example.com/x?y", "https://***@as.example.com/x?y"),
            ("https://u:p@as.example.com#f", "https://***@as.example.com#f"),
            ("https://u:p/w@as.example.com", "https://***@as.example.com"),
            ("https://u:p#w@as.example.com", "https://***@as.example.com"),
            ("u:p@as.example.com", "***@as.example.com"),
            ("https:\\\\u:p@as", "***@as"),
            ("https://as.example.com/@tenant", "https://as.example.com/@tenant"),
            ("https://as.example.com", "https://as.example.com"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
