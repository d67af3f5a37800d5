//! The challenges to the letter, and the strict reader of RFC 9110 section 11.6.1 that every test can use.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use tower::ServiceBuilder;
use tower_bearer::testing::{DpopProof, Endpoint, SigningKey};
use tower_bearer::{Algorithm, AuthLayer, Clock, Dpop, RequireScope, ResourceServer, ResourceServerBuilder};

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
    proof: Option<String>,
    status: StatusCode,
    challenges: Vec<String>,
}

/// The schemes that a server takes: the columns of part C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Takes {
    Bearer,
    Dpop,
    Both,
}

impl Takes {
    pub const COLUMNS: [Takes; 3] = [Takes::Bearer, Takes::Dpop, Takes::Both];

    pub fn fixture(self) -> Fixture {
        self.fixture_with(|builder| builder)
    }

    pub fn fixture_with(self, settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Fixture {
        let dpop = match self {
            Takes::Bearer => Dpop::off(),
            Takes::Dpop => Dpop::require(),
            Takes::Both => Dpop::accept(),
        };
        Fixture::with(|issuer| issuer, |builder| settings(builder.dpop(dpop)))
    }

    /// The challenges where nobody can say which scheme was meant.
    fn all(self, parameters: &str) -> Vec<String> {
        match self {
            Takes::Bearer => vec![bearer_line(parameters)],
            Takes::Dpop => vec![dpop_line(parameters)],
            Takes::Both => vec![bearer_line(parameters), dpop_line(parameters)],
        }
    }

    /// The challenges after an attempt with Bearer.
    fn bearer(self, parameters: &str) -> Vec<String> {
        match self {
            Takes::Bearer => vec![bearer_line(parameters)],
            Takes::Dpop => self.all(NOTHING),
            Takes::Both => vec![bearer_line(parameters), dpop_line(NOTHING)],
        }
    }

    /// The same where DPoP would be no way out.
    fn bearer_alone(self, parameters: &str) -> Vec<String> {
        if self == Takes::Dpop { self.all(NOTHING) } else { vec![bearer_line(parameters)] }
    }

    /// The challenges after an attempt with DPoP.
    fn dpop(self, parameters: &str) -> Vec<String> {
        if self == Takes::Bearer { self.all(NOTHING) } else { vec![dpop_line(parameters)] }
    }

    /// The status of a refusal, which is that of no token where the scheme is not taken.
    fn status(self, scheme: Takes, status: u16) -> u16 {
        if self == scheme || self == Takes::Both { status } else { 401 }
    }
}

fn bearer_line(parameters: &str) -> String {
    format!("Bearer {parameters}resource_metadata=\"{PRM}\"")
}

fn dpop_line(parameters: &str) -> String {
    format!("DPoP {parameters}algs=\"ES256 Ed25519 PS256\", resource_metadata=\"{PRM}\"")
}

const NOTHING: &str = "";
const MALFORMED: &str = r#"error="invalid_request", error_description="Malformed Authorization header", "#;
const SEVERAL: &str = r#"error="invalid_request", error_description="More than one access token was sent", "#;
const BAD: &str = r#"error="invalid_token", error_description="The access token is invalid or expired", "#;
const BOUND: &str = r#"error="invalid_token", error_description="The access token is sender-constrained", "#;
const UNBOUND: &str = r#"error="invalid_token", error_description="The access token is not bound to the proof key", "#;
const PROOF: &str = r#"error="invalid_dpop_proof", error_description="The DPoP proof is missing or invalid", "#;
const STRAY: &str = r#"error="invalid_request", error_description="A DPoP proof needs the DPoP scheme", "#;
const LACKS: &str =
    r#"error="insufficient_scope", error_description="The token lacks a required scope", scope="files:write", "#;
const CERTIFICATE: &str =
    r#"error="invalid_token", error_description="The client certificate does not match the token", "#;

/// Part C of the conformance matrix for a route that needs `files:write`, one column.
pub fn rows(fixture: &Fixture, takes: Takes) -> Vec<Row> {
    let row = |name, authorization: &[&str], proof: Option<DpopProof>, status: u16, challenges| Row {
        name,
        authorization: authorization.iter().map(|&value| value.to_owned()).collect(),
        proof: proof.map(DpopProof::sign),
        status: StatusCode::from_u16(status).unwrap(),
        challenges,
    };
    let as_bearer = |status| takes.status(Takes::Bearer, status);
    let as_dpop = |status| takes.status(Takes::Dpop, status);
    let bearer = |token: &str| format!("Bearer {token}");
    let dpop = |token: &str| format!("DPoP {token}");
    let key = SigningKey::generate(Algorithm::ES256);
    let stranger = SigningKey::generate(Algorithm::ES256);
    let unbound = fixture.token().scope("files:write").sign();
    let bound = fixture.token().scope("files:write").bound_to(&key).sign();
    let narrow = fixture.token().scope("files:read").bound_to(&key).sign();
    let expired = fixture.token().expired().bound_to(&key).sign();
    let certificate = serde_json::json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"});
    let certificate_bound = fixture.token().scope("files:write").claim("cnf", certificate).sign();
    let proof = |token: &str| fixture.proof(&key, token);
    let old = proof(&bound).issued_at(fixture.clock.wall() - Duration::from_secs(301));
    let [unbound_as_bearer, expired_as_dpop] = [bearer(&unbound), dpop(&expired)];
    let mut rows = vec![
        row("1 nothing sent", &[], None, 401, takes.all(NOTHING)),
        row("1 other scheme", &["Basic dTpw"], None, 401, takes.all(NOTHING)),
        row("1 empty", &[""], None, 401, takes.all(NOTHING)),
        row("2 malformed", &["Bearer a b"], None, as_bearer(400), takes.bearer(MALFORMED)),
        row("2 no token", &["Bearer"], None, as_bearer(400), takes.bearer(MALFORMED)),
        row("2 malformed, DPoP", &["DPoP a b"], None, as_dpop(400), takes.dpop(MALFORMED)),
        row("3 two lines", &[&unbound_as_bearer, &unbound_as_bearer], None, 400, takes.all(SEVERAL)),
        row("3 two schemes", &[&unbound_as_bearer, &dpop(&bound)], None, 400, takes.all(SEVERAL)),
        row("3 two in one line", &["Bearer x, DPoP y"], None, 400, takes.all(SEVERAL)),
        row("4 bad token", &[&bearer(&fixture.token().expired().sign())], None, 401, takes.bearer(BAD)),
        row("5 bad token, DPoP", &[&expired_as_dpop], Some(proof(&expired)), 401, takes.dpop(BAD)),
        row("6 bound to a key", &[&bearer(&bound)], None, 401, takes.bearer(BOUND)),
        row("6 with a proof", &[&bearer(&bound)], Some(proof(&bound)), 401, takes.bearer(BOUND)),
        row("7 not bound", &[&dpop(&unbound)], Some(proof(&unbound)), 401, takes.dpop(UNBOUND)),
        row("7 another key", &[&dpop(&bound)], Some(fixture.proof(&stranger, &bound)), 401, takes.dpop(UNBOUND)),
        row("8 no proof", &[&dpop(&bound)], None, 401, takes.dpop(PROOF)),
        row("8 another method", &[&dpop(&bound)], Some(proof(&bound).claim("htm", "PUT")), 401, takes.dpop(PROOF)),
        row("8 old", &[&dpop(&bound)], Some(old), 401, takes.dpop(PROOF)),
        row("11 lacks the scope, DPoP", &[&dpop(&narrow)], Some(proof(&narrow)), as_dpop(403), takes.dpop(LACKS)),
        row(
            "11 lacks the scope",
            &[&bearer(&fixture.token().scope("files:read").sign())],
            None,
            as_bearer(403),
            takes.bearer_alone(LACKS),
        ),
        row("13 bound to a certificate", &[&bearer(&certificate_bound)], None, 401, takes.bearer_alone(CERTIFICATE)),
    ];
    if takes != Takes::Bearer {
        // Where DPoP is off the header is ignored and the token passes.
        let challenges = takes.bearer(STRAY);
        rows.push(row(
            "10 proof beside Bearer",
            &[&unbound_as_bearer],
            Some(proof(&unbound)),
            as_bearer(400),
            challenges,
        ));
    }
    rows
}

pub fn request(row: &Row) -> http::request::Builder {
    let request = row.authorization.iter().fold(get(), |request, value| request.header("authorization", value));
    row.proof.iter().fold(request, |request, proof| request.header("dpop", proof))
}

#[track_caller]
pub fn assert_row(row: &Row, takes: Takes, status: StatusCode, challenges: &[&str]) {
    assert_eq!(status, row.status, "row {}, {takes:?}", row.name);
    assert_eq!(challenges, row.challenges, "row {}, {takes:?}", row.name);
    for line in challenges {
        let challenge = parse(line).unwrap();
        assert_eq!(challenge.parameters["resource_metadata"], PRM, "row {}", row.name);
        assert_eq!(challenge.scheme == "DPoP", challenge.parameters.contains_key("algs"), "row {}", row.name);
        let carries_error = line.contains("error=");
        assert_eq!(challenge.parameters.contains_key("error"), carries_error, "row {}", row.name);
        assert_eq!(challenge.parameters.contains_key("error_description"), carries_error, "row {}", row.name);
    }
}

pub fn needs_files_write(server: &ResourceServer) -> (AuthLayer, RequireScope) {
    (AuthLayer::new(server.clone()), RequireScope::all(["files:write"]))
}

#[tokio::test]
async fn c9110_11_2_a_c9449_7_2_d_c9449_7_1_c_part_c_rows_1_to_13_to_the_letter() {
    for takes in Takes::COLUMNS {
        let fixture = takes.fixture();
        for row in rows(&fixture, takes) {
            let (auth, scope) = needs_files_write(&fixture.server);
            let layers = ServiceBuilder::new().layer(auth).layer(scope);
            let outcome = send_through(layers, request(&row).body(()).unwrap()).await;
            assert_row(&row, takes, outcome.status, &outcome.challenges());
            assert_eq!(outcome.calls, 0, "row {}", row.name);
        }
    }
}

#[tokio::test]
async fn c9449_9_a_part_c_row_9_to_the_letter() {
    for dpop in [Dpop::accept(), Dpop::require()] {
        let secret: Vec<u8> = (0..32).collect();
        let fixture = Fixture::with(|issuer| issuer, |builder| builder.dpop(dpop.nonce_secret(secret)));
        let key = SigningKey::generate(Algorithm::ES256);
        let token = fixture.bound(&key);
        let outcome = fixture.dpop(&token, fixture.proof(&key, &token)).await;
        outcome.assert_udn();
        let error = r#"error="use_dpop_nonce", error_description="A current DPoP nonce is required", "#;
        assert_eq!(outcome.challenges(), [dpop_line(error)]);
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
    let scope = r#"scope="files:read", "#;
    for takes in Takes::COLUMNS {
        let fixture = takes.fixture_with(|builder| builder.challenge_scope(["files:read"]));
        let outcome = fixture.send(get().body(()).unwrap()).await;
        outcome.assert_anon();
        assert_eq!(outcome.challenges(), takes.all(scope));
    }
    let outcome = nothing_sent(|builder| builder.challenge_scope(["files:read", "files:write"])).await;
    for challenge in outcome.challenges() {
        assert_eq!(parse(challenge).unwrap().parameters["scope"], "files:read files:write");
    }
}

#[tokio::test]
async fn c6750_3_1_c_a_scope_to_ask_for_does_not_replace_the_scope_that_lacks() {
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.challenge_scope(["files:read"]));
    let (auth, scope) = needs_files_write(&fixture.server);
    let token = fixture.token().sign();
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let outcome = send_through(ServiceBuilder::new().layer(auth).layer(scope), request).await;
    assert_eq!(outcome.challenges(), [bearer_line(LACKS)]);
}

#[tokio::test]
async fn c9449_7_2_d_part_c_row_1r_names_no_document_where_there_is_none() {
    for (dpop, expected) in [
        (Dpop::off(), vec![r#"Bearer realm="urn:files""#]),
        (Dpop::accept().external_base(RS), vec![r#"Bearer realm="urn:files""#, r#"DPoP algs="ES256 Ed25519 PS256""#]),
        (Dpop::require().external_base(RS), vec![r#"DPoP algs="ES256 Ed25519 PS256""#]),
    ] {
        let fixture = Fixture::new();
        let builder = ResourceServer::builder("urn:files", AS).http_client(fixture.issuer.http_client());
        let server = builder.dpop(dpop).build().unwrap();
        let outcome = send_through(AuthLayer::new(server), get().body(()).unwrap()).await;
        assert_eq!(outcome.challenges(), expected);
    }
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
    for takes in Takes::COLUMNS {
        let fixture = takes.fixture_with(|builder| builder.realm(r#"a"b\c"#));
        for row in rows(&fixture, takes) {
            let (auth, scope) = needs_files_write(&fixture.server);
            let layers = ServiceBuilder::new().layer(auth).layer(scope);
            let outcome = send_through(layers, request(&row).body(()).unwrap()).await;
            let realm = |line: &String| line.replacen(' ', r#" realm="a\"b\\c", "#, 1);
            let expected: Vec<String> = row.challenges.iter().map(realm).collect();
            assert_eq!(outcome.challenges(), expected, "row {}", row.name);
            assert_eq!(parse(&expected[0]).unwrap().parameters["realm"], r#"a"b\c"#);
        }
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
