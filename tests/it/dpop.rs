//! RFC 9449 section 4.3 through the layer: each check has a proof that passes and one that differs in one thing.

use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};
use tower_bearer::testing::{DpopProof, SigningKey, signature_checks};
use tower_bearer::{Algorithm, Clock, Dpop, PeerAddress, ResourceServer, ResourceServerBuilder, Scheme};

use crate::support::{AS, Fixture, Outcome, RS, get, send_through, with_proof};

/// Somebody who holds a key and a token bound to it.
pub struct Holder {
    pub fixture: Fixture,
    pub key: SigningKey,
    pub token: String,
}

impl Holder {
    pub fn new() -> Self {
        Holder::with(|builder| builder)
    }

    pub fn with(settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Self {
        let fixture = Fixture::with(|issuer| issuer, settings);
        let key = SigningKey::generate(Algorithm::ES256);
        let token = fixture.bound(&key);
        Holder { fixture, key, token }
    }

    /// `P`, to be changed.
    pub fn proof(&self) -> DpopProof {
        self.fixture.proof(&self.key, &self.token)
    }

    /// `D T + P`
    pub async fn send(&self, proof: DpopProof) -> Outcome {
        self.fixture.dpop(&self.token, proof).await
    }

    async fn send_fields(&self, proofs: &[&str]) -> Outcome {
        let request = get().header("authorization", format!("DPoP {}", self.token));
        let request = proofs.iter().fold(request, |request, proof| request.header("dpop", *proof));
        self.fixture.send(request.body(()).unwrap()).await
    }

    /// IDP, and the operator learns which check it was.
    async fn refuses(&self, proof: DpopProof, check: &str) {
        let outcome = self.send(proof).await;
        outcome.assert_idp();
        let detail = outcome.error.as_ref().unwrap().detail().unwrap_or_default().to_owned();
        assert!(outcome.code() == "dpop_proof_invalid" && detail.starts_with(check), "{check}: {outcome:?}");
        self.passes(self.proof()).await;
    }

    pub async fn passes(&self, proof: DpopProof) {
        let outcome = self.send(proof).await;
        outcome.assert_ok();
        assert_eq!(outcome.claims.unwrap().scheme(), Scheme::Dpop);
    }

    fn at(&self, seconds: i64) -> DpopProof {
        let offset = Duration::from_secs(seconds.unsigned_abs());
        let now = self.fixture.clock.wall();
        self.proof().issued_at(if seconds < 0 { now - offset } else { now + offset })
    }
}

#[tokio::test]
async fn c9449_7_1_a_a_bound_token_with_a_proof_passes_however_the_scheme_is_written() {
    let holder = Holder::new();
    for scheme in ["DPoP", "dpop", "DPOP"] {
        let request = get().header("authorization", format!("{scheme} {}", holder.token));
        let outcome = holder.fixture.send(request.header("dpop", holder.proof().sign()).body(()).unwrap()).await;
        outcome.assert_ok();
        assert_eq!(outcome.claims.unwrap().scheme().as_str(), "DPoP");
    }
    let request = get().header("authorization", format!("DPoPx {}", holder.token));
    holder.fixture.send(request.header("dpop", holder.proof().sign()).body(()).unwrap()).await.assert_anon();
}

#[tokio::test]
async fn c9449_7_1_b_the_scheme_needs_a_proof() {
    let holder = Holder::new();
    let outcome = holder.send_fields(&[]).await;
    outcome.assert_idp();
    assert_eq!(outcome.code(), "dpop_proof_missing");
    holder.send_fields(&[&holder.proof().sign()]).await.assert_ok();
}

#[tokio::test]
async fn c9449_4_3_1_s9_21_one_proof_in_one_field() {
    let holder = Holder::new();
    let proof = || holder.proof().sign();
    holder.send_fields(&[&proof()]).await.assert_ok();
    holder.send_fields(&[&proof(), &proof()]).await.assert_idp();
    holder.send_fields(&[&proof(), ""]).await.assert_idp();
    holder.send_fields(&[&format!("{}, {}", proof(), proof())]).await.assert_idp();
    holder.send_fields(&[&format!("{},", proof())]).await.assert_idp();
}

#[tokio::test]
async fn c9449_4_3_2_s9_23_s9_25_a_proof_is_one_compact_jwt_before_anything_else_is_looked_at() {
    let holder = Holder::new();
    let proof = || holder.proof().sign();
    let long = holder.proof().claim("x", "a".repeat(4096)).sign();
    assert!(long.len() > 4096);
    for bad in ["x", "", "a.b", "a.b.c.d", "a..c", "{}", &long, &format!("{}=", proof()), &format!("{} ", proof())] {
        let before = signature_checks();
        let outcome = holder.send_fields(&[bad]).await;
        outcome.assert_idp();
        assert_eq!(signature_checks(), before, "{bad}");
        // Not even the token is judged: a bad one gets the same answer.
        let request = with_proof("not.a.token", bad).body(()).unwrap();
        holder.fixture.send(request).await.assert_idp();
    }
    holder.send_fields(&[&holder.token]).await.assert_idp();
    holder.send_fields(&[&proof()]).await.assert_ok();
    holder.fixture.bearer(&proof()).await.assert_it();
}

#[tokio::test]
async fn c9449_4_3_3_s9_22_each_claim_of_a_proof_is_there_and_of_its_type() {
    let holder = Holder::new();
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        holder.refuses(holder.proof().without(name), "proof_claims").await;
        for wrong in [json!(null), json!({}), json!(["x"]), json!(true)] {
            holder.refuses(holder.proof().claim(name, wrong), "proof_claims").await;
        }
    }
    for wrong in [json!(""), json!("a".repeat(257)), json!(7)] {
        holder.refuses(holder.proof().claim("jti", wrong), "proof_claims").await;
    }
    holder.passes(holder.proof().jti(&"a".repeat(256))).await;
    for wrong in [json!("1700000000"), json!(1.5), json!(-1)] {
        holder.refuses(holder.proof().claim("iat", wrong), "proof_claims").await;
    }
    holder.refuses(holder.proof().raw_payload("[]"), "proof_claims").await;
}

