//! Several trusted issuers behind one server: each verifies its own tokens, with its own keys and nothing else.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::json;
use tower_bearer::testing::{Endpoint, ManualClock, SigningKey, TestIssuer, TokenBuilder, signature_checks};
use tower_bearer::{Algorithm, HttpClient, HttpFuture, Issuer, Jwks, ResourceServer};

use crate::faulty_client::verdict;
use crate::support::RS;

const A: &str = "https://a.example.com";
const B: &str = "https://b.example.com";
const SECRET: &[u8] = b"an-unguessable-secret-of-64-bytes-0123456789-abcdefghijklmnopqrs";

/// Reaches several issuers, each by its host.
struct Net(Vec<(String, Box<dyn HttpClient>)>);

impl HttpClient for Net {
    fn send(&self, request: http::Request<Bytes>, max_body: usize) -> HttpFuture<'_> {
        let address = request.uri().to_string();
        let (_, client) = self.0.iter().find(|(url, _)| address.starts_with(url)).expect("a trusted issuer");
        client.send(request, max_body)
    }
}

struct Two {
    a: TestIssuer,
    b: TestIssuer,
    server: ResourceServer,
}

/// Two issuers whose keys bear the same name.
fn two() -> Two {
    let clock = ManualClock::new();
    let issuer = |url| {
        let issuer = TestIssuer::in_process_at(url, clock.clone());
        issuer.remove_key(issuer.key().kid());
        issuer.add_key(SigningKey::generate(Algorithm::ES256).with_kid("1"));
        issuer
    };
    let (a, b) = (issuer(A), issuer(B));
    let net = [&a, &b].map(|issuer| (issuer.url().to_owned(), Box::new(issuer.http_client()) as Box<dyn HttpClient>));
    let server = ResourceServer::builder(RS, A).issuer(B);
    let server = server.clock(clock).http_client(Net(net.into())).build().unwrap();
    Two { a, b, server }
}

#[tokio::test]
async fn c8725_3_8_a_s4_07_a_key_verifies_the_tokens_of_its_own_issuer_only() {
    for order in 0..4 {
        let two = two();
        let genuine = [two.a.token().sign(), two.b.token().sign()];
        let crossed = [two.a.token().signed_by(&two.b.key()).sign(), two.b.token().signed_by(&two.a.key()).sign()];
        // From a cold and from a warm cache, in any order.
        for round in 0..4 {
            let one = (order + round) % 2;
            if order < 2 {
                assert_eq!(verdict(&two.server, &genuine[one]).await, "ok");
                assert_eq!(verdict(&two.server, &crossed[one]).await, "signature_invalid");
            } else {
                assert_eq!(verdict(&two.server, &crossed[1 - one]).await, "signature_invalid");
                assert_eq!(verdict(&two.server, &genuine[one]).await, "ok");
            }
        }
    }
}

#[tokio::test]
async fn c8725_3_8_a_a_key_that_only_the_other_issuer_has_is_unknown() {
    let two = two();
    let key = two.b.rotate_key(Algorithm::ES256);
    assert_eq!(verdict(&two.server, &two.b.token().sign()).await, "ok");
    assert_eq!(verdict(&two.server, &two.a.token().key(&key).sign()).await, "key_unknown");
}

#[tokio::test]
async fn c8725_3_8_a_an_issuer_named_deeper_in_the_payload_before_the_true_one_misleads_nobody() {
    let two = two();
    for genuine in [two.a.token(), two.b.token()] {
        assert_eq!(verdict(&two.server, &genuine.sign()).await, "ok");
    }
    let nested = two.b.token().claim("act", json!({ "iss": A, "sub": "gateway" }));
    assert!(nested.payload_json().find(A) < nested.payload_json().find(B));
    assert_eq!(verdict(&two.server, &nested.clone().sign()).await, "ok");
    assert_eq!(verdict(&two.server, &nested.clone().signed_by(&two.a.key()).sign()).await, "signature_invalid");
    assert_eq!(verdict(&two.server, &nested.clone().with_signature(&[1; 64])).await, "signature_invalid");
    let nameless = nested.without("iss").signed_by(&two.a.key());
    assert_eq!(verdict(&two.server, &nameless.sign()).await, "claim_missing");
}

#[tokio::test]
async fn s4_07_each_issuer_has_its_own_cool_down() {
    let two = two();
    for issuer in [&two.a, &two.b] {
        assert_eq!(verdict(&two.server, &issuer.token().sign()).await, "ok");
    }
    assert_eq!(verdict(&two.server, &two.a.token().header("kid", "x").sign()).await, "key_unknown");
    two.b.rotate_key(Algorithm::ES256);
    assert_eq!(verdict(&two.server, &two.b.token().sign()).await, "ok");
    assert_eq!((two.a.requests(Endpoint::Jwks), two.b.requests(Endpoint::Jwks)), (2, 2));
}

#[tokio::test]
async fn c8725_3_8_b_s4_09_an_unknown_issuer_causes_no_lookup() {
    let two = two();
    for n in 0..1000 {
        let token = two.a.token().claim("iss", format!("https://evil{n}.example")).with_signature(&[1; 64]);
        assert_eq!(verdict(&two.server, &token).await, "issuer_unknown");
    }
    for near in ["https://a.example.com/", "HTTPS://a.example.com", "https://a.example.co", "a.example.com", ""] {
        assert_eq!(verdict(&two.server, &two.a.token().claim("iss", near).sign()).await, "issuer_unknown", "{near}");
    }
    let asked = |issuer: &TestIssuer| issuer.requests(Endpoint::Metadata) + issuer.requests(Endpoint::Jwks);
    assert_eq!((asked(&two.a), asked(&two.b)), (0, 0));
    assert_eq!(verdict(&two.server, &two.a.token().sign()).await, "ok");
    assert_eq!((asked(&two.a), asked(&two.b)), (2, 0));
}

