//! Where an issuer's keys are looked for (RFC 8414, OpenID Connect Discovery), and what is believed of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tower_bearer::{HttpClient, HttpError, HttpFuture, Issuer, ResourceServer};

use crate::faulty_client::verdict;
use crate::support::{AS, Fixture, RS};

const INSERTED: &str = "https://as.example.com/.well-known/oauth-authorization-server";
const OPENID: &str = "https://as.example.com/.well-known/openid-configuration";
const KEYS: &str = "https://as.example.com/keys";

type Answer = Result<Response<Bytes>, HttpError>;

/// Answers by address; 404 everywhere else.
#[derive(Clone, Default)]
struct Site {
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    log: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Site {
    fn put(&self, address: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(address.into(), answer);
    }

    fn put_json(&self, address: &str, body: &Value) {
        self.put(address, Ok(answer(200, "application/json", body.to_string())));
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap()).iter().map(|request| request.uri().to_string()).collect()
    }
}

impl HttpClient for Site {
    fn send(&self, request: Request<Bytes>, _: usize) -> HttpFuture<'_> {
        let answer = self.answers.lock().unwrap().get(&request.uri().to_string()).cloned();
        self.log.lock().unwrap().push(request);
        Box::pin(async { answer.unwrap_or_else(|| Ok(answer_404())) })
    }
}

fn answer(status: u16, media_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).header("content-type", media_type).body(body.into()).unwrap()
}

fn answer_404() -> Response<Bytes> {
    answer(404, "text/plain", "")
}

/// A fixture whose issuer is called `identifier` and whose key set stands at `KEYS`.
fn at(identifier: &str) -> (Fixture, Site) {
    let site = Site::default();
    let fixture = Fixture::with(|_| Issuer::new(identifier), |builder| builder.http_client(site.clone()));
    site.put_json(KEYS, &fixture.issuer.jwks());
    (fixture, site)
}

async fn judge(fixture: &Fixture, identifier: &str) -> crate::support::Outcome {
    fixture.bearer(&fixture.token().claim("iss", identifier).sign()).await
}

#[test]
fn c8414_2_a_an_issuer_is_https_without_query_and_fragment() {
    let build = |issuer: &str| ResourceServer::builder(RS, issuer).build().map(drop);
    assert!(build("https://as.example.com/t1").is_ok());
    for bad in ["http://as.example.com/t1", "https://as.example.com/t1?x", "https://as.example.com/t1#x"] {
        let text = build(bad).unwrap_err().to_string();
        assert!(text.contains(bad), "{text}");
    }
}

#[tokio::test]
async fn c8414_3_1_a_c8414_5_a_c8414_5_b_the_well_known_addresses_are_asked_in_order() {
    let with_path =
        [format!("{INSERTED}/t1"), format!("{OPENID}/t1"), format!("{AS}/t1/.well-known/openid-configuration")];
    let bare = [INSERTED.to_owned(), OPENID.to_owned()];
    for (identifier, expected) in [
        ("https://as.example.com/t1", &with_path[..]),
        ("https://as.example.com/t1/", &with_path[..]),
        ("https://as.example.com", &bare[..]),
        ("https://as.example.com/", &bare[..]),
    ] {
        let (fixture, site) = at(identifier);
        judge(&fixture, identifier).await.assert_dep();
        assert_eq!(site.log(), expected, "{identifier}");
    }
}

#[tokio::test]
async fn c8414_5_a_each_of_the_addresses_is_good_for_the_metadata() {
    let identifier = "https://as.example.com/t1";
    for address in
        [format!("{INSERTED}/t1"), format!("{OPENID}/t1"), format!("{AS}/t1/.well-known/openid-configuration")]
    {
        let (fixture, site) = at(identifier);
        site.put_json(&address, &json!({"issuer": identifier, "jwks_uri": KEYS}));
        judge(&fixture, identifier).await.assert_ok();
        assert_eq!(site.log().last().unwrap(), KEYS, "{address}");
    }
}