#[tokio::test]
async fn c9449_4_3_4_the_type_of_a_proof_is_dpop_jwt() {
    let holder = Holder::new();
    for typ in [json!("JWT"), json!("at+jwt"), json!("dpop")] {
        holder.refuses(holder.proof().header("typ", typ), "proof_type").await;
    }
    holder.refuses(holder.proof().without_header("typ"), "proof_type").await;
}

#[tokio::test]
async fn c9449_4_3_5_s9_13_the_algorithm_of_a_proof_is_asymmetric_and_listed() {
    let holder = Holder::new();
    holder.refuses(holder.proof().header("alg", "none"), "proof_algorithm").await;
    holder.refuses(holder.proof().header("alg", "HS256"), "proof_algorithm").await;
    let only_ed25519 = Holder::with(|builder| builder.dpop(Dpop::accept().algorithms([Algorithm::Ed25519])));
    let outcome = only_ed25519.send(only_ed25519.proof()).await;
    outcome.assert_idp();
    assert!(outcome.challenges()[0].contains("algs=\"Ed25519\""), "{outcome:?}");
    let key = SigningKey::generate(Algorithm::EdDSA);
    let token = only_ed25519.fixture.bound(&key);
    only_ed25519.fixture.dpop(&token, only_ed25519.fixture.proof(&key, &token)).await.assert_ok();
}

#[tokio::test]
async fn c9449_4_3_6_the_signature_of_a_proof_holds() {
    let holder = Holder::new();
    let proof = holder.proof().sign();
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let outcome = holder.send_fields(&[&format!("{signed}.{first}{}", &signature[1..])]).await;
    outcome.assert_idp();
    assert!(outcome.error.unwrap().detail().unwrap().starts_with("proof_signature"));
    // The original was not used up by the forgery.
    holder.send_fields(&[&proof]).await.assert_ok();
}

