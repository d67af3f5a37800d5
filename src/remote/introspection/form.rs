//! `application/x-www-form-urlencoded`.

/// The members of a form as one body.
pub(super) fn body(members: &[(&str, String)]) -> String {
    let pairs: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

/// Letters, digits and `*-._` as they are, a space as `+`, all else as `%XX` of its UTF-8.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7662_2_1_a_every_character_of_a_token_survives() {
        assert_eq!(encoded("aZ9-._*"), "aZ9-._*");
        assert_eq!(encoded("a+b/c=~ \u{e9}&%"), "a%2Bb%2Fc%3D%7E+%C3%A9%26%25");
        let members = [("token", String::from("x=y")), ("token_type_hint", String::from("access_token"))];
        assert_eq!(body(&members), "token=x%3Dy&token_type_hint=access_token");
    }
}
