//! `[mtls]`: tokens bound to a client certificate that a proxy in front passes on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use tower_bearer::testing::TestIssuer;

use super::harness::{Gateway, top};
use super::mistakes::mistakes;
use super::upstream::Upstream;

const CERTIFICATE: &[u8] = b"\x30\x82the certificate of the client";

fn request(token: &str, certificate: &[u8]) -> http::request::Builder {
    let request = Request::get("/a").header("authorization", format!("Bearer {token}"));
    request.header("client-cert", format!(":{}:", STANDARD.encode(certificate)))
}

#[tokio::test]
async fn c9440_a_c8705_3_a_the_field_of_a_trusted_proxy_binds_and_that_of_others_does_not() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token().bound_to_certificate(CERTIFICATE).sign();
    let trusting = "[mtls]\nclient_cert_header = \"Client-Cert\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n";
    let gateway = Gateway::start(&format!("{}{trusting}", top(&issuer)));
    for _ in 0..2 {
        assert_eq!(gateway.send(request(&token, CERTIFICATE)).await.status, 200);
        assert_eq!(gateway.send(request(&token, b"\x30other")).await.status, 401);
        assert_eq!(gateway.get("/a", &token).await.status, 401);
    }
    assert_eq!(gateway.get("/a", &issuer.token().sign()).await.status, 200);
    let document = gateway.get("/.well-known/oauth-protected-resource", "").await.json();
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);

    let distrusting = trusting.replace("127.0.0.1/32", "192.0.2.0/24");
    for file in [&distrusting, ""] {
        let gateway = Gateway::start(&format!("{}{file}", top(&issuer)));
        let refused = gateway.send(request(&token, CERTIFICATE)).await;
        assert_eq!(refused.status, 401);
        let line = refused.headers["www-authenticate"].to_str().unwrap();
        assert!(line.contains("The client certificate does not match the token"), "{line}");
    }
}

#[tokio::test]
async fn c9440_a_the_field_reaches_the_upstream_on_no_path() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let token = issuer.token().sign();
    let rules = "[[rules]]\npath = \"/a\"\naccess = \"authenticated\"\n[[rules]]\npath = \"/p\"\naccess = \"public\"\n";
    let mtls = |proxy: &str| format!("[mtls]\ntrusted_proxies = [\"{proxy}\"]\n");
    for section in [String::new(), mtls("192.0.2.1"), mtls("127.0.0.1")] {
        let file = format!("upstream = \"{}\"\n{}{section}{rules}", upstream.url(), top(&issuer));
        let gateway = Gateway::start(&file);
        for path in ["/a", "/p"] {
            let reply = gateway.send(request(&token, CERTIFICATE).uri(path).header("client-cert-chain", "x")).await;
            assert_eq!(reply.status, 200, "{section}{path}");
            assert!(!reply.text().contains("client-cert"), "{section}{path}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn mistakes_of_the_section_end_the_start() {
    let issuer = TestIssuer::start().await;
    for (file, key) in [
        ("[mtls]\n", "mtls.client_cert_header"),
        ("[mtls]\nclient_cert_header = \"Client-Cert\"\n", "mtls.client_cert_header"),
        ("[mtls]\ntrusted_proxies = [\"10.0.0.0/64\"]\n", "mtls.trusted_proxies"),
        ("[mtls]\ntrusted_proxies = [\"::1\"]\nclient_cert_header = \"a b\"\n", "mtls.client_cert_header"),
        ("[mtls]\ntrusted_proxies = [\"::1\"]\nheader = \"x\"\n", "mtls.header"),
        ("[mtls]\ntrusted_proxies = []\n", "mtls.trusted_proxies"),
    ] {
        let lines = mistakes(&format!("{}{file}", top(&issuer)));
        assert!(lines.iter().any(|line| line.contains(key)), "{file}: {lines:?}");
    }
}