#[tokio::test]
async fn c9449_4_3_7_c9449_4_3_7b_s9_10_s9_12_the_key_of_a_proof_is_public_and_fits() {
    let holder = Holder::new();
    let jwk = holder.key.jwk();
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [json!("AQAB"), json!(null)] {
            let mut jwk = jwk.clone();
            jwk[member] = value;
            holder.refuses(holder.proof().header("jwk", jwk), "proof_key").await;
        }
    }
    for wrong in [json!("x"), json!(null), json!([]), json!({}), json!({"kty": "EC", "crv": "Ed25519", "x": "AQAB"})] {
        holder.refuses(holder.proof().header("jwk", wrong), "proof_key").await;
    }
    holder.refuses(holder.proof().without_header("jwk"), "proof_key").await;
    let mut off_curve = jwk.clone();
    off_curve["y"] = off_curve["x"].clone();
    holder.refuses(holder.proof().header("jwk", off_curve), "proof_key").await;
    let p384 = SigningKey::generate(Algorithm::ES384);
    holder.refuses(holder.proof().header("jwk", p384.jwk()), "proof_key").await;
}

#[tokio::test]
async fn c9449_4_3_8_s9_17_a_proof_is_for_one_method_as_it_was_sent() {
    let holder = Holder::new();
    for method in ["POST", "get", "HEAD", "GET "] {
        holder.refuses(holder.proof().claim("htm", method), "proof_method").await;
    }
    let send = async |method: Method, htm: &str| {
        let proof = holder.proof().claim("htm", htm).sign();
        let request = with_proof(&holder.token, &proof).method(method).header("x-http-method-override", "DELETE");
        holder.fixture.send(request.body(()).unwrap()).await
    };
    send(Method::HEAD, "HEAD").await.assert_ok();
    send(Method::HEAD, "GET").await.assert_idp();
    send(Method::POST, "POST").await.assert_ok();
    send(Method::POST, "DELETE").await.assert_idp();
}

#[tokio::test]
async fn c9449_4_3_9a_c9449_4_3_9b_s9_15_a_proof_is_for_one_target_without_query_and_fragment() {
    let holder = Holder::new();
    for same in ["/r?x=1", "/r#f", "/r?x=1#f", "/./r", "/a/../r", "/%72"] {
        holder.passes(holder.proof().claim("htu", format!("{RS}{same}"))).await;
    }
    holder.passes(holder.proof().claim("htu", "HTTPS://API.example.com:443/r")).await;
    for other in ["/r/", "/R", "/", "", "/x/r", "/r%2f"] {
        holder.refuses(holder.proof().claim("htu", format!("{RS}{other}")), "proof_target").await;
    }
    for other in [
        "http://api.example.com/r",
        "https://api.example.com:8443/r",
        "https://other.example.com/r",
        "https://user@api.example.com/r",
        "https:\\\\api.example.com\\r",
        "/r",
    ] {
        holder.refuses(holder.proof().claim("htu", other), "proof_target").await;
    }
    let request = |uri: &str| with_proof(&holder.token, &holder.proof().sign()).uri(uri).body(()).unwrap();
    holder.fixture.send(request("/r?x=1")).await.assert_ok();
    holder.fixture.send(request("/r/")).await.assert_idp();
}

#[tokio::test]
async fn c9449_4_3_9d_the_target_is_the_external_base_and_the_path_that_came() {
    let based = |base: &str| Holder::with(|builder| builder.dpop(Dpop::accept().external_base(base)));
    let sent = async |holder: &Holder, uri: &str, htu: &str| {
        let proof = holder.proof().claim("htu", htu).sign();
        holder.fixture.send(with_proof(&holder.token, &proof).uri(uri).body(()).unwrap()).await
    };
    let holder = based("https://api.example.com/v1");
    sent(&holder, "http://10.0.0.5/x", "https://api.example.com/v1/x").await.assert_ok();
    sent(&holder, "http://10.0.0.5/x", "http://10.0.0.5/x").await.assert_idp();
    sent(&holder, "/x", "https://api.example.com/x").await.assert_idp();
    let holder = based("http://127.0.0.1:8080");
    sent(&holder, "/x", "http://127.0.0.1:8080/x").await.assert_ok();
    // Of a resource with a path, scheme, host and port are taken: the path of the request is whole.
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.resource(format!("{RS}/mcp")));
    let key = SigningKey::generate(Algorithm::ES256);
    let token = fixture.bound(&key);
    let mcp = async |htu: &str| {
        let proof = fixture.proof(&key, &token).claim("htu", htu).sign();
        fixture.send(with_proof(&token, &proof).uri("/mcp").body(()).unwrap()).await
    };
    mcp("https://api.example.com/mcp").await.assert_ok();
    mcp("https://api.example.com/mcp/mcp").await.assert_idp();
}

