//! Properties of what a server is told: keys, policies, scopes, and what it remembers.

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_bearer::testing::{SigningKey, TestClaims, TokenBuilder};
use tower_bearer::{Algorithm, AuthLayer, Issuer, Jwks, RequireScope, ResourceServer, ResourceServerBuilder};

use crate::faulty_client::{settle, verdict};
use crate::properties::judge;
use crate::support::{AS, Fixture, RS, get, send_through};
use crate::verdicts::{RSA, with_keys};

static KEYS: LazyLock<[SigningKey; 3]> =
    LazyLock::new(|| [SigningKey::generate(Algorithm::ES256), SigningKey::generate(Algorithm::EdDSA), RSA.clone()]);

const AUDIENCES: [&str; 3] = [RS, "urn:a", "urn:b"];
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256];

#[derive(Debug, Clone)]
struct Policy {
    keys: Vec<usize>,
    algorithms: Vec<Algorithm>,
    audiences: Vec<&'static str>,
    leeway: u64,
}

fn policies() -> impl Strategy<Value = Policy> {
    let some = 1..=3usize;
    let keys = subsequence(vec![0, 1, 2], some.clone());
    let algorithms = subsequence(ALGORITHMS.to_vec(), some.clone());
    let audiences = subsequence(AUDIENCES.to_vec(), some);
    (keys, algorithms, audiences, 0..=300u64).prop_map(|(keys, algorithms, audiences, leeway)| Policy {
        keys,
        algorithms,
        audiences,
        leeway,
    })
}

impl Policy {
    fn server(&self, fixture: &Fixture) -> ResourceServer {
        let set = json!({"keys": self.keys.iter().map(|key| KEYS[*key].jwk()).collect::<Vec<_>>()}).to_string();
        let issuer = Issuer::new(AS).keys(Jwks::parse(set.as_bytes()).unwrap()).algorithms(self.algorithms.clone());
        let builder = ResourceServer::builder(self.audiences[0], issuer);
        let builder = self.audiences[1..].iter().fold(builder, |builder, audience| builder.audience(*audience));
        builder.leeway(Duration::from_secs(self.leeway)).clock(fixture.clock.clone()).build().unwrap()
    }

    /// What both allow; none where they have nothing in common.
    fn meet(&self, other: &Policy) -> Option<Policy> {
        fn both<T: PartialEq + Copy>(one: &[T], two: &[T]) -> Vec<T> {
            one.iter().copied().filter(|item| two.contains(item)).collect()
        }
        let keys = both(&self.keys, &other.keys);
        let algorithms = both(&self.algorithms, &other.algorithms);
        let audiences = both(&self.audiences, &other.audiences);
        let leeway = self.leeway.min(other.leeway);
        let some = !keys.is_empty() && !algorithms.is_empty() && !audiences.is_empty();
        some.then_some(Policy { keys, algorithms, audiences, leeway })
    }
}

