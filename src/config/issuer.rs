//! `[[issuers]]`: one trusted issuer as a table.

use std::time::SystemTime;

use super::auth::PLACEHOLDER;
use super::introspection::read_introspection;
use super::key_file::KeyFile;
use super::table::ConfigTable;
use crate::server::default_client::roots_problem;
use crate::server::issuer::{Issuer, Keys};
use crate::telemetry;
use crate::verify::algorithm::Algorithm;
use crate::verify::crypto;
use crate::verify::jwks::Jwks;
use crate::verify::rules::Typ;

type Preset = fn(String) -> Issuer;

const PRESETS: [(&str, Preset); 8] = [
    ("keycloak", Issuer::keycloak),
    ("entra", Issuer::entra),
    ("auth0", Issuer::auth0),
    ("okta", Issuer::okta),
    ("cognito", Issuer::cognito),
    ("zitadel", Issuer::zitadel),
    ("openiddict", Issuer::openiddict),
    ("oidc_provider", Issuer::oidc_provider),
];

pub(super) fn read_issuer(table: &mut ConfigTable) -> Issuer {
    let name = table.required_text("issuer", "must be the issuer identifier, such as https://as.example.com");
    let preset = table.choice("preset", &PRESETS);
    let issuer = match (name, preset) {
        (Some(name), Some(preset)) if name.contains("://") => preset(name.clone()).named(name),
        (Some(name), Some(preset)) => preset(name),
        (Some(name), None) => Issuer::new(name),
        // One of its own for each table, or two of them would count as the same issuer named twice.
        (None, _) => Issuer::new(format!("{PLACEHOLDER}/{}", table.path().replace(['[', ']'], ""))),
    };
    let mut issuer = issuer.labelled(table.path());
    issuer = read_keys(table, issuer);
    issuer = read_way(table, issuer);
    if let Some(algorithms) = read_algorithms(table) {
        issuer = issuer.algorithms(algorithms);
    }
    if let Some(typ) = table.choice("typ", &[("at+jwt", Typ::AtJwt), ("jwt", Typ::Jwt), ("any", Typ::Any)]) {
        issuer = issuer.typ(typ);
    }
    issuer = table.texts("audience").into_iter().flatten().fold(issuer, Issuer::audience);
    if let Some(clients) = table.texts("client_ids") {
        issuer = issuer.client_ids(clients);
    }
    if let Some(names) = table.texts_or_none("required_claims") {
        issuer = issuer.required_claims(names);
    }
    if let Some(paths) = table.text_or_texts("scope_claim") {
        issuer = issuer.scope_claims(paths);
    }
    if let Some(path) = table.text("client_claim") {
        issuer = issuer.client_claim(path);
    }
    if let Some(paths) = table.text_or_texts("roles_claim") {
        issuer = issuer.roles_claims(paths);
    }
    if let Some(introspection) = read_introspection(table) {
        issuer = issuer.introspection(introspection);
    }
    let set = |issuer: Issuer, value, setter: fn(Issuer, _) -> Issuer| match value {
        Some(value) => setter(issuer, value),
        None => issuer,
    };
    issuer = set(issuer, table.duration("jwks_refresh"), Issuer::jwks_refresh);
    issuer = set(issuer, table.duration("jwks_cooldown"), Issuer::jwks_cooldown);
    set(issuer, table.duration("jwks_stale"), Issuer::jwks_stale)
}

/// Where the issuer is reached, and who vouches for its host.
fn read_way(table: &mut ConfigTable, mut issuer: Issuer) -> Issuer {
    if let Some(url) = table.text("metadata_url") {
        issuer = issuer.metadata_url(url);
    }
    let ca_file = table.shown("ca_file");
    if let Some(pem) = table.file("ca_file") {
        match roots_problem(&pem) {
            None => issuer = issuer.ca_pem(pem),
            Some(remedy) => table.problem("ca_file", ca_file, remedy),
        }
    }
    issuer
}

/// Names of signature algorithms; `None` where there are none that are known.
pub(super) fn read_algorithms(table: &mut ConfigTable) -> Option<Vec<Algorithm>> {
    let names = table.texts("algorithms")?;
    let (mut algorithms, mut unknown) = (Vec::new(), Vec::new());
    for name in &names {
        match name.parse::<Algorithm>() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_) => unknown.push(name.as_str()),
        }
    }
    if !unknown.is_empty() {
        let remedy = "is no signature algorithm; names are case-sensitive, such as RS256";
        table.problem("algorithms", unknown.join(", "), remedy);
    }
    Some(algorithms).filter(|algorithms| !algorithms.is_empty())
}

/// The keys that were kept, where they are still good. Without them the service starts as it does without a file.
pub(super) fn read_key_file(table: &mut ConfigTable, issuer: Issuer, others: &mut Vec<KeyFile>) -> Issuer {
    let shown = table.shown("jwks_store");
    let Some(path) = table.path_to_write("jwks_store") else { return issuer };
    if !matches!(issuer.keys, Keys::Discovery | Keys::Uri(_)) {
        table.problem("jwks_store", shown, "keeps keys that are fetched; those of this issuer are given here");
        return issuer;
    }
    if others.iter().any(|other| other.path() == path) {
        table.problem("jwks_store", shown, "is the file of another issuer; each needs one of its own");
        return issuer;
    }
    let file = KeyFile::new(issuer.identifier.clone(), path);
    let kept = file.load(SystemTime::now(), issuer.timing.stale);
    others.push(file.clone());
    match kept {
        Ok(Some(keys)) => issuer.last_good_keys(keys),
        Ok(None) => issuer,
        Err(reason) => {
            telemetry::key_file_ignored(file.issuer(), file.path(), &reason);
            issuer
        }
    }
}

/// At most one source of keys; discovery where none is named.
fn read_keys(table: &mut ConfigTable, issuer: Issuer) -> Issuer {
    let secret_keys = ["shared_secret", "shared_secret_env", "shared_secret_file"];
    let given: Vec<&str> = ["jwks_uri", "jwks_file"].into_iter().filter(|key| table.has(key)).collect();
    let has_secret = secret_keys.iter().any(|key| table.has(key));
    if given.len() + usize::from(has_secret) > 1 {
        table.problem(
            "jwks_uri",
            "",
            "name one source of keys: `jwks_uri`, `jwks_file`, a shared secret, or none for discovery",
        );
    }
    let uri = table.text("jwks_uri");
    let file_name = table.shown("jwks_file");
    let file = table.file("jwks_file");
    let secret = table.secret("shared_secret");
    match (uri, file, secret) {
        (Some(uri), ..) => issuer.jwks_uri(uri),
        (None, Some(text), _) => match Jwks::parse(&text) {
            Ok(keys) => issuer.keys(keys),
            Err(error) => {
                table.problem("jwks_file", file_name, error);
                issuer
            }
        },
        (None, None, Some(secret)) => issuer.shared_secret(secret),
        // It could not be read. The rest is checked all the same, and nobody can know this one.
        (None, None, None) if has_secret => issuer.shared_secret(crypto::random::<64>()),
        (None, None, None) => issuer,
    }
}