#[tokio::test]
async fn c9449_4_3_9e_s9_16_neither_host_nor_what_proxies_add_is_believed() {
    let holder = Holder::new();
    for (name, value) in [
        ("host", "evil.example.com"),
        ("host", "api.example.com@evil.example.com"),
        ("x-forwarded-host", "evil.example.com"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example.com;proto=http"),
    ] {
        for uri in ["/r", "http://evil.example.com/r"] {
            let request = |htu: &str| {
                let proof = holder.proof().claim("htu", htu).sign();
                with_proof(&holder.token, &proof).uri(uri).header(name, value).body(()).unwrap()
            };
            holder.fixture.send(request("https://api.example.com/r")).await.assert_ok();
            for spoofed in ["https://evil.example.com/r", "http://evil.example.com/r", "http://api.example.com/r"] {
                holder.fixture.send(request(spoofed)).await.assert_idp();
            }
        }
    }
}

#[tokio::test]
async fn c9449_4_3_11_s9_18_the_window_of_iat_is_exact_and_can_be_narrowed() {
    let (default, strict) = (Holder::new(), Holder::with(|builder| builder.dpop(Dpop::accept().strict())));
    for (holder, past, future) in [(default, 300, 30), (strict, 60, 10)] {
        for inside in [-past, 0, future] {
            holder.passes(holder.at(inside)).await;
        }
        for outside in [-past - 1, future + 1] {
            holder.refuses(holder.at(outside), "proof_age").await;
        }
    }
}

#[tokio::test]
async fn c9449_4_3_12a_s9_14_a_proof_is_for_one_token() {
    let holder = Holder::new();
    let other = holder.fixture.token().claim("jti", "another").bound_to(&holder.key).sign();
    holder.refuses(holder.proof().token(&other), "proof_token").await;
    let proof = holder.proof();
    let ath = proof.payload_json().split("\"ath\":\"").nth(1).unwrap()[..43].to_owned();
    holder.refuses(holder.proof().claim("ath", format!("{ath}=")), "proof_token").await;
    holder.passes(proof).await;
}

#[tokio::test]
async fn c9449_4_3_12b_s9_09_a_proof_by_another_key_is_a_failure_of_the_token_and_costs_no_signature() {
    let holder = Holder::new();
    holder.passes(holder.proof()).await;
    let stranger = SigningKey::generate(Algorithm::ES256);
    let before = signature_checks();
    let outcome = holder.send(holder.fixture.proof(&stranger, &holder.token)).await;
    outcome.assert_it();
    assert_eq!((outcome.code(), signature_checks()), ("dpop_key_mismatch", before));
    assert!(outcome.challenges()[0].starts_with("DPoP error=\"invalid_token\""), "{outcome:?}");
}

#[tokio::test]
async fn c9449_6_a_s9_02_an_unbound_token_is_no_dpop_token() {
    let holder = Holder::new();
    let unbound = holder.fixture.token().sign();
    let outcome = holder.fixture.dpop(&unbound, holder.fixture.proof(&holder.key, &unbound)).await;
    outcome.assert_it();
    assert_eq!(outcome.code(), "token_not_bound");
    holder.fixture.bearer(&unbound).await.assert_ok();
}

#[tokio::test]
async fn c7800_a_c7800_b_every_known_method_of_a_binding_must_hold_and_others_are_ignored() {
    let holder = Holder::new();
    let with = async |more: Value| {
        let mut cnf = json!({"jkt": holder.key.thumbprint()});
        cnf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = holder.fixture.token().claim("cnf", cnf).sign();
        holder.fixture.dpop(&token, holder.fixture.proof(&holder.key, &token)).await
    };
    with(json!({"kc-jkt-type": "x"})).await.assert_ok();
    let outcome = with(json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})).await;
    outcome.assert_it();
    assert_eq!(outcome.code(), "certificate_bound");
}

