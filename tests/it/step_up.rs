//! RFC 9470: requirements on how and when the user was authenticated, and the challenge for a better one.

use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use tower::ServiceBuilder;
use tower_bearer::testing::TokenBuilder;
use tower_bearer::{AuthLayer, Clock, Require, Requirement};

use crate::challenge;
use crate::dpop::Holder;
use crate::support::{Fixture, Outcome, PRM, get, send_through};

async fn ask(fixture: &Fixture, require: Require, token: TokenBuilder) -> Outcome {
    let request = get().header("authorization", format!("Bearer {}", token.sign())).body(()).unwrap();
    send_through(ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone())).layer(require), request).await
}

fn requiring(text: &str) -> Require {
    Require::new(text.parse().unwrap())
}

fn now(fixture: &Fixture) -> u64 {
    fixture.clock.wall().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token whose user was authenticated so many seconds ago.
fn authenticated(fixture: &Fixture, ago: i64) -> TokenBuilder {
    fixture.token().claim("auth_time", now(fixture).checked_add_signed(-ago).unwrap())
}

/// IUA: 401, and the challenge's parameters that say what would do: levels, age, scope.
#[track_caller]
fn wanted(outcome: &Outcome) -> [Option<String>; 3] {
    assert_eq!((outcome.status, outcome.calls), (StatusCode::UNAUTHORIZED, 0), "{outcome:?}");
    assert_eq!(outcome.code(), "insufficient_user_authentication");
    let [line] = outcome.challenges()[..] else { panic!("{outcome:?}") };
    let challenge = challenge::parse(line).unwrap();
    assert_eq!(challenge.parameters["error"], "insufficient_user_authentication");
    let error = outcome.error.as_ref().unwrap();
    let named = ["acr_values", "max_age", "scope"].map(|name| challenge.parameters.get(name).cloned());
    let told = [error.acr_values(), error.max_age().map(|age| age.to_string()).as_deref(), error.required_scope()]
        .map(|text| text.map(String::from));
    assert_eq!(named, told);
    named
}

fn some<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
    texts.map(|text| (!text.is_empty()).then(|| text.to_owned()))
}

#[tokio::test]
async fn c9470_3_a_a_level_that_is_too_low_is_401_and_not_403() {
    let fixture = Fixture::new();
    ask(&fixture, Require::acr(["mfa"]), fixture.token().claim("acr", "mfa")).await.assert_ok();
    for token in [fixture.token().claim("acr", "pwd"), fixture.token(), fixture.token().claim("acr", ["mfa"])] {
        assert_eq!(wanted(&ask(&fixture, Require::acr(["mfa"]), token).await), some(["mfa", "", ""]));
    }
}

#[tokio::test]
async fn c9470_3_a_part_c_row_12_to_the_letter() {
    let fixture = Fixture::new();
    let require = requiring("acr:urn:example:mfa and max_age:300s");
    let outcome = ask(&fixture, require, fixture.token().claim("acr", "pwd")).await;
    let text = "A stronger or newer authentication is required";
    let line = format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"{text}\", \
         acr_values=\"urn:example:mfa\", max_age=\"300\", resource_metadata=\"{PRM}\""
    );
    assert_eq!(outcome.challenges(), [line]);
    let problem: serde_json::Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!((&problem["status"], &problem["error_description"]), (&401.into(), &text.into()));
}

#[tokio::test]
async fn c9470_3_b_the_levels_stand_in_their_order_and_any_of_them_will_do() {
    let fixture = Fixture::new();
    for level in ["a", "b"] {
        ask(&fixture, Require::acr(["a", "b"]), fixture.token().claim("acr", level)).await.assert_ok();
    }
    for require in [Require::acr(["a", "b"]), requiring("acr:a or acr:b"), requiring("any(acr:a, acr:b)")] {
        let outcome = ask(&fixture, require, fixture.token().claim("acr", "c")).await;
        assert_eq!(wanted(&outcome), some(["a b", "", ""]));
    }
}

#[tokio::test]
async fn c9470_3_c_the_age_is_whole_seconds() {
    let fixture = Fixture::new();
    let outcome = ask(&fixture, Require::max_age(Duration::from_secs(300)), fixture.token()).await;
    assert_eq!(wanted(&outcome), some(["", "300", ""]));
    let error = Requirement::try_max_age(Duration::from_millis(1500)).unwrap_err();
    assert_eq!((&*error.problems()[0].setting, &*error.problems()[0].value), ("max_age", "1.5s"));
    assert!(Requirement::try_max_age(Duration::ZERO).is_ok());
    assert!("max_age:1500ms".parse::<Requirement>().is_err());
    let panics = std::panic::catch_unwind(|| Require::max_age(Duration::from_millis(1)));
    assert!(panics.is_err());
    for levels in [&[][..], &["a b"], &["a\"b"], &[""]] {
        assert!(std::panic::catch_unwind(|| Require::acr(levels.iter().copied())).is_err(), "{levels:?}");
    }
}