#[tokio::test]
async fn c8414_5_b_the_next_address_is_asked_after_4xx_only() {
    let cases: [(Answer, bool); 8] = [
        (Ok(answer_404()), true),
        (Ok(answer(400, "text/html", "")), true),
        (Ok(answer(410, "application/json", "{}")), true),
        (Ok(answer(500, "text/html", "")), false),
        (Ok(answer(503, "application/json", "{}")), false),
        (Err(HttpError::Timeout), false),
        (Err(HttpError::Connection("refused".into())), false),
        (Err(HttpError::TooLarge), false),
    ];
    for (first, goes_on) in cases {
        let (fixture, site) = at(AS);
        site.put(INSERTED, first.clone());
        site.put_json(OPENID, &json!({"issuer": AS, "jwks_uri": KEYS}));
        let outcome = judge(&fixture, AS).await;
        if goes_on {
            outcome.assert_ok();
            assert_eq!(site.log(), [INSERTED, OPENID, KEYS], "{first:?}");
        } else {
            outcome.assert_dep();
            assert_eq!(site.log(), [INSERTED], "{first:?}");
        }
    }
}

#[tokio::test]
async fn c8414_3_3_a_s4_08_metadata_of_another_issuer_is_not_used() {
    let identifier = "https://as.example.com/t1";
    for (found, good) in [
        ("https://as.example.com/t1", true),
        ("https://as.example.com/t1/", false),
        ("https://as.example.com/T1", false),
        ("https://AS.example.com/t1", false),
        ("HTTPS://as.example.com/t1", false),
        ("https://as.example.com:443/t1", false),
        ("https://as.example.com/%741", false),
        ("https://as.example.com", false),
        ("https://evil.example/t1", false),
        ("", false),
    ] {
        let (fixture, site) = at(identifier);
        site.put_json(&format!("{INSERTED}/t1"), &json!({"issuer": found, "jwks_uri": KEYS}));
        let outcome = judge(&fixture, identifier).await;
        if good {
            outcome.assert_ok();
        } else {
            outcome.assert_dep();
            assert_eq!(site.log(), [format!("{INSERTED}/t1")], "{found}: no key set, no other address");
        }
    }
}

#[tokio::test]
async fn s4_08_metadata_without_a_string_for_the_issuer_is_not_used() {
    for document in [json!({"jwks_uri": KEYS}), json!({"issuer": [AS], "jwks_uri": KEYS})] {
        let (fixture, site) = at(AS);
        site.put_json(INSERTED, &document);
        judge(&fixture, AS).await.assert_dep();
    }
}

#[tokio::test]
async fn c8414_3_2_a_s6_10_s6_11_metadata_is_status_200_and_a_json_object() {
    let good = json!({"issuer": AS, "jwks_uri": KEYS}).to_string();
    let cases = [
        (answer(200, "application/json", good.clone()), true),
        (answer(200, "Application/JSON; charset=utf-8", good.clone()), true),
        (answer(200, "text/html", "<html>sign in to the network</html>"), false),
        (answer(200, "text/html", good.clone()), false),
        (answer(200, "application/json", "<html>"), false),
        (answer(200, "application/json", format!("[{good}]")), false),
        (answer(200, "application/json", ""), false),
        (answer(201, "application/json", good.clone()), false),
        (answer(204, "application/json", good.clone()), false),
        (answer(206, "application/json", good.clone()), false),
        (answer(300, "application/json", good.clone()), false),
        (answer(304, "application/json", good.clone()), false),
        (answer(429, "application/json", good.clone()), false),
        (answer(500, "application/json", good), false),
    ];
    for (document, accepted) in cases {
        let (fixture, site) = at(AS);
        site.put(INSERTED, Ok(document.clone()));
        let outcome = judge(&fixture, AS).await;
        if accepted {
            outcome.assert_ok()
        } else {
            outcome.assert_dep()
        }
        assert_eq!(site.log().contains(&KEYS.to_owned()), accepted, "{document:?}");
    }
}

