//! What a proxy says of the request that it got, in `X-Forwarded-Proto` and `X-Forwarded-Host`.

use http::{HeaderMap, HeaderName};

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How the proxy that is connected to us was called. Each proxy appends to a list, so the last entry is its own; those
/// before it are what others told it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded<'a> {
    pub(crate) scheme: Option<&'a str>,
    /// Host and port.
    pub(crate) authority: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        Forwarded { scheme: last_entry(headers, &PROTO), authority: last_entry(headers, &HOST) }
    }
}

/// What cannot be read is no scheme and no host, so nothing passes for it.
fn last_entry<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().unwrap_or_default();
    line.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c9449_4_3_9e_the_last_entry_is_that_of_the_proxy_that_is_connected() {
        for fields in [
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")][..],
            &[("x-forwarded-proto", "http, https"), ("x-forwarded-host", "evil.example,a.example")],
            &[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")],
        ] {
            let headers = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, value);
            }
            let expected = Forwarded { scheme: Some("https"), authority: Some("a.example") };
            assert_eq!(Forwarded::read(&map), expected, "{fields:?}");
        }
        assert_eq!(Forwarded::read(&HeaderMap::new()), Forwarded::default());
    }
}
