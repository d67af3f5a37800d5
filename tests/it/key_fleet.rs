//! Long outages, fleets, and what a set without names costs.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use tower_bearer::testing::Endpoint;
use tower_bearer::{Algorithm, HttpError, Issuer, KeyState, ResourceServer};

use crate::faulty_client::{FaultyClient, Mode, ask, long_lived, pass, running, settle, verdict};
use crate::support::{AS, Fixture, RS};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> Mode {
    Mode::Fail(HttpError::Connection("refused".into()))
}

#[tokio::test]
async fn r18_an_issuer_that_comes_and_goes_for_an_hour_costs_no_request_and_few_fetches() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    for round in 0..360 {
        client.set(if round % 2 == 0 { down() } else { Mode::Pass });
        pass(&fixture, 10, SECOND).await;
        fixture.bearer(&token).await.assert_ok();
    }
    assert!((10..=100).contains(&client.key_fetches()), "{}", client.key_fetches());
}

#[tokio::test]
async fn r23_a_fleet_comes_back_spread_out() {
    let fixture = Fixture::new();
    let client = FaultyClient::new(fixture.issuer.http_client());
    let token = long_lived(&fixture);
    let instance = || {
        let builder = ResourceServer::builder(RS, AS).clock(fixture.clock.clone()).http_client(client.clone());
        builder.build().unwrap()
    };
    let fleet: Vec<ResourceServer> = (0..200).map(|_| instance()).collect();
    for server in &fleet {
        assert_eq!(verdict(server, &token).await, "ok");
    }
    client.set(down());
    pass(&fixture, 240, 15 * SECOND).await;
    client.set(Mode::Pass);
    let mut busiest = 0;
    for _ in 0..65 {
        let before = client.key_fetches();
        pass(&fixture, 1, SECOND).await;
        settle().await;
        busiest = busiest.max(client.key_fetches() - before);
    }
    // An instance is a task among 200 here, so the last ones may need another turn to be counted.
    settle().await;
    assert!(fleet.iter().all(|server| server.health()[0].keys == KeyState::Fresh));
    assert!(busiest <= 20, "{busiest} of 200 came in one second");
}

#[tokio::test]
async fn r32_a_replaced_key_without_a_name_is_found_with_one_fetch_and_forgeries_cause_two_a_minute() {
    let fixture = Fixture::new();
    let old = fixture.issuer.key();
    let nameless = |fixture: &Fixture| fixture.token().without_header("kid").expires_in(Duration::from_secs(7200));
    fixture.bearer(&nameless(&fixture).sign()).await.assert_ok();
    fixture.issuer.remove_key(old.kid());
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.bearer(&nameless(&fixture).sign()).await.assert_ok();
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks), 2);
    for _ in 0..60 {
        fixture.clock.advance(SECOND);
        for _ in 0..10 {
            fixture.bearer(&nameless(&fixture).signed_by(&old).sign()).await.assert_it();
        }
    }
    assert!(fixture.issuer.requests(Endpoint::Jwks) <= 4, "{}", fixture.issuer.requests(Endpoint::Jwks));
    let named = fixture.token().signed_by(&old).sign();
    let before = fixture.issuer.requests(Endpoint::Jwks);
    fixture.clock.advance(40 * SECOND);
    assert_eq!(verdict(&fixture.server, &named).await, "signature_invalid");
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks), before, "a bad signature under a known name fetches nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r37_sixteen_askers_at_one_instant_cause_one_fetch_in_each_round() {
    let (fixture, client) = running().await;
    for round in 0..50 {
        // Past the cool-down, and short of the next regular refresh, which is another reason to fetch.
        fixture.server.refresh_now().await.unwrap();
        fixture.clock.advance(31 * SECOND);
        let before = client.key_fetches();
        let token = fixture.token().header("kid", format!("unknown-{round}")).sign();
        let askers: Vec<_> = (0..16).map(|_| ask(&fixture.server, &token)).collect();
        for asker in askers {
            assert_eq!(asker.await.unwrap(), "key_unknown");
        }
        assert_eq!(client.key_fetches() - before, 1, "round {round}");
    }
}

#[tokio::test]
async fn r44_an_attempt_that_was_given_up_brings_nothing_later() {
    let (fixture, client) = running().await;
    let (old, token) = (fixture.issuer.key(), long_lived(&fixture));
    client.set(Mode::Hold);
    let refresh = tokio::spawn({
        let server = fixture.server.clone();
        async move { server.refresh_now().await.is_ok() }
    });
    settle().await;
    pass(&fixture, 6, SECOND).await;
    assert!(!refresh.await.unwrap(), "given up after five seconds");
    fixture.issuer.remove_key(old.kid());
    fixture.issuer.rotate_key(Algorithm::ES256);
    client.set(Mode::Pass);
    fixture.server.refresh_now().await.unwrap();
    assert_eq!(verdict(&fixture.server, &token).await, "key_unknown");
    pass(&fixture, 5, SECOND).await;
    assert_eq!(verdict(&fixture.server, &token).await, "key_unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r54_each_request_is_judged_by_one_configuration_while_it_is_swapped() {
    let fixture = Fixture::new();
    let keys = tower_bearer::Jwks::parse(fixture.issuer.jwks().to_string().as_bytes()).unwrap();
    let server =
        |audience: &str| ResourceServer::builder(audience, Issuer::new(AS).keys(keys.clone())).build().unwrap();
    let servers = [server(RS), server("https://other.example.com")];
    let token = fixture.token().sign();
    let current = Arc::new(RwLock::new(0));
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (current, servers, token) = (current.clone(), servers.clone(), token.clone());
            tokio::spawn(async move {
                for _ in 0..500 {
                    let index = *current.read().unwrap();
                    let expected = ["ok", "audience_mismatch"][index];
                    assert_eq!(verdict(&servers[index], &token).await, expected);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 0..1000 {
        *current.write().unwrap() = round % 2;
        tokio::task::yield_now().await;
    }
    for asker in askers {
        asker.await.unwrap();
    }
}
