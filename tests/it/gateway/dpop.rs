//! `[dpop]` and `external_base`: bound tokens at the gateway.

use http::{Request, Version};
use tower_bearer::Algorithm;
use tower_bearer::testing::{DpopProof, SigningKey, TestIssuer};

use super::RESOURCE;
use super::client::Reply;
use super::harness::{Gateway, top};
use super::mistakes::mistakes;

/// Somebody who holds a key and a token bound to it.
struct Holder {
    issuer: TestIssuer,
    key: SigningKey,
    token: String,
}

impl Holder {
    async fn new() -> Self {
        let issuer = TestIssuer::start().await;
        let key = SigningKey::generate(Algorithm::ES256);
        let token = issuer.token().bound_to(&key).sign();
        Holder { issuer, key, token }
    }

    fn gateway(&self, file: &str) -> Gateway {
        Gateway::start(&format!("{}{file}", top(&self.issuer)))
    }

    fn proof(&self, method: &str, url: &str) -> DpopProof {
        DpopProof::new(&self.key, method, url).token(&self.token)
    }

    fn request(&self, path: &str, proof: DpopProof) -> http::request::Builder {
        let request = Request::get(path).header("authorization", format!("DPoP {}", self.token));
        request.header("dpop", proof.sign())
    }

    async fn get(&self, gateway: &Gateway, path: &str, url: &str) -> Reply {
        gateway.send(self.request(path, self.proof("GET", url))).await
    }
}

/// The schemes that are challenged, and the error codes.
fn challenges(reply: &Reply) -> Vec<(String, Option<String>)> {
    let lines = reply.headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap());
    let challenges = lines.map(|line| crate::challenge::parse(line).unwrap());
    challenges.map(|challenge| (challenge.scheme, challenge.parameters.get("error").cloned())).collect()
}

fn told(scheme: &str, error: &str) -> (String, Option<String>) {
    (scheme.to_owned(), (!error.is_empty()).then(|| error.to_owned()))
}

#[tokio::test]
async fn c9449_7_1_a_bound_tokens_pass_with_a_proof_and_by_default_beside_bearer_tokens() {
    let holder = Holder::new().await;
    for file in ["", "[dpop]\n", "[dpop]\nmode = \"accept\"\nreplay = \"memory\"\n"] {
        let gateway = holder.gateway(file);
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let url = format!("{RESOURCE}/a/b");
            let mut request = holder.request("/a/b?x=1", holder.proof("GET", &url)).version(version);
            if version == Version::HTTP_2 {
                request = request.uri(format!("http://{}/a/b?x=1", gateway.address));
            }
            let proof = request.headers_ref().unwrap()["dpop"].clone();
            let reply = gateway.send(request).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["token_type"]), (200, &"DPoP".into()), "{reply:?}");
            let again = Request::get("/a/b").header("authorization", format!("DPoP {}", holder.token));
            let replayed = gateway.send(again.header("dpop", proof)).await;
            assert_eq!(challenges(&replayed), [told("DPoP", "invalid_dpop_proof")]);
        }
        let bearer = gateway.get("/a", &holder.issuer.token().sign()).await;
        assert_eq!((bearer.status.as_u16(), &bearer.json()["token_type"]), (200, &"Bearer".into()));
        let stolen = gateway.get("/a", &holder.token).await;
        assert_eq!(challenges(&stolen), [told("Bearer", "invalid_token"), told("DPoP", "")]);
        assert_eq!(challenges(&gateway.get("/a", "").await), [told("Bearer", ""), told("DPoP", "")]);
    }
}

#[tokio::test]
async fn c9449_req_the_modes_off_and_require_offer_one_scheme_and_say_so_in_the_document() {
    let holder = Holder::new().await;
    let url = format!("{RESOURCE}/a");
    let document = async |gateway: &Gateway| gateway.get("/.well-known/oauth-protected-resource", "").await.json();
    let off = holder.gateway("[dpop]\nmode = \"off\"\n");
    assert_eq!(challenges(&holder.get(&off, "/a", &url).await), [told("Bearer", "")]);
    assert_eq!(challenges(&off.get("/a", &holder.token).await), [told("Bearer", "invalid_token")]);
    assert!(document(&off).await.get("dpop_signing_alg_values_supported").is_none());
    let require = holder.gateway("[dpop]\nmode = \"require\"\nalgorithms = [\"ES256\"]\n");
    assert_eq!(holder.get(&require, "/a", &url).await.status, 200);
    assert_eq!(challenges(&require.get("/a", &holder.issuer.token().sign()).await), [told("DPoP", "")]);
    let document = document(&require).await;
    assert_eq!(document["dpop_bound_access_tokens_required"], true);
    assert_eq!(document["dpop_signing_alg_values_supported"], serde_json::json!(["ES256"]));
}