#[tokio::test]
async fn c8414_3_2_a_s6_03_the_key_address_is_https_on_any_host() {
    for (uri, accepted) in [
        (json!("https://www.keys.example/oauth2/v3/certs"), true),
        (json!("http://www.keys.example/oauth2/v3/certs"), false),
        (json!("file:///etc/passwd"), false),
        (json!("data:application/json,{}"), false),
        (json!("ftp://www.keys.example/"), false),
        (json!("gopher://www.keys.example/"), false),
        (json!("unix:/run/keys"), false),
        (json!("https:\\\\www.keys.example"), false),
        (json!("https://u:p@www.keys.example/"), false),
        (json!("https://www.keys.example/#f"), false),
        (json!("/keys"), false),
        (json!(""), false),
        (json!(["https://www.keys.example/oauth2/v3/certs"]), false),
        (json!(null), false),
    ] {
        let (fixture, site) = at(AS);
        site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": uri}));
        site.put_json("https://www.keys.example/oauth2/v3/certs", &fixture.issuer.jwks());
        let outcome = judge(&fixture, AS).await;
        if accepted {
            outcome.assert_ok()
        } else {
            outcome.assert_dep()
        }
        assert_eq!(site.log().len(), 1 + usize::from(accepted), "{uri}");
    }
}

#[test]
fn s6_03_only_https_addresses_can_be_configured() {
    let build = |issuer: Issuer| ResourceServer::builder(RS, issuer).build().is_ok();
    for (address, good) in [
        ("https://as.example.com/jwks", true),
        ("HTTPS://as.example.com/jwks", true),
        ("http://127.0.0.1:9/jwks", true),
        ("http://as.example.com/jwks", false),
        ("file:///etc/passwd", false),
        ("data:,", false),
        ("ftp://as.example.com/", false),
        ("gopher://as.example.com/", false),
        ("unix:/run/x", false),
        ("https:\\\\as.example.com", false),
    ] {
        assert_eq!(build(Issuer::new(AS).jwks_uri(address)), good, "{address}");
        assert_eq!(build(Issuer::new(address)), good, "{address}");
    }
}

#[tokio::test]
async fn c8725_3_10_a_s6_02_a_redirect_is_not_followed() {
    let elsewhere = "https://evil.example/keys";
    for target in [elsewhere, "/keys2", "http://as.example.com/keys", "http://127.0.0.1:9/", "file:///etc/passwd"] {
        for status in [301, 302, 303, 307, 308] {
            let (fixture, site) = at(AS);
            site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
            for address in [elsewhere, "https://as.example.com/keys2"] {
                site.put_json(address, &fixture.issuer.jwks());
            }
            // The good set in the body: only the status is wrong.
            let mut redirect = answer(status, "application/json", fixture.issuer.jwks().to_string());
            redirect.headers_mut().insert("location", target.parse().unwrap());
            site.put(KEYS, Ok(redirect));
            judge(&fixture, AS).await.assert_dep();
            assert_eq!(site.log(), [INSERTED, KEYS], "{status} {target}");
        }
    }
    let (fixture, site) = at(AS);
    site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
    judge(&fixture, AS).await.assert_ok();
}

#[tokio::test]
async fn s6_10_s6_11_a_key_set_under_another_status_than_200_is_not_used() {
    for (status, accepted) in
        [(200, true), (201, false), (204, false), (206, false), (304, false), (404, false), (429, false), (500, false)]
    {
        let (fixture, site) = at(AS);
        site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
        site.put(KEYS, Ok(answer(status, "application/json", fixture.issuer.jwks().to_string())));
        let outcome = judge(&fixture, AS).await;
        if accepted { outcome.assert_ok() } else { outcome.assert_dep() }
    }
    let (fixture, site) = at(AS);
    site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
    site.put(KEYS, Ok(answer(200, "text/html", "<html>sign in to the network</html>")));
    judge(&fixture, AS).await.assert_dep();
}

#[tokio::test]
async fn s6_08_an_answer_in_a_content_coding_is_not_used_and_none_is_asked_for() {
    for (coding, accepted) in [("identity", true), ("gzip", false), ("br", false), ("gzip, identity", false)] {
        let (fixture, site) = at(AS);
        site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
        let mut coded = answer(200, "application/json", fixture.issuer.jwks().to_string());
        coded.headers_mut().insert("content-encoding", coding.parse().unwrap());
        site.put(KEYS, Ok(coded));
        let outcome = judge(&fixture, AS).await;
        if accepted {
            outcome.assert_ok()
        } else {
            outcome.assert_dep()
        }
        for request in site.log.lock().unwrap().iter() {
            assert_eq!(request.headers()["accept-encoding"], "identity");
            assert!(!request.headers().contains_key("authorization"));
        }
    }
}