fn with_secret(token: TokenBuilder, algorithm: Algorithm, secret: &[u8]) -> String {
    token.key(&SigningKey::secret(algorithm, secret)).claim("iss", B).sign()
}

#[tokio::test]
async fn c7518_3_2_a_hs_works_with_a_shared_secret_beside_an_issuer_with_public_keys() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let clock = ManualClock::new();
        let a = TestIssuer::in_process_at(A, clock.clone());
        let b = Issuer::new(B).shared_secret(SECRET).algorithms([algorithm]);
        let server = ResourceServer::builder(RS, A).issuer(b).clock(clock).http_client(a.http_client());
        let server = server.build().unwrap();
        assert_eq!(verdict(&server, &a.token().sign()).await, "ok");
        assert_eq!(verdict(&server, &with_secret(a.token(), algorithm, SECRET)).await, "ok");
        let mut other = SECRET.to_vec();
        other[0] ^= 1;
        assert_eq!(verdict(&server, &with_secret(a.token(), algorithm, &other)).await, "signature_invalid");
        // The secret of B opens nothing at A, and A's key nothing at B.
        let at_a = a.token().key(&SigningKey::secret(algorithm, SECRET)).sign();
        assert_eq!(verdict(&server, &at_a).await, "algorithm_not_allowed");
        assert_eq!(verdict(&server, &a.token().claim("iss", B).sign()).await, "algorithm_not_allowed");
        for unlisted in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let expected = if unlisted == algorithm { "ok" } else { "algorithm_not_allowed" };
            assert_eq!(verdict(&server, &with_secret(a.token(), unlisted, SECRET)).await, expected);
        }
    }
}

/// The public key in every form in which somebody has taken it for a secret.
fn texts_of(key: &SigningKey) -> Vec<Vec<u8>> {
    let jwk = key.jwk();
    let decoded = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).unwrap();
    let der = match key.algorithm() {
        Algorithm::RS256 => {
            // SubjectPublicKeyInfo of a 2048-bit key with exponent 65537.
            let head = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA";
            [STANDARD.decode(head).unwrap(), decoded("n"), vec![2, 3, 1, 0, 1]].concat()
        }
        _ => {
            let head = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
            [STANDARD.decode(head).unwrap(), decoded("x"), decoded("y")].concat()
        }
    };
    let text = STANDARD.encode(&der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = |end: &str| {
        let body = lines.join(end);
        format!("-----BEGIN PUBLIC KEY-----{end}{body}{end}-----END PUBLIC KEY-----{end}")
    };
    let bare = pem("\n");
    let mut texts: Vec<Vec<u8>> = [
        bare.clone(),
        pem("\r\n"),
        bare.trim_end().into(),
        format!(" {bare}"),
        format!("{bare} "),
        format!("\u{feff}{bare}"),
        jwk.to_string(),
        format!("{{\"keys\":[{jwk}]}}"),
        text,
    ]
    .map(String::into_bytes)
    .into();
    texts.push(der);
    for name in ["n", "x"] {
        if let Some(member) = jwk[name].as_str() {
            texts.extend([member.as_bytes().to_vec(), decoded(name)]);
        }
    }
    texts
}

#[tokio::test]
async fn s1_04_s1_05_a_public_key_is_never_taken_for_a_secret_and_no_mac_is_computed() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256] {
        let key = SigningKey::generate(algorithm);
        let issuer = TestIssuer::in_process(A);
        issuer.add_key(key.clone());
        let keys = Jwks::parse(issuer.jwks().to_string().as_bytes()).unwrap();
        let given = ResourceServer::builder(RS, Issuer::new(A).keys(keys)).build().unwrap();
        let fetched = ResourceServer::builder(RS, A).http_client(issuer.http_client()).build().unwrap();
        for server in [given, fetched] {
            assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
            let before = signature_checks();
            for secret in texts_of(&key) {
                for hs in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                    let forged = issuer.token().header("alg", hs.as_str());
                    let token = forged.signed_by(&SigningKey::secret(hs, &secret)).sign();
                    assert_eq!(verdict(&server, &token).await, "algorithm_not_allowed");
                }
            }
            assert_eq!(signature_checks(), before);
        }
    }
}

#[tokio::test]
async fn s5_05_a_secret_in_a_fetched_set_is_never_used() {
    let issuer = TestIssuer::in_process(A);
    let secret = SigningKey::generate(Algorithm::HS256);
    issuer.publish(secret.jwk());
    let server = ResourceServer::builder(RS, A).http_client(issuer.http_client()).build().unwrap();
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
    assert_eq!(verdict(&server, &issuer.token().key(&secret).sign()).await, "algorithm_not_allowed");
    let renamed = issuer.token().header("kid", secret.kid()).sign();
    assert_eq!(verdict(&server, &renamed).await, "key_unknown");
}

#[test]
fn s1_06_public_key_and_shared_secret_algorithms_do_not_mix_in_one_issuer() {
    let both = [Algorithm::HS256, Algorithm::RS256];
    for (issuer, good) in [
        (Issuer::new(A).algorithms([Algorithm::RS256]), true),
        (Issuer::new(A).algorithms(both), false),
        (Issuer::new(A).shared_secret(SECRET).algorithms([Algorithm::HS256]), true),
        (Issuer::new(A).shared_secret(SECRET).algorithms(both), false),
    ] {
        assert_eq!(ResourceServer::builder(RS, issuer).build().is_ok(), good);
    }
}
