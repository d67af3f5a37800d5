//! R83 for the whole process: with every library at TRACE no part of a secret is logged or answered.

use http::{Request, Version};
use tower_bearer::Algorithm;
use tower_bearer::testing::{SigningKey, TestIssuer};

use super::client::send;
use super::harness::{Folder, Gateway};
use super::upstream::Upstream;
use crate::privacy::assert_hidden;

const SECRET: &str = "0f8a-the-secret-of-both-sides-7c41d9";
const PARTNER: &str = "https://partner.example.com";

fn file(issuer: &TestIssuer, upstream: &Upstream) -> String {
    format!(
        "upstream = \"{}\"\nmetrics_path = \"/metrics\"\nresource = \"https://api.example.com\"\n\
         [[issuers]]\nissuer = \"{}\"\n[[issuers]]\nissuer = \"{PARTNER}\"\nalgorithms = [\"HS256\"]\n\
         shared_secret = \"{SECRET}\"\n[[rules]]\npath = \"/{{*rest}}\"\naccess = \"authenticated\"\n\
         [[rules]]\npath = \"/a\"\nrequire = \"scope:a\"\n",
        upstream.url(),
        issuer.url()
    )
}

#[tokio::test]
async fn r83_a_gateway_at_trace_level_writes_no_part_of_a_token_or_secret() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|_| async { http::Response::new(super::upstream::full("answer")) }).await;
    let gateway = Gateway::start_in(Folder::new(), &file(&issuer, &upstream), |command| {
        command.env("RUST_LOG", "trace");
    });
    let shared = SigningKey::secret(Algorithm::HS256, SECRET.as_bytes());
    let stranger = SigningKey::generate(Algorithm::ES256);
    let tokens = [
        issuer.token().scope("a"),
        issuer.token(),
        issuer.token().expired(),
        issuer.token().signed_by(&stranger),
        issuer.token().claim("iss", PARTNER).key(&shared),
        issuer.token().raw_payload("{"),
    ]
    .map(|token| token.sign());
    let mut answers = String::new();
    let mut statuses = Vec::new();
    for token in &tokens {
        for (version, kind) in
            [(Version::HTTP_11, "text/plain"), (Version::HTTP_2, "text/plain"), (Version::HTTP_2, "application/grpc")]
        {
            for path in ["/a", "/b", "/a;x"] {
                let request = Request::post(format!("http://{}{path}", gateway.address)).version(version);
                let request = request.header("content-type", kind).header("authorization", format!("Bearer {token}"));
                let reply = send(gateway.address, request.body("").unwrap()).await;
                statuses.push(reply.status.as_u16());
                answers += &format!("{reply:?}");
            }
        }
    }
    for status in [200, 400, 401, 403] {
        assert!(statuses.contains(&status), "{status}");
    }
    answers += gateway.get("/metrics", "").await.text();
    let secrets: Vec<String> = tokens.into_iter().chain([SECRET.to_owned()]).collect();
    assert!(gateway.log().contains("TRACE"));
    assert_hidden(&secrets, &gateway.log());
    assert_hidden(&secrets, &answers);
}
