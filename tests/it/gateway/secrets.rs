//! Secrets and files: where they may stand, and that they are shown nowhere.

use std::fs;

use tower_bearer::Algorithm;
use tower_bearer::testing::{SigningKey, TestIssuer};

use super::harness::{Folder, Gateway};
use super::mistakes::mistakes_in;

const SECRET: &str = "0f8a-the-secret-of-both-sides-\u{e4}-7c41d9";

fn file(keys: &str) -> String {
    format!(
        "resource = \"https://api.example.com\"\n[[issuers]]\nissuer = \"https://as.example.com\"\n\
         algorithms = [\"HS256\"]\n{keys}\n"
    )
}

/// A good token of an issuer that shares this secret.
fn token(secret: &str) -> String {
    let key = SigningKey::secret(Algorithm::HS256, secret.as_bytes());
    TestIssuer::in_process("https://as.example.com").token().key(&key).sign()
}

async fn assert_takes(folder: Folder, keys: &str) {
    let gateway = Gateway::start_in(folder, &file(keys), |command| {
        command.env("GATEWAY_TEST_SECRET", SECRET).env("RUST_LOG", "trace");
    });
    assert_eq!(gateway.get("/a", &token(SECRET)).await.status, 200, "{keys}");
    assert_eq!(gateway.get("/a", &token("another-secret-of-the-same-length-12345")).await.status, 401, "{keys}");
    let log = gateway.log();
    assert!(log.contains("authenticated"), "{log}");
    assert!(!log.contains(&SECRET[..8]), "{log}");
}

#[tokio::test]
async fn a_secret_stands_in_the_file_in_the_environment_or_in_a_file_beside_it() {
    assert_takes(Folder::new(), &format!("shared_secret = \"{SECRET}\"")).await;
    assert_takes(Folder::new(), "shared_secret_env = \"GATEWAY_TEST_SECRET\"").await;
    for content in [SECRET.to_owned(), format!("{SECRET}\n"), format!("{SECRET}\r\n")] {
        let folder = Folder::new();
        folder.write("secret.txt", content);
        assert_takes(folder, "shared_secret_file = \"secret.txt\"").await;
    }
}

#[test]
fn a_mistake_with_a_secret_does_not_show_it() {
    let folder = Folder::new();
    folder.write("secret", SECRET);
    folder.write("bytes", [0xff; 40]);
    folder.write("short", "hunter22");
    let plain = format!("shared_secret = \"{SECRET}\"");
    for (keys, path) in [
        ("shared_secret = \"hunter22\"".to_owned(), "shared_secret"),
        ("shared_secret_env = \"GATEWAY_TEST_SHORT\"".to_owned(), "shared_secret"),
        ("shared_secret_file = \"short\"".to_owned(), "shared_secret"),
        ("shared_secret_file = \"bytes\"\nalgorithms2 = []".to_owned(), "shared_secret_file"),
        ("shared_secret_file = \"missing\"".to_owned(), "shared_secret_file"),
        ("shared_secret_env = \"GATEWAY_TEST_UNSET\"".to_owned(), "shared_secret_env"),
        ("shared_secret = [\"hunter22\"]".to_owned(), "shared_secret"),
        (format!("{plain}\nshared_secret_file = \"secret\""), "shared_secret"),
        (format!("{plain}\nshared_secret_env = \"GATEWAY_TEST_SHORT\""), "shared_secret"),
        (plain.replace("shared_secret", "shared_sekret"), "shared_sekret"),
    ] {
        let lines = mistakes_in(&folder, &file(&keys), &[("GATEWAY_TEST_SHORT", "hunter22")]);
        assert!(lines.iter().any(|line| line.starts_with(&format!("issuers[0].{path} "))), "{keys} {lines:#?}");
        for line in &lines {
            assert!(!line.contains("hunter22") && !line.contains(&SECRET[..8]), "{line}");
        }
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_one_mistake() {
    let folder = Folder::new();
    folder.write("bytes", [0xff; 40]);
    for (key, remedy) in [
        ("shared_secret_file = \"missing\"", "cannot be read"),
        ("shared_secret_file = \"bytes\"", "UTF-8"),
        ("shared_secret_env = \"GATEWAY_TEST_UNSET\"", "is not set"),
    ] {
        let lines = mistakes_in(&folder, &file(key), &[]);
        assert!(lines.len() == 1 && lines[0].contains(remedy), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_relative_file_name_is_relative_to_the_configuration_file() {
    let issuer = TestIssuer::in_process("https://as.example.com");
    let folder = Folder::new();
    fs::create_dir(folder.0.join("keys")).unwrap();
    folder.write("keys/as.json", issuer.jwks().to_string());
    let file = file("jwks_file = \"keys/as.json\"").replace("algorithms = [\"HS256\"]\n", "");
    let elsewhere = Folder::new();
    let gateway = Gateway::start_in(folder, &file, |command| {
        command.current_dir(&elsewhere.0);
    });
    assert_eq!(gateway.get("/a", &issuer.token().sign()).await.status, 200);
    let stranger = SigningKey::generate(Algorithm::ES256);
    assert_eq!(gateway.get("/a", &issuer.token().signed_by(&stranger).sign()).await.status, 401);
}

#[test]
fn a_key_file_holds_public_keys() {
    let folder = Folder::new();
    let key = SigningKey::generate(Algorithm::ES256).with_kid("k1");
    let mut private = key.jwk();
    private["d"] = "c2VjcmV0LXNjYWxhci1vZi1hLWtleQ".into();
    folder.write("private.json", format!("{{\"keys\":[{private}]}}"));
    folder.write("empty.json", "{\"keys\":[]}");
    folder.write("broken.json", "{\"keys\":");
    for (name, value, remedy) in [
        ("private.json", "k1", "public part only"),
        ("empty.json", "empty.json", "no key"),
        ("broken.json", "broken.json", ""),
        ("missing.json", "missing.json", "cannot be read"),
    ] {
        let file = file(&format!("jwks_file = \"{name}\"")).replace("algorithms = [\"HS256\"]\n", "");
        let lines = mistakes_in(&folder, &file, &[]);
        assert_eq!(lines.len(), 1, "{name} {lines:#?}");
        assert!(lines[0].starts_with(&format!("issuers[0].jwks_file `{value}`: ")), "{lines:#?}");
        assert!(lines[0].contains(remedy) && !lines[0].contains("c2VjcmV0"), "{lines:#?}");
    }
}