#[tokio::test]
async fn c9470_6_1_a_the_age_is_judged_by_our_clock_with_the_leeway() {
    let fixture = Fixture::new();
    let require = || Require::max_age(Duration::from_secs(300));
    for ago in [0, 300, 330, -30] {
        ask(&fixture, require(), authenticated(&fixture, ago)).await.assert_ok();
    }
    for token in [authenticated(&fixture, 331), fixture.token(), fixture.token().claim("auth_time", "x")] {
        assert_eq!(wanted(&ask(&fixture, require(), token).await), some(["", "300", ""]));
    }
    // A time that lies ahead is a bad token, wherever it stands in a requirement that is not met without it.
    for text in ["max_age:300s", "scope:none or max_age:300s", "not max_age:300s", "scope:none and max_age:300s"] {
        let outcome = ask(&fixture, requiring(text), authenticated(&fixture, -31)).await;
        outcome.assert_it();
        assert_eq!(outcome.code(), "auth_time_in_future", "{text}");
    }
    ask(&fixture, requiring("sub:alice or max_age:300s"), authenticated(&fixture, -31).subject("alice"))
        .await
        .assert_ok();
    // The same token grows old in the cache.
    let token = authenticated(&fixture, 0).sign();
    for (advance, status) in [(0, 200), (200, 200), (131, 401)] {
        fixture.clock.advance(Duration::from_secs(advance));
        let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone())).layer(require());
        assert_eq!(send_through(layers, request).await.status, status);
    }
}

#[tokio::test]
async fn c9068_2_2_1_a_authentication_claims_are_optional_and_read_by_type() {
    let fixture = Fixture::new();
    let ignored = fixture.token().claim("auth_time", "x").claim("acr", 5).claim("amr", false);
    let outcome = fixture.bearer(&ignored.sign()).await;
    outcome.assert_ok();
    let claims = outcome.claims.unwrap();
    assert_eq!((claims.acr(), claims.auth_time()), (None, None));
    let read = fixture.token().claim("auth_time", 1_800_000_000.9).claim("acr", "mfa").sign();
    let claims = fixture.bearer(&read).await.claims.unwrap();
    assert_eq!(
        (claims.acr(), claims.auth_time()),
        (Some("mfa"), Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
    );
}

#[tokio::test]
async fn c9470_3_d_all_that_lacks_stands_in_one_challenge_and_authentication_comes_first() {
    let fixture = Fixture::new();
    let token = |acr: &str, scope: &str| fixture.token().claim("acr", acr).scope(scope);
    for (text, acr, scope, expected) in [
        ("scope:a and acr:mfa", "pwd", "", ["mfa", "", "a"]),
        ("scope:a and acr:mfa", "pwd", "a", ["mfa", "", ""]),
        ("scope:a and scope:b and acr:mfa", "pwd", "a", ["mfa", "", "a b"]),
        // What the operation asks of the authentication is named whole: a new one must not lose what the old one had.
        ("acr:mfa and max_age:60s", "mfa", "", ["mfa", "60", ""]),
        ("max_age:300s and max_age:60s", "", "", ["", "60", ""]),
        ("role:admin and acr:mfa", "pwd", "", ["mfa", "", ""]),
        // Of alternatives the one that lacks fewest, of equals the first.
        ("scope:a and scope:b or acr:mfa", "pwd", "", ["mfa", "", ""]),
        ("acr:mfa or role:admin", "pwd", "", ["mfa", "", ""]),
        ("majority(acr:mfa, scope:a, scope:b)", "pwd", "b", ["mfa", "", ""]),
        ("(acr:x or acr:y) and (acr:mfa or acr:x)", "x", "", ["", "", ""]),
    ] {
        let outcome = ask(&fixture, requiring(text), token(acr, scope)).await;
        if expected == ["", "", ""] {
            outcome.assert_ok();
        } else {
            assert_eq!(wanted(&outcome), some(expected), "{text}");
        }
    }
    for text in ["scope:a and acr:mfa", "role:admin or acr:hw", "majority(scope:a, scope:b, acr:hw)"] {
        ask(&fixture, requiring(text), token("mfa", "")).await.assert_is();
    }
}

#[tokio::test]
async fn c9470_9_a_who_holds_no_valid_token_learns_nothing_of_the_policy() {
    let fixture = Fixture::new();
    let outcome = ask(&fixture, Require::acr(["mfa"]), fixture.token().claim("acr", "pwd").expired()).await;
    outcome.assert_it();
    assert!(!outcome.challenges()[0].contains("acr"), "{outcome:?}");
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
    let outcome = send_through(layers.layer(Require::acr(["mfa"])), get().body(()).unwrap()).await;
    outcome.assert_anon();
    assert!(!outcome.challenges()[0].contains("acr"), "{outcome:?}");
}

#[tokio::test]
async fn c9470_3_e_who_came_with_dpop_is_challenged_in_dpop() {
    let holder = Holder::new();
    let token = holder.fixture.token().bound_to_key(&holder.key.thumbprint()).claim("acr", "pwd").sign();
    let proof = holder.proof().token(&token).sign();
    let request = get().header("authorization", format!("DPoP {token}")).header("dpop", proof).body(()).unwrap();
    let layers = ServiceBuilder::new().layer(AuthLayer::new(holder.fixture.server.clone()));
    let outcome = send_through(layers.layer(requiring("acr:mfa and max_age:300s")), request).await;
    assert_eq!(wanted(&outcome), some(["mfa", "300", ""]));
    let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
    assert_eq!((challenge.scheme.as_str(), challenge.parameters.contains_key("algs")), ("DPoP", true));
}
