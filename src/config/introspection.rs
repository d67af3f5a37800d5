//! `[issuers.introspection]`: how an issuer is asked about tokens.

use super::table::ConfigTable;
use crate::server::introspection::{Introspect, Introspection};
use crate::verify::algorithm::Algorithm;
use crate::verify::{base64url, crypto};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Basic,
    Post,
    PrivateKey,
}

const METHODS: [(&str, Method); 3] = [
    ("client_secret_basic", Method::Basic),
    ("client_secret_post", Method::Post),
    ("private_key_jwt", Method::PrivateKey),
];

const KINDS: [(&str, Introspect); 3] =
    [("opaque", Introspect::Opaque), ("jwt", Introspect::Jwt), ("all", Introspect::All)];

/// Takes the table out of its issuer's; mistakes are noted in that.
pub(super) fn read_introspection(issuer: &mut ConfigTable) -> Option<Introspection> {
    let mut table = issuer.table("introspection")?;
    let client_id = table.required_text("client_id", "must name this service as the issuer knows it");
    let mut introspection = Introspection::new(client_id.unwrap_or_else(|| "missing".into()));
    introspection = read_credentials(&mut table, introspection);
    if let Some(url) = table.text("endpoint") {
        introspection = introspection.endpoint(url);
    }
    if let Some(kind) = table.choice("use_for", &KINDS) {
        introspection = introspection.use_for(kind);
    }
    if let Some(interval) = table.duration("recheck") {
        introspection = introspection.recheck(interval);
    }
    if let Some(ttl) = table.duration("cache_ttl") {
        introspection = introspection.cache_ttl(ttl);
    }
    if table.flag("allow_missing_audience") {
        introspection = introspection.allow_missing_audience();
    }
    if let Some(calls) = table.number("max_in_flight") {
        introspection = introspection.max_in_flight(usize::try_from(calls).unwrap_or(usize::MAX));
    }
    introspection = read_signed_response(&mut table, introspection);
    table.finish().unwrap_or_else(|error| issuer.absorb(error));
    Some(introspection)
}

/// One way to authenticate. Where the file names none, the secret or the key that it gives says which.
fn read_credentials(table: &mut ConfigTable, introspection: Introspection) -> Introspection {
    let gives = |table: &ConfigTable, key: &str| {
        [key.to_owned(), format!("{key}_env"), format!("{key}_file")].iter().any(|key| table.has(key))
    };
    let (has_secret, has_key) = (gives(table, "client_secret"), gives(table, "private_key"));
    let method = table.choice("auth_method", &METHODS);
    let method = method.unwrap_or(if has_key { Method::PrivateKey } else { Method::Basic });
    let wrong = match (method, has_secret, has_key) {
        (_, true, true) => Some("give a client secret or a private key, not both"),
        (Method::PrivateKey, true, false) => Some("works with `private_key_file`, not with a secret"),
        (Method::Basic | Method::Post, false, true) => Some("must be `private_key_jwt` where a private key is given"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        table.problem("auth_method", "", wrong);
    }
    let secret = table.secret("client_secret");
    let key = table.secret("private_key");
    let introspection = read_assertion(table, introspection);
    // What could not be read is told already. The rest is checked all the same, with a secret that nobody can know.
    let unknown = || base64url::encode(&crypto::random::<32>());
    match (method, secret, key) {
        (Method::PrivateKey, _, Some(key)) => introspection.private_key(key),
        (Method::Basic, Some(secret), _) => introspection.client_secret(secret),
        (Method::Post, Some(secret), _) => introspection.client_secret_post(secret),
        _ if has_secret || has_key => introspection.client_secret(unknown()),
        (Method::PrivateKey, None, None) => {
            table.problem("private_key", "", "is missing: `private_key_jwt` signs with it (`private_key_file`)");
            introspection.client_secret(unknown())
        }
        _ => introspection,
    }
}

fn read_assertion(table: &mut ConfigTable, mut introspection: Introspection) -> Introspection {
    if let Some(algorithm) = table.parsed("private_key_algorithm", ALGORITHM, |text| text.parse::<Algorithm>().ok()) {
        introspection = introspection.private_key_algorithm(algorithm);
    }
    if let Some(kid) = table.text("private_key_id") {
        introspection = introspection.private_key_id(kid);
    }
    if let Some(url) = table.text("legacy_audience") {
        introspection = introspection.legacy_audience(url);
    }
    if table.flag("legacy_typ") { introspection.legacy_typ() } else { introspection }
}

/// True or false, or the algorithm that answers are signed with.
fn read_signed_response(table: &mut ConfigTable, introspection: Introspection) -> Introspection {
    if table.is_text("signed_response") {
        let algorithm = table.parsed("signed_response", ALGORITHM, |text| text.parse::<Algorithm>().ok());
        return match algorithm {
            Some(algorithm) => introspection.signed_response().signed_response_algorithm(algorithm),
            None => introspection,
        };
    }
    if table.flag("signed_response") { introspection.signed_response() } else { introspection }
}

const ALGORITHM: &str = "must be the name of a signature algorithm, such as RS256";
