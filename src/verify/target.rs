//! The URI that a proof is made for, in one spelling (RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3).

use std::fmt;
use std::net::Ipv6Addr;

use crate::token::uri_path::{Octet, octets, push_escape, without_dot_segments};

/// An http or https URI without query and fragment, in normal form: equal texts for equal targets.
///
/// An encoded slash stays encoded, and the case of a path, a slash at its end and an empty segment tell: a server may
/// answer each of them differently.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target(String);

/// Where clients reach this service: scheme, host, port and the path that a proxy in front cuts off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base(Target);

/// Why a text is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadTarget {
    Scheme,
    UserInfo,
    Host,
    Port,
    Path,
}

impl Target {
    /// Reads an absolute URI; what follows the path is dropped.
    pub(crate) fn parse(uri: &str) -> Result<Self, BadTarget> {
        let uri = uri.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = uri.split_once("://").ok_or(BadTarget::Scheme)?;
        let (scheme, default_port) = match () {
            () if scheme.eq_ignore_ascii_case("https") => ("https", 443),
            () if scheme.eq_ignore_ascii_case("http") => ("http", 80),
            () => return Err(BadTarget::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(BadTarget::UserInfo);
        }
        let (host, port) = split_port(authority);
        let mut text = format!("{scheme}://{}", normal_host(host)?);
        match read_port(port)? {
            Some(port) if port != default_port => text.push_str(&format!(":{port}")),
            _ => {}
        }
        text.push_str(&normal_path(path)?);
        Ok(Target(text))
    }

    /// The text in normal form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Base {
    /// Reads an absolute URI. A slash at its end tells nothing here.
    pub(crate) fn parse(uri: &str) -> Result<Self, BadTarget> {
        let Target(mut text) = Target::parse(uri)?;
        text.truncate(text.trim_end_matches('/').len());
        Ok(Base(Target(text)))
    }

    /// The same base by another scheme or host.
    pub(crate) fn called(&self, scheme: Option<&str>, authority: Option<&str>) -> Result<Self, BadTarget> {
        let Base(Target(base)) = self;
        let (own_scheme, rest) = base.split_once("://").ok_or(BadTarget::Scheme)?;
        let (own_authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority.unwrap_or(own_authority);
        if authority.is_empty() || authority.contains(['/', '?', '#']) {
            return Err(BadTarget::Host);
        }
        // One that brings more than a name would choose the host and the path as well.
        let scheme = scheme.unwrap_or(own_scheme);
        if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(BadTarget::Scheme);
        }
        Base::parse(&format!("{scheme}://{authority}{path}"))
    }

    /// The target of a request with this path, as it was sent. Dot segments do not lead out of the base.
    pub(crate) fn target(&self, path: &str) -> Result<Target, BadTarget> {
        let Base(Target(base)) = self;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        Ok(Target(format!("{base}{}", normal_path(path)?)))
    }
}

/// The colons of an IPv6 address stand in brackets.
fn split_port(authority: &str) -> (&str, &str) {
    let after_host = authority.find(']').map_or(0, |bracket| bracket + 1);
    let colon = authority.get(after_host..).and_then(|rest| rest.find(':'));
    authority.split_at(colon.map_or(authority.len(), |colon| after_host + colon))
}

/// A name in ASCII (an international one as punycode), an IPv4 address, or an IPv6 address in brackets.
fn normal_host(host: &str) -> Result<String, BadTarget> {
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal.strip_suffix(']').and_then(|literal| literal.parse::<Ipv6Addr>().ok());
        return address.map(|address| format!("[{address}]")).ok_or(BadTarget::Host);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(BadTarget::Host);
    }
    Ok(host.to_ascii_lowercase())
}

/// Nothing, or a colon and a number below 65536; a lone colon means the default.
fn read_port(text: &str) -> Result<Option<u16>, BadTarget> {
    let digits = text.strip_prefix(':').unwrap_or_default();
    match digits {
        "" => Ok(None),
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map(Some).map_err(|_| BadTarget::Port),
        _ => Err(BadTarget::Port),
    }
}

