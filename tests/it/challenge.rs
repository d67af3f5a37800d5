//! The challenges to the letter, and the strict reader of RFC 9110 section 11.6.1 that every test can use.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use tower::ServiceBuilder;
use tower_bearer::testing::Endpoint;
use tower_bearer::{AuthLayer, RequireScope, ResourceServer};

use crate::support::{AS, Fixture, Outcome, PRM, RS, get, send_through};

/// One challenge, read strictly.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    pub scheme: String,
    pub parameters: BTreeMap<String, String>,
}

/// Reads one field line that holds one challenge: a scheme, one space, then lower-case names, each once,
/// with quoted-strings, separated by a comma and a space. Nothing more is forgiven.
pub fn parse(line: &str) -> Result<Challenge, String> {
    let (scheme, mut rest) = line.split_once(' ').ok_or("a bare scheme (RFC 6750 section 3)")?;
    if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("the scheme is `{scheme}`"));
    }
    let mut parameters = BTreeMap::new();
    loop {
        let (name, tail) = rest.split_once("=\"").ok_or_else(|| format!("no quoted-string in `{rest}`"))?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(format!("the name is `{name}`"));
        }
        let (value, tail) = quoted(tail)?;
        if parameters.insert(name.to_owned(), value).is_some() {
            return Err(format!("`{name}` stands twice"));
        }
        if tail.is_empty() {
            break;
        }
        rest = tail.strip_prefix(", ").ok_or_else(|| format!("`{tail}` follows a value"))?;
    }
    check_charsets(&parameters)?;
    Ok(Challenge { scheme: scheme.into(), parameters })
}

/// The value of a quoted-string whose opening quote was read, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[index + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                other => return Err(format!("{other:?} is escaped without need")),
            },
            ' '..='~' => value.push(character),
            other => return Err(format!("{other:?} in a quoted-string")),
        }
    }
    Err("a quoted-string without end".into())
}

/// RFC 6750 section 3: these values need no escape at all.
fn check_charsets(parameters: &BTreeMap<String, String>) -> Result<(), String> {
    for name in ["error", "error_description", "scope"] {
        let value = parameters.get(name).map_or("", String::as_str);
        if value.contains(['"', '\\']) {
            return Err(format!("{name} is `{value}`"));
        }
    }
    match parameters.get("scope") {
        Some(scope) if scope.split(' ').any(str::is_empty) => Err(format!("scope is `{scope}`")),
        _ => Ok(()),
    }
}

/// What to send, and what must come back to the letter.
pub struct Row {
    name: &'static str,
    authorization: Vec<String>,
    status: StatusCode,
    challenge: String,
}

const NOTHING: &str = "";
const MALFORMED: &str = r#"error="invalid_request", error_description="Malformed Authorization header", "#;
const SEVERAL: &str = r#"error="invalid_request", error_description="More than one access token was sent", "#;
const BAD: &str = r#"error="invalid_token", error_description="The access token is invalid or expired", "#;
const BOUND: &str = r#"error="invalid_token", error_description="The access token is sender-constrained", "#;
const LACKS: &str =
    r#"error="insufficient_scope", error_description="The token lacks a required scope", scope="files:write", "#;
const CERTIFICATE: &str =
    r#"error="invalid_token", error_description="The client certificate does not match the token", "#;

/// Part C of the conformance matrix, column "Bearer only", for a route that needs `files:write`.
pub fn rows(fixture: &Fixture) -> Vec<Row> {
    let row = |name, authorization: &[&str], status: u16, parameters: &str| Row {
        name,
        authorization: authorization.iter().map(|&value| value.to_owned()).collect(),
        status: StatusCode::from_u16(status).unwrap(),
        challenge: format!("Bearer {parameters}resource_metadata=\"{PRM}\""),
    };
    let bearer = |token: String| format!("Bearer {token}");
    let good = bearer(fixture.token().scope("files:write").sign());
    let proof_bound = bearer(fixture.token().scope("files:write").bound_to_key("thumbprint").sign());
    let certificate = serde_json::json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"});
    let certificate_bound = bearer(fixture.token().scope("files:write").claim("cnf", certificate).sign());
    vec![
        row("1 nothing sent", &[], 401, NOTHING),
        row("1 other scheme", &["Basic dTpw"], 401, NOTHING),
        row("1 empty", &[""], 401, NOTHING),
        row("2 malformed", &["Bearer a b"], 400, MALFORMED),
        row("2 no token", &["Bearer"], 400, MALFORMED),
        row("3 two lines", &[&good, &good], 400, SEVERAL),
        row("3 two in one line", &["Bearer x, DPoP y"], 400, SEVERAL),
        row("4 bad token", &[&bearer(fixture.token().expired().sign())], 401, BAD),
        row("5 DPoP scheme", &[&good.replace("Bearer", "DPoP")], 401, NOTHING),
        row("6 bound to a key", &[&proof_bound], 401, BOUND),
        row("11 lacks the scope", &[&bearer(fixture.token().scope("files:read").sign())], 403, LACKS),
        row("13 bound to a certificate", &[&certificate_bound], 401, CERTIFICATE),
    ]
}

pub fn request(row: &Row) -> http::request::Builder {
    row.authorization.iter().fold(get(), |request, value| request.header("authorization", value))
}

#[track_caller]
pub fn assert_row(row: &Row, status: StatusCode, challenges: &[&str]) {
    assert_eq!(status, row.status, "row {}", row.name);
    assert_eq!(challenges, [row.challenge.as_str()], "row {}", row.name);
    let challenge = parse(challenges[0]).unwrap();
    assert_eq!(challenge.scheme, "Bearer", "row {}", row.name);
    assert_eq!(challenge.parameters["resource_metadata"], PRM, "row {}", row.name);
    let carries_error = row.challenge.contains("error=");
    assert_eq!(challenge.parameters.contains_key("error"), carries_error, "row {}", row.name);
    assert_eq!(challenge.parameters.contains_key("error_description"), carries_error, "row {}", row.name);
}

