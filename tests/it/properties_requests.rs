//! Properties of whole requests: what they cost, how they are refused, what they give away.

use std::fmt::{Debug, Display};

use bytes::Bytes;
use http::{Response, StatusCode};
use proptest::prelude::*;
use proptest::sample::select;
use tower::ServiceBuilder;
use tower_bearer::testing::{Endpoint, TokenBuilder, signature_checks};
use tower_bearer::{
    Algorithm, AuthLayer, Issuer, Jwk, Jwks, ProtectedResourceMetadata, RequireScope, ResourceRequest, ResourceServer,
};

use crate::challenge;
use crate::faulty_client::verdict;
use crate::support::{AS, Fixture, RS, get, send_through};
use crate::verdicts::watched;

type Defect = (&'static str, fn(TokenBuilder) -> TokenBuilder);

/// Seen without keys. Whatever stands after another one leaves the token bad.
const CHEAP: [Defect; 13] = [
    ("expired", TokenBuilder::expired),
    ("for another audience", |token| token.audience("urn:other")),
    ("of a stranger", |token| token.claim("iss", "https://evil.example.com")),
    ("of another type", |token| token.typ("dpop+jwt")),
    ("unsigned", |token| token.header("alg", "none")),
    ("of another algorithm", |token| token.header("alg", "ES384")),
    ("with an extension", |token| token.header("crit", ["exp"])),
    ("without subject", |token| token.without("sub")),
    ("a list", |token| token.raw_payload("[]")),
    ("no JSON", |token| token.raw_header("{\"alg\":")),
    ("not yet valid", |token| token.claim("nbf", 4_000_000_000u64)),
    ("with a date of text", |token| token.claim("exp", "never")),
    ("with a scope of numbers", |token| token.claim("scope", 1)),
];

/// Seen with keys only, or fine.
const OTHER: [Defect; 4] = [
    ("good", |token| token),
    ("by an unknown key", |token| token.header("kid", "unknown")),
    ("for another message", |token| token.header("x", 1)),
    ("bound", |token| token.bound_to_key("thumbprint")),
];

fn any_token() -> impl Strategy<Value = Vec<Defect>> {
    proptest::collection::vec(select([&CHEAP[..], &OTHER[..]].concat()), 0..3)
}

fn spoil(token: TokenBuilder, defects: &[Defect]) -> TokenBuilder {
    defects.iter().fold(token, |token, (_, defect)| defect(token))
}

fn on_this_thread<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Defects are functions, whose addresses say nothing.
fn names(defects: &[Defect]) -> Vec<&'static str> {
    defects.iter().map(|(name, _)| *name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn p15_a_cheap_refusal_costs_neither_a_fetch_nor_a_signature(
        defects in proptest::collection::vec(select(CHEAP.to_vec()), 1..4),
    ) {
        let (fixture, asked) = watched();
        let token = spoil(fixture.token(), &defects).sign();
        let before = signature_checks();
        let outcome = on_this_thread(fixture.bearer(&token));
        prop_assert_eq!(outcome.calls, 0, "{:?}", names(&defects));
        prop_assert_eq!((asked.count(), signature_checks()), (0, before), "{:?}", names(&defects));
    }

    /// How a payload is written decides whether it is read before its signature, and nothing else.
    #[test]
    fn the_order_of_the_checks_changes_no_verdict(defects in any_token(), forged in any::<bool>()) {
        prop_assume!(!names(&defects).contains(&"a list"));
        let fixture = Fixture::new();
        prop_assert_eq!(on_this_thread(fixture.bearer(&fixture.token().sign())).code(), "ok");
        let token = spoil(fixture.token(), &defects);
        let spaced = token.clone().raw_payload(token.payload_json().replace("\":", "\" : "));
        let sign = |token: TokenBuilder| if forged { token.with_signature(&[1; 64]) } else { token.sign() };
        let [written, spaced] = [token, spaced].map(|token| on_this_thread(fixture.bearer(&sign(token))).code());
        if forged {
            prop_assert!(written != "ok" && spaced != "ok");
        } else {
            prop_assert_eq!(written, spaced, "{:?}", names(&defects));
        }
    }

    #[test]
    fn p19_every_refusal_has_a_challenge_or_says_when_to_come_back_and_never_both(
        defects in any_token(), form in select(vec!["Bearer TOKEN", "bearer  TOKEN", "Basic TOKEN", "Bearer a b", "DPoP TOKEN", "DPoP", ""]),
        up in any::<bool>(), scope in select(vec!["a", "orders:write"]), optional in any::<bool>(),
    ) {
        let fixture = Fixture::new();
        if !up {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            fixture.issuer.answer_with(Endpoint::Jwks, Some(answer));
        }
        let token = spoil(fixture.token().scope("a"), &defects).sign();
        let auth = AuthLayer::new(fixture.server.clone());
        let auth = if optional { auth.optional() } else { auth };
        let layers = ServiceBuilder::new().layer(auth).layer(RequireScope::all([scope]));
        let request = get().header("authorization", form.replace("TOKEN", &token)).body(()).unwrap();
        let outcome = on_this_thread(send_through(layers, request));
        let retry = outcome.headers.get("retry-after").map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        match outcome.status.as_u16() {
            200 => prop_assert_eq!((outcome.calls, outcome.challenges().len(), retry), (1, 0, None)),
            400 | 401 | 403 => {
                prop_assert_eq!((outcome.calls, outcome.challenges().is_empty(), retry), (0, false, None));
                for line in outcome.challenges() {
                    challenge::parse(line).map_err(TestCaseError::fail)?;
                }
            }
            503 => {
                prop_assert_eq!((outcome.calls, outcome.challenges().len()), (0, 0));
                prop_assert!(!up && retry.is_some_and(|seconds| (1..=60).contains(&seconds)));
            }
            other => prop_assert!(false, "{other}: {:?}", names(&defects)),
        }
    }
}

/// Every text of eight bytes within a secret.
fn assert_silent(shown: &str, secret: &str) -> Result<(), TestCaseError> {
    for window in secret.as_bytes().windows(8) {
        let window = std::str::from_utf8(window).unwrap();
        prop_assert!(!shown.contains(window), "`{window}` of a secret stands in {shown}");
    }
    Ok(())
}

fn shown(value: &(impl Debug + ?Sized)) -> String {
    format!("{value:?} {value:#?}")
}

fn told(value: &(impl Debug + Display)) -> String {
    format!("{value} {}", shown(value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn p20_no_part_of_a_shared_secret_stands_in_any_public_value(secret in "[a-zA-Z0-9]{40}", short in "[a-z]{20}") {
        let issuer = Issuer::new(AS).shared_secret(secret.clone());
        let builder = ResourceServer::builder(RS, issuer.clone());
        let key = Jwk::shared_secret(Algorithm::HS256, Some("1"), secret.as_bytes()).unwrap();
        let mut texts = vec![shown(&issuer), shown(&builder), shown(&key), shown(&Jwks::from_keys([key]))];
        let server = builder.build().unwrap();
        texts.push(shown(&AuthLayer::new(server.clone())));
        texts.push(shown(&ProtectedResourceMetadata::of(&server)));
        texts.push(shown(&server));
        for text in texts {
            assert_silent(&text, &secret)?;
        }
        let refused = ResourceServer::builder(RS, Issuer::new(AS).shared_secret(short.clone())).build().unwrap_err();
        assert_silent(&told(&refused), &short)?;
    }

    #[test]
    fn p20_no_part_of_a_token_or_of_an_unnamed_claim_stands_in_any_public_value(
        defects in any_token(), claim in "[a-zA-Z0-9]{24}",
    ) {
        let fixture = Fixture::new();
        let token = spoil(fixture.token().claim("email", &claim), &defects).sign();
        let request = ResourceRequest::bearer(&token).unwrap();
        let mut texts = vec![shown(&request)];
        texts.push(match on_this_thread(fixture.server.authenticate(request)) {
            Ok(claims) => shown(&claims),
            Err(error) => told(&error),
        });
        let outcome = on_this_thread(fixture.bearer(&token));
        texts.push(shown(&outcome));
        texts.push(shown(&fixture.server));
        for text in texts {
            token.split('.').try_for_each(|part| assert_silent(&text, part))?;
            assert_silent(&text, &claim)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn p22_the_verdict_is_the_same_on_every_kind_of_runtime(
        tokens in proptest::collection::vec(any_token(), 1..4),
    ) {
        let several = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let single = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let [one, two] = [single(), several()].map(|runtime| {
            let fixture = Fixture::new();
            let tokens = tokens.iter().map(|defects| spoil(fixture.token(), defects).sign());
            tokens.map(|token| runtime.block_on(verdict(&fixture.server, &token))).collect::<Vec<_>>()
        });
        prop_assert_eq!(one, two);
    }
}
