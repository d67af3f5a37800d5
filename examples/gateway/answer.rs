//! The answer where there is no upstream: what the gateway knows about the request.

use std::time::UNIX_EPOCH;

use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_bearer::Claims;

use crate::reply::{Body, json as json_reply};

/// Method, path and claims as JSON; absent values are `null`.
pub fn describe<B>(request: &Request<B>) -> Response<Body> {
    let claims = request.extensions().get::<Claims>();
    let mut document = json!({
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "anonymous": claims.is_none(),
        "issuer": null, "subject": null, "client_id": null, "expires_at": null, "token_type": null,
        "audience": [], "scopes": [], "roles": [], "claims": {},
    });
    if let (Some(claims), Value::Object(members)) = (claims, &mut document) {
        let end = claims.expires_at().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
        let known = [
            ("issuer", json!(claims.issuer())),
            ("subject", json!(claims.subject())),
            ("client_id", json!(claims.client_id())),
            ("audience", claims.audience().iter().collect()),
            ("scopes", claims.scope().iter().collect()),
            ("roles", claims.roles().collect()),
            ("expires_at", json!(end.map(|since| since.as_secs()))),
            ("token_type", json!(claims.scheme().as_str())),
            ("claims", serde_json::from_str(claims.as_json()).unwrap_or_default()),
        ];
        members.extend(known.map(|(name, value)| (name.to_owned(), value)));
    }
    json_reply(StatusCode::OK, &document)
}