pub fn needs_files_write(server: &ResourceServer) -> (AuthLayer, RequireScope) {
    (AuthLayer::new(server.clone()), RequireScope::all(["files:write"]))
}

#[tokio::test]
async fn c9110_11_2_a_part_c_rows_1_to_13_to_the_letter() {
    let fixture = Fixture::new();
    for row in rows(&fixture) {
        let (auth, scope) = needs_files_write(&fixture.server);
        let layers = ServiceBuilder::new().layer(auth).layer(scope);
        let outcome = send_through(layers, request(&row).body(()).unwrap()).await;
        assert_row(&row, outcome.status, &outcome.challenges());
        assert_eq!(outcome.calls, 0, "row {}", row.name);
    }
}

async fn nothing_sent(
    settings: impl FnOnce(tower_bearer::ResourceServerBuilder) -> tower_bearer::ResourceServerBuilder,
) -> Outcome {
    let outcome = Fixture::with(|issuer| issuer, settings).send(get().body(()).unwrap()).await;
    outcome.assert_anon();
    outcome
}

/// The challenge of a server for another audience.
async fn challenge_of(audience: &str) -> String {
    let fixture = Fixture::new();
    let builder = ResourceServer::builder(audience, AS).http_client(fixture.issuer.http_client());
    let server = builder.build().unwrap();
    send_through(AuthLayer::new(server), get().body(()).unwrap()).await.challenges()[0].to_owned()
}

#[tokio::test]
async fn c9110_11_2_a_part_c_row_1s_names_the_scopes_to_ask_for() {
    let outcome = nothing_sent(|builder| builder.challenge_scope(["files:read"])).await;
    assert_eq!(outcome.challenges(), [format!(r#"Bearer scope="files:read", resource_metadata="{PRM}""#)]);
    let outcome = nothing_sent(|builder| builder.challenge_scope(["files:read", "files:write"])).await;
    assert_eq!(parse(outcome.challenges()[0]).unwrap().parameters["scope"], "files:read files:write");
}

#[tokio::test]
async fn c6750_3_1_c_a_scope_to_ask_for_does_not_replace_the_scope_that_lacks() {
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.challenge_scope(["files:read"]));
    let (auth, scope) = needs_files_write(&fixture.server);
    let token = fixture.token().sign();
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let outcome = send_through(ServiceBuilder::new().layer(auth).layer(scope), request).await;
    assert_eq!(outcome.challenges(), [format!(r#"Bearer {LACKS}resource_metadata="{PRM}""#)]);
}

#[tokio::test]
async fn c6750_3_b_part_c_row_1r_without_a_document_the_realm_keeps_the_challenge_from_being_bare() {
    assert_eq!(challenge_of("urn:files").await, r#"Bearer realm="urn:files""#);
    assert_eq!(challenge_of(RS).await, format!(r#"Bearer resource_metadata="{PRM}""#));
}

#[tokio::test]
async fn c6750_3_a_an_audience_of_odd_characters_still_makes_a_challenge_that_parses() {
    for path in ["\u{e9}", "\u{7f}", "a b", "\"x", "{x}", "\\"] {
        let challenge = challenge_of(&format!("{RS}/{path}")).await;
        let challenge = parse(&challenge).unwrap();
        assert!(!challenge.parameters.contains_key("resource_metadata"), "{challenge:?}");
        assert!(challenge.parameters["realm"].starts_with(RS), "{challenge:?}");
    }
    assert_eq!(challenge_of("\u{e9}").await, "Bearer realm=\"\"");
}

#[tokio::test]
async fn c6750_3_c_a_realm_set_by_hand_stands_once_in_every_challenge_and_is_quoted() {
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.realm(r#"a"b\c"#));
    for row in rows(&fixture) {
        let (auth, scope) = needs_files_write(&fixture.server);
        let layers = ServiceBuilder::new().layer(auth).layer(scope);
        let outcome = send_through(layers, request(&row).body(()).unwrap()).await;
        let expected = row.challenge.replacen("Bearer ", r#"Bearer realm="a\"b\\c", "#, 1);
        assert_eq!(outcome.challenges(), [expected.as_str()], "row {}", row.name);
        assert_eq!(parse(&expected).unwrap().parameters["realm"], r#"a"b\c"#);
    }
}

#[tokio::test]
async fn c6750_3_a_part_c_row_14_an_outage_carries_retry_after_and_no_challenge() {
    let fixture = Fixture::new();
    let outage = Response::builder().status(503).body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(outage));
    let outcome = fixture.bearer(&fixture.token().sign()).await;
    outcome.assert_dep();
    let seconds: u64 = outcome.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{outcome:?}");
    let problem: serde_json::Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!(problem, serde_json::json!({"title": "Service Unavailable", "status": 503}));
}

#[test]
fn the_reader_of_challenges_refuses_what_is_not_strict() {
    assert!(parse(r#"Bearer realm="a\"b", error="x""#).is_ok());
    for bad in [
        "Bearer",
        "Bearer ",
        r#"Bearer realm=a"#,
        r#"Bearer Realm="a""#,
        r#"Bearer realm="a", realm="b""#,
        r#"Bearer realm="a" , error="b""#,
        r#"Bearer realm="a","#,
        r#"Bearer realm="a"#,
        r#"Bearer  realm="a""#,
        "Bearer realm=\"\u{e9}\"",
        r#"Bearer error="a\"b""#,
        r#"Bearer scope="a  b""#,
        r#"Bearer scope="""#,
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
