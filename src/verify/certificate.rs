//! Certificates that tokens are bound to (RFC 8705 section 3.1), and how proxies pass them on (RFC 9440).

use super::base64url;
use super::crypto::sha256;
use crate::token::uri_path::{Octet, octets};

/// Longest field that is looked at.
const MAX_FIELD: usize = 16 * 1024;

/// The `x5t#S256` of a certificate: the SHA-256 of its DER in base64url, which is not padded.
pub(crate) fn thumbprint(der: &[u8]) -> String {
    base64url::encode(&sha256(der))
}

/// Reads a field that holds one certificate: `:base64:` as RFC 9440 section 2.1 has it, or percent-encoded PEM as nginx
/// writes it.
pub(crate) fn read_field(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_FIELD)?.trim_matches(' ');
    let der = match text.strip_prefix(':') {
        Some(bytes) => base64url::decode_standard(bytes.strip_suffix(':')?)?,
        None => read_pem(text)?,
    };
    // A certificate is a SEQUENCE.
    (der.first() == Some(&0x30)).then_some(der)
}

fn read_pem(text: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = octets(text)
        .map(|octet| {
            octet.map(|octet| match octet {
                Octet::Plain(byte) | Octet::Escaped(byte) => byte,
            })
        })
        .collect();
    let pem = String::from_utf8(bytes?).ok()?;
    let inside =
        pem.strip_prefix("-----BEGIN CERTIFICATE-----")?.trim_end().strip_suffix("-----END CERTIFICATE-----")?;
    base64url::decode_standard(&inside.replace(['\r', '\n'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8705_3_1_a_the_thumbprint_is_the_digest_of_the_der() {
        assert_eq!(thumbprint(b""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    }

    #[test]
    fn c9440_a_one_byte_sequence_is_read_and_nothing_else() {
        let der = [0x30, 0x82, 0xfb, 0xff, 0xfe];
        for text in [":MIL7//4=:", ":MIL7//4:", " :MIL7//4=: "] {
            assert_eq!(read_field(text.as_bytes()).as_deref(), Some(&der[..]), "{text}");
        }
        for text in [
            "",
            ":",
            "::",
            "MIL7//4=",
            ":MIL7//4=",
            "MIL7//4=:",
            ":MIL7__4=:",
            ":MIL7//4=:;x=1",
            ":MIL7//4=:, :MIL7//4=:",
            ":MIL7 //4=:",
            ":MIL7//5=:",
            ":AAAA:",
            "\"MIL7//4=\"",
            ":MIL7//4=\u{e9}:",
        ] {
            assert_eq!(read_field(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_field(format!(":{}:", "MAAA".repeat(5000)).as_bytes()), None);
    }

    #[test]
    fn a_certificate_as_nginx_passes_it_on_is_read() {
        let field = "-----BEGIN%20CERTIFICATE-----%0AMIL7%0A%2F%2F4%3D%0A-----END%20CERTIFICATE-----%0A";
        assert_eq!(read_field(field.as_bytes()), Some(vec![0x30, 0x82, 0xfb, 0xff, 0xfe]));
        for spoiled in
            [field.replace("BEGIN", "END"), field.repeat(2), field.replace("%20", "%2"), field.replace("MIL7", "MI-7")]
        {
            assert_eq!(read_field(spoiled.as_bytes()), None, "{spoiled}");
        }
    }
}