#[tokio::test]
async fn c9449_4_3_9d_external_base_is_what_proofs_are_made_for() {
    let holder = Holder::new().await;
    let gateway = Gateway::start(&format!("external_base = \"https://api.example.com/v1\"\n{}", top(&holder.issuer)));
    assert_eq!(holder.get(&gateway, "/a", "https://api.example.com/v1/a").await.status, 200);
    for other in [format!("{RESOURCE}/a"), format!("http://{}/a", gateway.address)] {
        let reply = holder.get(&gateway, "/a", &other).await;
        assert_eq!(challenges(&reply), [told("DPoP", "invalid_dpop_proof")], "{other}");
    }
    // With rules the path is put into normal form, and so is the target of the proof.
    let rules = "[[rules]]\npath = \"/{*rest}\"\naccess = \"authenticated\"\n";
    let gateway = holder.gateway(rules);
    for path in ["/a/./b", "/a/b", "/%61/x/../b"] {
        assert_eq!(holder.get(&gateway, path, &format!("{RESOURCE}{path}")).await.status, 200, "{path}");
        assert_eq!(holder.get(&gateway, path, &format!("{RESOURCE}/a/b")).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn c9449_9_a_with_a_secret_nonces_are_asked_for() {
    let holder = Holder::new().await;
    let gateway = holder.gateway("[dpop]\nnonce_secret = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"\n");
    let url = format!("{RESOURCE}/a");
    let reply = holder.get(&gateway, "/a", &url).await;
    assert_eq!(challenges(&reply), [told("DPoP", "use_dpop_nonce")]);
    assert_eq!(reply.header("cache-control"), "no-store");
    let proof = holder.proof("GET", &url).nonce(reply.header("dpop-nonce"));
    assert_eq!(gateway.send(holder.request("/a", proof)).await.status, 200);
}

#[tokio::test]
async fn c9449_4_3_8_in_check_mode_a_proof_is_for_the_method_and_target_that_the_proxy_names() {
    let holder = Holder::new().await;
    let gateway = Gateway::start(&format!("mode = \"check\"\n{}", top(&holder.issuer)));
    for (fields, status) in [
        (&[("x-original-method", "GET"), ("x-original-uri", "/orders")][..], 200),
        (&[("x-original-method", "POST"), ("x-original-uri", "/orders")], 401),
        (&[("x-original-method", "GET"), ("x-original-uri", "/other")], 401),
        (&[("x-original-uri", "/orders")], 403),
        (&[], 403),
    ] {
        let request = holder.request("/orders", holder.proof("GET", &format!("{RESOURCE}/orders")));
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        assert_eq!(gateway.send(request).await.status, status, "{fields:?}");
    }
}

#[test]
fn mistakes_of_the_section_are_named_and_the_secret_is_not_shown() {
    let head = "resource = \"https://api.example.com\"\nissuers = [{ issuer = \"https://as.example.com\" }]\n";
    for (rest, line) in [
        ("[dpop]\nmode = \"on\"", "dpop.mode `on`: must be one of `off`, `accept`, `require`"),
        ("[dpop]\nalgorithms = [\"HS256\"]", "dpop.algorithms `HS256`: proofs are signed with asymmetric keys only"),
        ("[dpop]\nalgorithms = [\"es256\"]", "dpop.algorithms `es256`: is no signature algorithm"),
        ("[dpop]\nalgorithms = []", "dpop.algorithms `[]`: must hold one string at least"),
        ("[dpop]\nwindow_past = \"2h\"", "dpop.window_past `7200s`: must lie between 1 s and 1 h"),
        ("[dpop]\nwindow_past = \"0s\"", "dpop.window_past `0ns`: must lie between 1 s and 1 h"),
        ("[dpop]\nwindow_past = \"1500ms\"", "dpop.window_past `1.5s`: must be whole seconds"),
        ("[dpop]\nwindow_future = \"301s\"", "dpop.window_future `301s`: must be 300 s at most"),
        ("[dpop]\nnonce_secret = \"c2hvcnQ\"", "dpop.nonce_secret ``: must be 32 random bytes in base64url"),
        ("[dpop]\nreplay = \"redis://u:secret@h/0\"", "dpop.replay `redis`: must be `memory`"),
        ("[dpop]\ncolour = 1", "dpop.colour `...`: is not a setting here"),
        ("[[x]]", "x `...`: is not a setting here"),
    ] {
        let lines = mistakes(&format!("{head}{rest}\n"));
        let [found] = lines.as_slice() else { panic!("{rest}\n{lines:#?}") };
        assert!(found.starts_with(line) && !found.contains("c2hvcnQ"), "{rest}\n{found}");
    }
    for base in ["https://x/#f", "api.example.com", "http://api.example.com"] {
        let lines = mistakes(&format!("external_base = \"{base}\"\n{head}"));
        let [line] = lines.as_slice() else { panic!("{lines:#?}") };
        assert!(line.starts_with(&format!("external_base `{base}`: ")), "{line}");
    }
    let lines = mistakes("resource = \"orders-api\"\nissuers = [{ issuer = \"https://as.example.com\" }]\n[dpop]\n");
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.starts_with("external_base ``: must say how clients call this service"), "{line}");
}
