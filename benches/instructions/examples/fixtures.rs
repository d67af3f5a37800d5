//! Makes the tokens and the key set of `fixtures/` anew, under a key that is forgotten at once:
//! `cargo run --features fixtures --example fixtures`.

use std::fs;
use std::path::Path;

use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::testing::{SigningKey, TestIssuer, TokenBuilder};

/// 2026-01-01 and 2100-01-01.
const BEGIN: u64 = 1_767_225_600;
const END: u64 = 4_102_444_800;

fn main() -> std::io::Result<()> {
    let issuer = TestIssuer::in_process("https://as.example.com");
    let key = SigningKey::generate(Algorithm::RS256);
    let [valid, expired] = [END, BEGIN].map(|end| token(issuer.token().key(&key).signed_by(&key), end).sign());
    assert_eq!((valid.len(), expired.len()), (965, 965), "the length that all figures speak of");
    write("valid.jwt", &valid)?;
    write("expired.jwt", &expired)?;
    write("keys.json", &json!({"keys": [key.jwk()]}).to_string())
}

/// 15 claims.
fn token(builder: TokenBuilder, end: u64) -> TokenBuilder {
    let claims = [
        ("sub", json!("user-4711")),
        ("client_id", json!("web-shop")),
        ("aud", json!(["https://api.example.com", "https://reports.example.com"])),
        ("jti", json!("1f6a9b0e7c2d4853")),
        ("iat", json!(BEGIN - 3600)),
        ("nbf", json!(BEGIN - 3600)),
        ("exp", json!(end)),
        ("auth_time", json!(BEGIN - 3600)),
        ("scope", json!("orders:read orders:write items:read items:write profile email")),
        ("roles", json!(["admin", "editor"])),
        ("acr", json!("1")),
        ("sid", json!("c0ffee4277")),
        ("tenant", json!("tenant-0017")),
        ("email", json!("alice@example.com")),
    ];
    claims.into_iter().fold(builder, |builder, (name, value)| builder.claim(name, value))
}

fn write(name: &str, text: &str) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    fs::write(folder.join(name), format!("{text}\n"))
}
