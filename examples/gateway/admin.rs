//! `admin_listen`: health and readiness, as JSON, on a listener of their own.

use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower_bearer::{KeyState, ResourceServer};

use crate::reply::{Body, json as json_reply, problem};

pub async fn answer(server: ResourceServer, request: Request<Incoming>) -> Response<Body> {
    if !called_by_address(&request) {
        return problem(StatusCode::MISDIRECTED_REQUEST, "The admin listener answers to its address or localhost only");
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/health") => json_reply(StatusCode::OK, &health(&server)),
        (&Method::GET | &Method::HEAD, "/ready") => ready(&server),
        (_, "/health" | "/ready") => problem(StatusCode::METHOD_NOT_ALLOWED, "Read with GET"),
        _ => problem(StatusCode::NOT_FOUND, "There are /health and /ready"),
    }
}

/// A page in a browser can make it call a name of its own that leads here; such a name is not answered.
fn called_by_address(request: &Request<Incoming>) -> bool {
    let host = request.uri().host().or_else(|| {
        let value = request.headers().get(HOST)?.to_str().ok()?;
        value.parse::<http::uri::Authority>().ok().map(|_| value)
    });
    let Some(host) = host else { return false };
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

fn health(server: &ResourceServer) -> Value {
    let issuers = server.health();
    let missing = issuers.iter().filter(|issuer| issuer.keys == KeyState::Missing).count();
    let fresh = issuers.iter().filter(|issuer| issuer.keys == KeyState::Fresh).count();
    let status = match (fresh == issuers.len(), missing == issuers.len()) {
        (true, _) => "ok",
        (false, true) => "down",
        (false, false) => "degraded",
    };
    let issuers: Vec<Value> = issuers
        .iter()
        .map(|issuer| {
            json!({
                "issuer": issuer.issuer,
                "keys": issuer.keys.as_str(),
                "age_s": issuer.age.map(|age| age.as_secs()),
                "last_error": issuer.last_error,
                "next_attempt_s": issuer.next_attempt.map(|wait| wait.as_secs()),
            })
        })
        .collect();
    json!({"status": status, "issuers": issuers})
}

fn ready(server: &ResourceServer) -> Response<Body> {
    let missing: Vec<String> = server
        .health()
        .into_iter()
        .filter(|issuer| issuer.keys == KeyState::Missing)
        .map(|issuer| issuer.issuer)
        .collect();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_reply(status, &json!({"ready": missing.is_empty(), "missing": missing}))
}