fn normal_path(path: &str) -> Result<String, BadTarget> {
    if path.is_empty() {
        return Ok("/".into());
    }
    let mut decoded = String::with_capacity(path.len());
    for octet in octets(path) {
        match octet.ok_or(BadTarget::Path)? {
            Octet::Escaped(byte) => push_escape(&mut decoded, byte),
            // Some readers take a backslash for a slash.
            Octet::Plain(byte @ b'!'..=b'~') if byte != b'\\' => decoded.push(char::from(byte)),
            Octet::Plain(_) => return Err(BadTarget::Path),
        }
    }
    if decoded.starts_with('/') { Ok(without_dot_segments(&decoded)) } else { Err(BadTarget::Path) }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadTarget::Scheme => "not an absolute http or https URI",
            BadTarget::UserInfo => "a user name stands in it",
            BadTarget::Host => "the host is neither an ASCII name nor an address",
            BadTarget::Port => "the port is not a number below 65536",
            BadTarget::Path => "the path holds a backslash, a broken escape or what is not printable ASCII",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(uri: &str) -> Result<String, BadTarget> {
        Target::parse(uri).map(|target| target.as_str().to_owned())
    }

    #[test]
    fn s9_15_c9449_4_3_9a_c9449_4_3_9b_one_spelling_for_one_target() {
        for (uri, expected) in [
            ("https://api.example.com/a", "https://api.example.com/a"),
            ("HTTPS://api.example.com/a", "https://api.example.com/a"),
            ("https://API.Example.COM/a", "https://api.example.com/a"),
            ("https://api.example.com:443/a", "https://api.example.com/a"),
            ("https://api.example.com:/a", "https://api.example.com/a"),
            ("http://api.example.com:80/a", "http://api.example.com/a"),
            ("https://api.example.com:80/a", "https://api.example.com:80/a"),
            ("https://api.example.com:08443/a", "https://api.example.com:8443/a"),
            ("https://api.example.com", "https://api.example.com/"),
            ("https://api.example.com?x=1", "https://api.example.com/"),
            ("https://api.example.com/a?x=/../b#c", "https://api.example.com/a"),
            ("https://api.example.com/a#?b", "https://api.example.com/a"),
            ("https://api.example.com/a/./b/../c", "https://api.example.com/a/c"),
            ("https://api.example.com/a/%2e%2E/b", "https://api.example.com/b"),
            ("https://api.example.com/../a", "https://api.example.com/a"),
            ("https://api.example.com/%7e%41", "https://api.example.com/~A"),
            ("https://api.example.com/a%2fb%c3%a4", "https://api.example.com/a%2Fb%C3%A4"),
            ("https://api.example.com/%252e", "https://api.example.com/%252e"),
            ("https://api.example.com/a//b/", "https://api.example.com/a//b/"),
            ("https://api.example.com/a;v=1,2|{x}", "https://api.example.com/a;v=1,2|{x}"),
            ("https://XN--BCHER-KVA.example/a", "https://xn--bcher-kva.example/a"),
            ("https://[2001:DB8:0:0::1]:8443/a", "https://[2001:db8::1]:8443/a"),
            ("https://[::1]:443", "https://[::1]/"),
            ("HTTPS://API.example.com:443/a/./b/%7e", "https://api.example.com/a/b/~"),
        ] {
            assert_eq!(normal(uri).as_deref(), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn s9_15_c9449_4_3_9b_what_may_be_answered_differently_stays_different() {
        for (one, other) in [
            ("https://api.example.com/a", "http://api.example.com/a"),
            ("https://api.example.com/a", "https://api.example.org/a"),
            ("https://api.example.com/a", "https://api.example.com./a"),
            ("https://api.example.com/a", "https://api.example.com:8443/a"),
            ("https://api.example.com/a", "https://api.example.com/A"),
            ("https://api.example.com/a", "https://api.example.com/a/"),
            ("https://api.example.com/a/b", "https://api.example.com/a%2Fb"),
            ("https://api.example.com/a/b", "https://api.example.com/a//b"),
            ("https://api.example.com/a%3Fb", "https://api.example.com/a?b"),
            ("https://api.example.com/a", "https://api.example.com/b"),
            ("https://127.0.0.1/a", "https://127.1/a"),
        ] {
            assert_ne!(normal(one).unwrap(), normal(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn s9_15_what_readers_understand_differently_is_no_target() {
        for (uri, why) in [
            ("https://user@api.example.com/a", BadTarget::UserInfo),
            ("https://evil.example@api.example.com/a", BadTarget::UserInfo),
            ("https://api.example.com@evil.example/a", BadTarget::UserInfo),
            ("https://api.example.com\\a", BadTarget::Host),
            ("https://api.example.com/a\\b", BadTarget::Path),
            ("https:\\\\api.example.com/a", BadTarget::Scheme),
            ("https://b\u{fc}cher.example/a", BadTarget::Host),
            ("https://api%2Eexample.com/a", BadTarget::Host),
            ("https://[::1/a", BadTarget::Host),
            ("https://[::1%25eth0]/a", BadTarget::Host),
            ("https://[127.0.0.1]/a", BadTarget::Host),
            ("https://[::1]x/a", BadTarget::Host),
            ("https://::1/a", BadTarget::Host),
            ("https:///a", BadTarget::Host),
            ("https://api.example.com:65536/a", BadTarget::Port),
            ("https://api.example.com:+443/a", BadTarget::Port),
            ("https://api.example.com:443:443/a", BadTarget::Port),
            ("https://api.example.com/a%2", BadTarget::Path),
            ("https://api.example.com/a%zz", BadTarget::Path),
            ("https://api.example.com/a b", BadTarget::Path),
            ("https://api.example.com/a\n", BadTarget::Path),
            ("https://api.example.com/\u{e4}", BadTarget::Path),
            ("ftp://api.example.com/a", BadTarget::Scheme),
            ("//api.example.com/a", BadTarget::Scheme),
            ("/a", BadTarget::Scheme),
            (" https://api.example.com/a", BadTarget::Scheme),
            ("", BadTarget::Scheme),
        ] {
            assert_eq!(normal(uri), Err(why), "{uri:?}");
        }
    }

    #[test]
    fn c9449_4_3_9d_the_expected_target_is_the_base_and_the_path_as_it_was_sent() {
        let target =
            |base: &str, path: &str| Base::parse(base).unwrap().target(path).map(|target| target.as_str().to_owned());
        for (base, path, expected) in [
            ("https://api.example.com", "/x", "https://api.example.com/x"),
            ("https://api.example.com/", "/x", "https://api.example.com/x"),
            ("https://api.example.com/v1", "/x", "https://api.example.com/v1/x"),
            ("https://api.example.com/v1/", "/x?y", "https://api.example.com/v1/x"),
            ("HTTPS://API.example.com:443/v1", "/%7e", "https://api.example.com/v1/~"),
            ("https://api.example.com/v1", "", "https://api.example.com/v1/"),
            ("https://api.example.com/v1", "/../../admin", "https://api.example.com/v1/admin"),
        ] {
            assert_eq!(target(base, path).as_deref(), Ok(expected), "{base} {path}");
        }
        for path in ["*", "x", "/a\\b", "/%", "//x\u{7f}"] {
            assert_eq!(target("https://api.example.com", path), Err(BadTarget::Path), "{path}");
        }
    }

    #[test]
    fn s9_16_c9449_4_3_9e_a_forwarded_scheme_chooses_neither_host_nor_path() {
        let base = Base::parse("https://api.example.com/v1").unwrap();
        let called = |scheme, authority| base.called(scheme, authority).map(|Base(Target(text))| text);
        assert_eq!(called(Some("HTTP"), None).as_deref(), Ok("http://api.example.com/v1"));
        assert_eq!(called(None, Some("b.example")).as_deref(), Ok("https://b.example/v1"));
        for scheme in ["https://evil.example/?", "https://evil.example#", "https://evil.example/x", "", "ftp", "https:"]
        {
            assert_eq!(called(Some(scheme), None), Err(BadTarget::Scheme), "{scheme}");
        }
        for authority in ["", "a/b", "a?b", "a#b", "a@b", "a\\b"] {
            assert!(called(None, Some(authority)).is_err(), "{authority}");
        }
    }

    proptest! {
        #[test]
        fn p13_the_normal_form_of_a_target_is_its_own(
            host in "[A-Za-z0-9.-]{1,9}|\\[[0-9a-fA-F:.]{2,12}\\]",
            port in "(:[0-9]{0,5})?",
            path in "(/([a-z.~%]|%2[eEfF]|%7[eE]|%[0-9a-fA-F]{2}){0,6}){0,5}",
        ) {
            for scheme in ["https", "HTTP"] {
                let Ok(once) = normal(&format!("{scheme}://{host}{port}{path}")) else { continue };
                prop_assert_eq!(normal(&once), Ok(once.clone()));
                prop_assert_eq!(normal(&format!("{once}?q#f")), Ok(once));
            }
        }

        #[test]
        fn p13_two_spellings_are_judged_alike_from_either_side(
            one in "/([ab./]|%2[ef]|%61){0,8}", other in "/([ab./]|%2[EF]|%61){0,8}",
        ) {
            let base = Base::parse("https://api.example.com").unwrap();
            let named = |path: &str| normal(&format!("https://api.example.com{path}"));
            let expected = |path: &str| base.target(path).map(|target| target.as_str().to_owned());
            prop_assert_eq!(named(&one), expected(&one));
            prop_assert_eq!(named(&one) == expected(&other), named(&other) == expected(&one));
            let slashes = |path: &Result<String, BadTarget>| path.as_ref().unwrap().matches("%2F").count();
            if named(&one) == named(&other) {
                prop_assert_eq!(slashes(&named(&one)), slashes(&named(&other)));
            }
        }
    }
}