#[tokio::test]
async fn c8414_ref_a_token_never_starts_the_discovery_of_another_issuer() {
    let (fixture, site) = at(AS);
    site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
    judge(&fixture, "https://evil.example").await.assert_it();
    judge(&fixture, "https://as.example.com/t1").await.assert_it();
    assert!(site.log().is_empty());
    judge(&fixture, AS).await.assert_ok();
    assert_eq!(site.log(), [INSERTED, KEYS]);
}

#[tokio::test]
async fn c8414_ref_the_address_of_the_keys_outlives_an_outage_of_the_metadata() {
    let (fixture, site) = at(AS);
    site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
    judge(&fixture, AS).await.assert_ok();
    site.put(INSERTED, Err(HttpError::Timeout));
    // Past the hour for which the metadata is believed, and in each step past the latest moment of a refresh.
    for _ in 0..30 {
        fixture.clock.advance(Duration::from_secs(265));
        crate::faulty_client::settle().await;
        judge(&fixture, AS).await.assert_ok();
    }
    let log = site.log();
    assert!(log.iter().filter(|address| *address == INSERTED).count() >= 2, "{log:?}");
    assert!(log.iter().filter(|address| *address == KEYS).count() >= 20, "{log:?}");
}

#[tokio::test]
async fn c8414_3_3_a_the_address_of_the_keys_does_not_outlive_a_document_of_another_issuer() {
    let (fixture, site) = at(AS);
    site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
    judge(&fixture, AS).await.assert_ok();
    site.put_json(INSERTED, &json!({"issuer": "https://evil.example", "jwks_uri": KEYS}));
    for answered in ["another issuer's document", "nothing"] {
        // Past the hour for which the metadata is believed.
        for _ in 0..20 {
            fixture.clock.advance(Duration::from_secs(240));
            crate::faulty_client::settle().await;
        }
        let log = site.log();
        assert_eq!(log.last().map(String::as_str), Some(INSERTED), "{answered}: {log:?}");
        site.put(INSERTED, Err(HttpError::Timeout));
    }
}

#[tokio::test]
async fn r05_metadata_is_not_asked_again_and_again_while_the_key_set_fails() {
    let (fixture, site) = at(AS);
    site.put_json(INSERTED, &json!({"issuer": AS, "jwks_uri": KEYS}));
    site.put(KEYS, Ok(answer(500, "text/plain", "")));
    let token = fixture.token().expires_in(Duration::from_secs(3600)).sign();
    for _ in 0..600 {
        assert_eq!(verdict(&fixture.server, &token).await, "keys_unavailable");
        fixture.clock.advance(Duration::from_secs(1));
    }
    let log = site.log();
    let metadata = log.iter().filter(|address| *address == INSERTED).count();
    assert!(metadata <= 3, "{metadata}");
    assert!(log.len() - metadata > 100, "{}", log.len());
}

#[test]
fn c8707_2_a_an_audience_is_an_absolute_uri_without_fragment_or_an_exact_identifier() {
    let build = |audience: &str| ResourceServer::builder(audience, AS).build().is_ok();
    for (audience, good) in [
        ("https://api.example.com/x", true),
        ("https://api.example.com/x#f", false),
        ("/x", false),
        ("", false),
        ("urn:example:api", true),
        ("5f2a8f7e-0000-4000-8000-1b2c3d4e5f60", true),
        ("my-api", true),
    ] {
        assert_eq!(build(audience), good, "{audience}");
    }
}

#[tokio::test]
async fn c8707_2_b_audiences_are_compared_exactly() {
    let mcp = "https://api.example.com/mcp";
    for (listed, sent, accepted) in [
        (&[mcp][..], mcp, true),
        (&[mcp][..], RS, false),
        (&[mcp, RS][..], RS, true),
        (&[RS][..], "https://api.example.com/", false),
        (&[RS][..], mcp, false),
        (&[RS][..], "HTTPS://api.example.com", false),
        (&[RS][..], "https://api.example.co", false),
    ] {
        let own = |issuer: Issuer| listed.iter().fold(issuer, |issuer, audience| issuer.audience(*audience));
        let fixture = Fixture::with(own, |builder| builder);
        let outcome = fixture.bearer(&fixture.token().audience(sent).sign()).await;
        if accepted { outcome.assert_ok() } else { outcome.assert_it() }
    }
}
