//! The scope of a token: where an issuer writes it, and in which form.

use std::borrow::Cow;

use super::rules::invalid;
use crate::token::error::AuthError;
use crate::token::json::{Json, Object};
use crate::token::scope::is_readable_scope;

/// Most scope-tokens.
const MAX_SCOPES: usize = 256;

/// What all these claims grant together; without any name the string `scope` (RFC 9068 section 2.2.3). A list counts
/// only where its claim is named. A claim that is there in another form is a refusal, never "nothing granted".
pub(super) fn scope<'a>(claims: &[String], payload: &'a Object<'a>) -> Result<Cow<'a, str>, AuthError> {
    let scope = match claims {
        [] => one(payload.get("scope"), false)?,
        [only] => one(payload.at(only), true)?,
        several => {
            let scopes: Result<Vec<_>, _> = several.iter().map(|path| one(payload.at(path), true)).collect();
            Cow::Owned(scopes?.join(" "))
        }
    };
    let is_readable = is_readable_scope(&scope, MAX_SCOPES);
    if is_readable { Ok(scope) } else { Err(invalid("the scope has control characters or more than 256 tokens")) }
}

fn one<'a>(claim: Option<&'a Json<'a>>, named: bool) -> Result<Cow<'a, str>, AuthError> {
    match claim {
        None => Ok(Cow::default()),
        Some(Json::String(text)) => Ok(Cow::Borrowed(text.as_ref())),
        Some(Json::Array(list)) if named => {
            let tokens: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
            let tokens = tokens.filter(|tokens| tokens.iter().all(|token| !token.contains(' ')));
            Ok(Cow::Owned(tokens.ok_or_else(|| invalid("the scope is not a list of scope-tokens"))?.join(" ")))
        }
        Some(_) => Err(invalid("the scope is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::json::parse_object;

    fn read(claims: &[&str], payload: &str) -> Result<String, &'static str> {
        let payload = parse_object(payload.as_bytes()).unwrap();
        let claims: Vec<String> = claims.iter().map(|claim| (*claim).to_owned()).collect();
        scope(&claims, &payload).map(String::from).map_err(|error| error.code())
    }

    #[test]
    fn the_scope_is_what_all_named_claims_grant_together() {
        let payload = r#"{"scope":"a b","permissions":["c","d"],"x":{"authorities":["e"]},"odd":[1],"other":"f g"}"#;
        for (claims, scope) in [
            (&[][..], Ok("a b")),
            (&["permissions"], Ok("c d")),
            (&["scope", "permissions", "x.authorities"], Ok("a b c d e")),
            (&["absent", "other"], Ok(" f g")),
            (&["absent"], Ok("")),
            (&["scope", "odd"], Err("claim_invalid")),
            (&["scope", "x"], Err("claim_invalid")),
        ] {
            assert_eq!(read(claims, payload), scope.map(String::from), "{claims:?}");
        }
        assert_eq!(read(&[], r#"{"scope":["a"]}"#), Err("claim_invalid"));
        let half = format!("{{\"a\":\"{}\",\"b\":\"{0}\"}}", "x ".repeat(129));
        assert_eq!((read(&["a"], &half).is_ok(), read(&["a", "b"], &half)), (true, Err("claim_invalid")));
    }
}
