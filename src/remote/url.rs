//! Which addresses may be called.

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
    let port_is_bad = authority.port_u16().is_none() && authority.as_str() != authority.host();
    match scheme {
        _ if authority.host().is_empty() || port_is_bad => Err(BadUrl::NotAbsolute),
        "https" => Ok(uri),
        "http" if allow_http || is_loopback(authority.host()) => Ok(uri),
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

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
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
