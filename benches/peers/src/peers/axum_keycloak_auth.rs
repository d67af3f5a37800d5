//! axum-keycloak-auth, before a realm of two documents on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum_keycloak_auth::Url;
use axum_keycloak_auth::instance::{KeycloakAuthInstance, KeycloakConfig};
use axum_keycloak_auth::layer::KeycloakAuthLayer;
use serde_json::json;

use super::Trust;
use crate::app::{App, route, wait};
use crate::tokens::AUDIENCE;

pub fn app(trust: &Trust) -> App {
    let server = Url::parse(&realm(trust.jwks.clone())).expect("an address");
    let instance = wait(async {
        let instance = KeycloakAuthInstance::new(KeycloakConfig::builder().server(server).realm("x".into()).build());
        while !instance.is_operational().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        instance
    });
    let layer = KeycloakAuthLayer::<String>::builder()
        .instance(Arc::new(instance))
        .expected_audiences(vec![AUDIENCE.into()])
        .build();
    App::Router(route().layer(layer).with_state(()))
}

/// Answers the discovery document and the key set, on a thread that sleeps while nobody asks.
fn realm(jwks: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let discovery = json!({
        "issuer": format!("{base}/realms/x"),
        "authorization_endpoint": format!("{base}/auth"),
        "jwks_uri": format!("{base}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever hangs up early asks again.
            let _ = answer(stream, &discovery.to_string(), &jwks);
        }
    });
    base
}

fn answer(mut stream: TcpStream, discovery: &str, jwks: &str) -> std::io::Result<()> {
    let mut head = [0; 4096];
    let length = stream.read(&mut head)?;
    let body = if head[..length].starts_with(b"GET /jwks") { jwks } else { discovery };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