#[tokio::test]
async fn c9449_7_2_c_a_proof_beside_an_unbound_bearer_token_is_a_broken_request() {
    let holder = Holder::new();
    let unbound = holder.fixture.token().sign();
    holder.fixture.bearer(&unbound).await.assert_ok();
    let bearer = |token: &str| get().header("authorization", format!("Bearer {token}"));
    for proof in [holder.proof().sign().as_str(), "x", ""] {
        // Whether the token is new or remembered.
        for _ in 0..2 {
            let outcome = holder.fixture.send(bearer(&unbound).header("dpop", proof).body(()).unwrap()).await;
            outcome.assert_ir();
            assert_eq!(outcome.code(), "dpop_proof_beside_bearer");
        }
        let expired = holder.fixture.token().expired().sign();
        holder.fixture.send(bearer(&expired).header("dpop", proof).body(()).unwrap()).await.assert_it();
    }
}

#[tokio::test]
async fn c9449_req_where_dpop_is_required_a_bearer_token_is_no_token_whatever_it_holds() {
    let holder = Holder::with(|builder| builder.dpop(Dpop::require()));
    let optional = || tower_bearer::AuthLayer::new(holder.fixture.server.clone()).optional();
    holder.passes(holder.proof()).await;
    let unbound = holder.fixture.token().sign();
    for token in [&unbound, &holder.token, &holder.fixture.token().expired().sign(), "a b"] {
        for _ in 0..2 {
            let outcome = holder.fixture.bearer(token).await;
            outcome.assert_anon();
            assert_eq!(outcome.challenges().len(), 1);
            assert!(outcome.challenges()[0].starts_with("DPoP "), "{outcome:?}");
        }
        // Somebody who sends a token is not anonymous by mistake.
        let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        send_through(optional(), request).await.assert_anon();
    }
    assert_eq!(send_through(optional(), get().body(()).unwrap()).await.calls, 1);
}

#[tokio::test]
async fn c9449_7_2_d_a_server_whose_audience_is_no_address_takes_dpop_only_where_the_address_is_given() {
    let fixture = Fixture::new();
    let builder = || ResourceServer::builder("urn:files", AS).http_client(fixture.issuer.http_client());
    let nothing = || get().body(()).unwrap();
    let layer = |builder: ResourceServerBuilder| tower_bearer::AuthLayer::new(builder.build().unwrap());
    assert_eq!(send_through(layer(builder()), nothing()).await.challenges().len(), 1);
    for dpop in [Dpop::accept(), Dpop::require()] {
        let error = builder().dpop(dpop.clone()).build().unwrap_err();
        assert_eq!(error.problems()[0].setting, "external_base");
        assert!(builder().dpop(dpop.external_base(RS)).build().is_ok());
    }
    assert!(builder().dpop(Dpop::off()).build().is_ok());
}

#[test]
fn every_mistake_in_the_settings_of_dpop_is_reported_and_no_secret_shown() {
    let settings = |dpop: Dpop| {
        let built = ResourceServer::builder(RS, AS).http_client(Fixture::new().issuer.http_client()).dpop(dpop).build();
        let problems = built.err().map(|error| error.problems().to_vec()).unwrap_or_default();
        problems.into_iter().map(|problem| problem.setting.into_owned()).collect::<Vec<_>>()
    };
    let seconds = Duration::from_secs;
    let good = || Dpop::accept().nonce_secret((0..32).collect::<Vec<u8>>());
    assert!(settings(good()).is_empty());
    assert!(settings(good().window(seconds(3600), seconds(300))).is_empty());
    assert_eq!(settings(good().algorithms([])), ["dpop.algorithms"]);
    assert_eq!(settings(good().algorithms([Algorithm::HS256])), ["dpop.algorithms"]);
    assert_eq!(settings(good().window(seconds(3601), seconds(301))), ["dpop.window_past", "dpop.window_future"]);
    assert_eq!(settings(good().window(seconds(0), seconds(30))), ["dpop.window_past"]);
    assert_eq!(settings(good().trusted_proxies(["10.0.0.0/8", "proxy"])), ["dpop.trusted_proxies"]);
    for secret in [&b""[..], &[7; 31], &[7; 33], &[7; 32]] {
        assert_eq!(settings(good().nonce_secret(secret)), ["dpop.nonce_secret"]);
    }
    for base in ["api.example.com", "ftp://api.example.com", "http://api.example.com", "https://a.example/#f", ""] {
        assert_eq!(settings(good().external_base(base)), ["external_base"], "{base}");
    }
    let secret = "0f8a-the-secret-of-all-instances";
    assert!(!format!("{:?}", Dpop::accept().nonce_secret(secret)).contains("0f8a"));
}

