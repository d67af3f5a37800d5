//! Documents of authorization servers, and the examples of RFC 9449.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{
    Algorithm, AuthError, HttpClient, HttpFuture, Issuer, Jwk, Jwks, ResourceRequest, ResourceServer, danger,
};

use super::{Case, Vectors, decode, without_bom};

#[tokio::test]
async fn c8414_3_3_a_s4_08_every_published_document_is_used_for_its_own_issuer_only() {
    let Some(vectors) = Vectors::find() else { return };
    let mut outcomes = Vec::new();
    vectors.run("document", |case| {
        outcomes.push((case.file.to_owned(), case.bytes.to_vec()));
        let known = ["parses", "introspection: "];
        if known.iter().any(|start| case.expect().starts_with(start)) { Ok(()) } else { Err(case.expect().into()) }
    });
    for (file, document) in outcomes {
        let json: Option<Value> = serde_json::from_slice(without_bom(&document)).ok();
        let metadata = json.filter(|json| json.get("jwks_uri").is_some());
        if let Some(own) = metadata.as_ref().map(|json| json["issuer"].as_str().unwrap()) {
            assert_eq!(discover(own, &document).await, (Ok(()), true), "{file}");
            assert_eq!(discover(&format!("{own}/"), &document).await, (Err("keys_unavailable"), false), "{file}");
        }
        assert_eq!(discover("https://as.example.com", &document).await, (Err("keys_unavailable"), false), "{file}");
        if file.ends_with(".jwt") {
            assert_eq!(present(&document).await, Err("type_not_accepted"), "{file}");
        }
    }
}

/// Authenticates a token of `issuer` whose metadata is `document`; also tells whether keys were asked for.
async fn discover(issuer: &str, document: &[u8]) -> (Result<(), &'static str>, bool) {
    let test_issuer = TestIssuer::in_process(issuer);
    let keys_asked = Arc::new(Mutex::new(false));
    let client = Canned {
        document: Bytes::copy_from_slice(document),
        keys: test_issuer.jwks().to_string().into(),
        keys_asked: keys_asked.clone(),
    };
    let server = ResourceServer::builder("https://api.example.com", issuer).http_client(client).build().unwrap();
    let token = test_issuer.token().sign();
    let result = server.authenticate(ResourceRequest::bearer(&token).unwrap()).await;
    let asked = *keys_asked.lock().unwrap();
    (result.map(drop).map_err(|error| error.code()), asked)
}

/// An introspection answer sent as an access token to the resource that it is about.
async fn present(token: &[u8]) -> Result<(), &'static str> {
    let token = std::str::from_utf8(token).unwrap().trim();
    let issuer = TestIssuer::in_process("https://as.example.com/");
    let server = ResourceServer::builder("https://rs.example.com/resource", Issuer::new(issuer.url()))
        .http_client(issuer.http_client())
        .build()
        .unwrap();
    let result = server.authenticate(ResourceRequest::bearer(token).unwrap()).await;
    result.map(drop).map_err(|error| error.code())
}

/// The document at every well-known address, and keys wherever else one asks.
struct Canned {
    document: Bytes,
    keys: Bytes,
    keys_asked: Arc<Mutex<bool>>,
}

impl HttpClient for Canned {
    fn send(&self, request: Request<Bytes>, _: usize) -> HttpFuture<'_> {
        let path = request.uri().path();
        let metadata = path.contains("/oauth-authorization-server") || path.contains("/openid-configuration");
        if !metadata {
            *self.keys_asked.lock().unwrap() = true;
        }
        let body = if metadata { &self.document } else { &self.keys };
        let response = Response::builder().header("content-type", "application/json").body(body.clone()).unwrap();
        Box::pin(async { Ok(response) })
    }
}

#[tokio::test]
async fn s2_19_the_examples_of_rfc_9449_have_the_published_keys_and_the_opaque_token_is_no_jwt() {
    let Some(vectors) = Vectors::find() else { return };
    vectors.run("dpop", |case| match case.name.strip_prefix("proof") {
        Some(index) => proof(case, index.parse().unwrap()),
        None => {
            let document = case.json();
            let token = document["opaque_dpop_access_token"][0].as_str().unwrap();
            assert_eq!(token.matches('.').count(), 2);
            let error = danger::verify_jws(token, &Jwks::default(), &[Algorithm::ES256]).unwrap_err();
            if error.code() == "not_a_jwt" { Ok(()) } else { Err(error.to_string()) }
        }
    });
}

/// The signature holds under the embedded key, and that key has the expected thumbprint.
fn proof(case: &Case<'_>, index: usize) -> Result<(), String> {
    let document = case.json();
    let proof = document["proofs"][index].as_str().unwrap();
    let header: Value = serde_json::from_slice(&decode(proof.split('.').next().unwrap()).unwrap()).unwrap();
    let key = Jwk::parse(header["jwk"].to_string().as_bytes()).map_err(|error| error.to_string())?;
    if key.thumbprint() != case.expected["jkt"].as_str() {
        return Err(format!("thumbprint {:?}", key.thumbprint()));
    }
    let payload = danger::verify_jws(proof, &Jwks::from_keys([key]), &[Algorithm::ES256]);
    let payload = payload.map_err(|error: AuthError| error.to_string())?;
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let same = ["htm", "htu", "iat", "jti"].iter().all(|name| claims[name] == case.expected[name]);
    if same { Ok(()) } else { Err(claims.to_string()) }
}