/// A token by one of the keys, for one of the audiences, whose times may be over.
fn token(fixture: &Fixture, key: usize, audience: usize, ended: u64) -> String {
    let end = crate::verdicts::now(fixture) - ended;
    fixture.token().key(&KEYS[key]).audience(AUDIENCES[audience]).claim("exp", end).claim("iat", end - 10).sign()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nested, the outer one leaves its claims for the inner one, which must not believe them.
    #[test]
    fn p04_p07_two_servers_with_different_policies_never_share_a_verdict(
        one in policies(), two in policies(), key in 0..3usize, audience in 0..3usize, ended in 0..330u64,
    ) {
        let fixture = Fixture::new();
        let token = token(&fixture, key, audience, ended);
        let fresh = |policy: &Policy| judge(&policy.server(&fixture), &token).is_ok();
        let expected = fresh(&one) && fresh(&two);
        let servers = [one.server(&fixture), two.server(&fixture)];
        for (outer, inner) in [(0, 1), (1, 0), (0, 1)] {
            let auth = |at: usize| AuthLayer::new(servers[at].clone());
            let layers = ServiceBuilder::new().layer(auth(outer)).layer(auth(inner));
            let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
            let outcome = send_through(layers, request).now_or_never().expect("nothing is fetched");
            prop_assert_eq!(outcome.calls == 1, expected);
        }
    }

    #[test]
    fn p11_what_a_smaller_configuration_accepts_a_larger_one_accepts_as_well(
        one in policies(), two in policies(), key in 0..3usize, audience in 0..3usize, ended in 0..330u64,
    ) {
        let fixture = Fixture::new();
        let token = token(&fixture, key, audience, ended);
        let passes = |policy: &Policy| judge(&policy.server(&fixture), &token).is_ok();
        if let Some(smaller) = one.meet(&two)
            && passes(&smaller)
        {
            prop_assert!(passes(&one) && passes(&two), "{smaller:?}");
        }
    }

    #[test]
    fn p12_a_key_that_cannot_be_used_changes_no_verdict(
        places in proptest::collection::vec((any::<prop::sample::Index>(), 0..UNUSABLE.len()), 1..6),
        keys in subsequence(vec![0, 1, 2], 1..=3usize), signer in 0..3usize, kid in any::<bool>(),
    ) {
        let usable: Vec<Value> = keys.iter().map(|key| KEYS[*key].jwk()).collect();
        let mut more = usable.clone();
        for (place, odd) in places {
            let odd = UNUSABLE[odd].replace("KID", KEYS[signer].kid());
            more.insert(place.index(more.len() + 1), serde_json::from_str(&odd).unwrap());
        }
        let (plain, odd) = (with_keys(usable), with_keys(more));
        let token = |fixture: &Fixture| {
            let token = fixture.token().key(&KEYS[signer]);
            let token = if kid { token } else { token.without_header("kid") };
            judge(&fixture.server, &token.sign()).map(drop)
        };
        prop_assert_eq!(token(&plain), token(&odd));
    }

    #[test]
    fn p14_all_of_is_within_any_of_and_more_scopes_never_lose_access(
        held in subsequence(SCOPES.to_vec(), 0..=5usize), more in subsequence(SCOPES.to_vec(), 0..=5usize),
        asked in subsequence(SCOPES.to_vec(), 1..=5usize),
    ) {
        let passes = |layer: RequireScope, scopes: &[&str]| {
            let claims = TestClaims::new().scope(&scopes.join(" ")).build();
            let request = get().extension(claims).body(()).unwrap();
            send_through(layer, request).now_or_never().expect("nothing is fetched").calls == 1
        };
        let (all, any) = (RequireScope::all(asked.clone()), RequireScope::any(asked.clone()));
        let larger = [held.clone(), more].concat();
        prop_assert_eq!(passes(all.clone(), &held), asked.iter().all(|scope| held.contains(scope)));
        prop_assert!(!passes(all.clone(), &held) || passes(any.clone(), &held));
        prop_assert!(!passes(all.clone(), &held) || passes(all, &larger));
        prop_assert!(!passes(any.clone(), &held) || passes(any, &larger));
    }
}

const SCOPES: [&str; 5] = ["orders", "orders:read", "Orders:read", "orders:write", "a"];

const UNUSABLE: [&str; 8] = [
    r#"{"kty":"oct","k":"GawgguFyGrWKav7AX4VKUg","kid":"x"}"#,
    r#"{"kty":"AKP","alg":"ML-DSA-44","kid":"KID"}"#,
    r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"KID"}"#,
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"enc"}"#,
    r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"KID"}"#,
    r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
    "{}",
    "null",
];

#[derive(Debug, Clone)]
enum Step {
    Ask(usize),
    Advance(u64),
    /// The issuer withdraws a key, and every set is due to be read again.
    Withdraw(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4usize).prop_map(Step::Ask),
        2 => (0..400u64).prop_map(Step::Advance),
        1 => (0..3usize).prop_map(Step::Withdraw),
    ];
    proptest::collection::vec(step, 1..25)
}

async fn compare(steps: Vec<Step>, leeway: u64) -> Result<(), TestCaseError> {
    let settings = |builder: ResourceServerBuilder| builder.leeway(Duration::from_secs(leeway));
    let cached = Fixture::with(|issuer| issuer, settings);
    let fresh = ResourceServer::builder(RS, AS).http_client(cached.issuer.http_client());
    let fresh = settings(fresh.clock(cached.clock.clone()).token_cache(0)).build().unwrap();
    KEYS.iter().for_each(|key| drop(cached.issuer.add_key(key.clone())));
    let lives = [200, 900, 5000];
    let life = |at: usize| cached.token().key(&KEYS[at]).expires_in(Duration::from_secs(lives[at]));
    let [one, two, three] = [0, 1, 2].map(life);
    let bound = cached.token().bound_to_key("thumbprint");
    let tokens: Vec<String> = [one, two, three, bound].into_iter().map(TokenBuilder::sign).collect();
    for step in steps {
        match step {
            Step::Ask(at) => {
                let verdicts = (verdict(&cached.server, &tokens[at]).await, verdict(&fresh, &tokens[at]).await);
                prop_assert_eq!(verdicts.0, verdicts.1);
            }
            Step::Advance(seconds) => cached.clock.advance(Duration::from_secs(seconds)),
            Step::Withdraw(key) => {
                cached.issuer.remove_key(KEYS[key].kid());
                cached.clock.advance(Duration::from_secs(340));
            }
        }
        settle().await;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn p06_a_cached_verdict_is_the_verdict_that_would_be_given_now(steps in steps(), leeway in 0..300u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(steps, leeway))?;
    }
}