#[tokio::test]
async fn c9449_4_3_9f_a_layer_inside_a_nested_router_sees_the_whole_target() {
    use axum::Router;
    use axum::extract::OriginalUri;
    use tower::ServiceExt;
    let whole = |dpop: Dpop| dpop.original_uri(|extensions| extensions.get::<OriginalUri>().map(|uri| &uri.0));
    for (dpop, status) in [(whole(Dpop::accept()), 200), (Dpop::accept(), 401)] {
        let holder = Holder::with(|builder| builder.dpop(dpop));
        let inner = Router::new().route("/x", axum::routing::get(async || "inner"));
        let inner = inner.layer(tower_bearer::AuthLayer::new(holder.fixture.server.clone()));
        let app = Router::new().nest("/v1", inner);
        let proof = holder.proof().claim("htu", format!("{RS}/v1/x")).sign();
        let request = with_proof(&holder.token, &proof).uri("/v1/x").body(axum::body::Body::empty()).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status().as_u16(), status);
    }
}

#[tokio::test]
async fn c9449_4_3_9f_a_call_of_grpc_is_a_post_to_the_path_of_its_method() {
    let holder = Holder::new();
    let proof = holder.proof().claim("htm", "POST").claim("htu", format!("{RS}/orders.v1.Orders/List")).sign();
    let request = Request::post("http://10.0.0.5:50051/orders.v1.Orders/List")
        .header("content-type", "application/grpc")
        .header("authorization", format!("DPoP {}", holder.token))
        .header("dpop", proof);
    holder.fixture.send(request.body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn c9449_4_3_9e_a_trusted_proxy_says_how_it_was_called_and_nobody_else_does() {
    let dpop = Dpop::accept().external_base("https://api.example.com/v1").trusted_proxies(["10.0.0.0/8"]);
    let holder = Holder::with(|builder| builder.dpop(dpop));
    let sent = async |peer: Option<&str>, fields: &[(&str, &str)], htu: &str| {
        let proof = holder.proof().claim("htu", htu).sign();
        let mut request = with_proof(&holder.token, &proof);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if let Some(peer) = peer {
            request = request.extension(PeerAddress(peer.parse().unwrap()));
        }
        holder.fixture.send(request.body(()).unwrap()).await
    };
    let fields = [("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example.com")];
    let (told, configured) = ("https://shop.example.com/v1/r", "https://api.example.com/v1/r");
    sent(Some("10.1.2.3"), &fields, told).await.assert_ok();
    sent(Some("10.1.2.3"), &fields, configured).await.assert_idp();
    for peer in [None, Some("11.0.0.1"), Some("::1")] {
        sent(peer, &fields, told).await.assert_idp();
        sent(peer, &fields, configured).await.assert_ok();
    }
    // Of a list, what the proxy wrote itself; what it does not say stays as configured.
    let list = [("x-forwarded-proto", "http, https"), ("x-forwarded-host", "evil.example, shop.example.com")];
    sent(Some("10.1.2.3"), &list, told).await.assert_ok();
    sent(Some("10.1.2.3"), &list, "http://evil.example/v1/r").await.assert_idp();
    sent(Some("10.1.2.3"), &[], configured).await.assert_ok();
    sent(Some("10.1.2.3"), &fields[..1], configured).await.assert_ok();
    for host in ["", "a/b", "u@shop.example.com", "shop example", "shop.example.com:x"] {
        let outcome = sent(Some("10.1.2.3"), &[("x-forwarded-host", host)], configured).await;
        outcome.assert_idp();
        assert!(outcome.error.unwrap().detail().unwrap().starts_with("proof_target"), "{host}");
    }
    let forwarded = [("forwarded", "proto=https;host=shop.example.com"), ("host", "shop.example.com")];
    sent(Some("10.1.2.3"), &forwarded, told).await.assert_idp();
}
