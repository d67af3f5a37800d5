//! Verified tokens are remembered, and every hit is judged again.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::testing::signature_checks;
use tower_bearer::{Clock, Issuer, ResourceServer, ResourceServerBuilder};

use crate::faulty_client::{faulty, long_lived, running, verdict};
use crate::support::{AS, Fixture};

const SECOND: Duration = Duration::from_secs(1);

/// The verdict and how many signatures it cost.
async fn cost(fixture: &Fixture, token: &str) -> (&'static str, u64) {
    let before = signature_checks();
    let verdict = verdict(&fixture.server, token).await;
    (verdict, signature_checks() - before)
}

async fn warm(settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Fixture {
    let fixture = Fixture::with(|issuer| issuer, settings);
    // A whole second, in which tokens are dated.
    let second = fixture.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    fixture.clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
    fixture.server.warm_up().await.unwrap();
    fixture
}

#[tokio::test]
async fn a_token_is_verified_once_unless_the_cache_is_off() {
    for (bytes, second) in [(32 * 1024 * 1024, 0), (0, 1)] {
        let fixture = warm(|builder| builder.token_cache(bytes)).await;
        let token = fixture.token().sign();
        assert_eq!(cost(&fixture, &token).await, ("ok", 1));
        assert_eq!(cost(&fixture, &token).await, ("ok", second));
    }
}

#[tokio::test]
async fn s7_01_tokens_that_share_header_beginning_end_and_jti_are_judged_separately() {
    let fixture = warm(|builder| builder).await;
    let token = |middle: &str| {
        let pad = "a".repeat(1200);
        fixture.token().claim("jti", "same").claim("aaa", &pad).claim("mmm", middle).claim("zzz", &pad)
    };
    let good = token("user").sign();
    assert_eq!(cost(&fixture, &good).await, ("ok", 1));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let forged = URL_SAFE_NO_PAD.encode(json.replace("\"user\"", "\"root\""));
    let forged = format!("{header}.{forged}.{signature}");
    assert_eq!((forged.len(), &forged[..1024]), (good.len(), &good[..1024]));
    assert_eq!(cost(&fixture, &forged).await, ("signature_invalid", 1));
    for place in [0, header.len() + 1, header.len() + payload.len() / 2, good.len() - 40] {
        let mut altered = good.clone();
        let other = if &good[place..=place] == "A" { "B" } else { "A" };
        altered.replace_range(place..=place, other);
        assert_ne!(verdict(&fixture.server, &altered).await, "ok", "{place}");
    }
    assert_eq!(cost(&fixture, &token("root").sign()).await, ("ok", 1));
    assert_eq!(cost(&fixture, &good).await, ("ok", 0));
}

#[tokio::test]
async fn r53_s7_03_s4_14_two_servers_never_share_a_verdict() {
    let fixture = warm(|builder| builder).await;
    let other = ResourceServer::builder("https://b.example.com", Issuer::new(AS));
    let other = other.clock(fixture.clock.clone()).http_client(fixture.issuer.http_client()).build().unwrap();
    let token = fixture.token().sign();
    for _ in 0..3 {
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
        assert_eq!(verdict(&other, &token).await, "audience_mismatch");
    }
    // A clone is the same server.
    let before = signature_checks();
    assert_eq!(verdict(&fixture.server.clone(), &token).await, "ok");
    assert_eq!(signature_checks(), before);
}

#[tokio::test]
async fn r48_s7_05_a_cached_token_ends_at_its_exp_and_the_leeway_without_flicker() {
    let fixture = warm(|builder| builder).await;
    let token = fixture.token().expires_in(2 * SECOND).sign();
    for tenth in 0..700 {
        let expected = if tenth < 320 { "ok" } else { "token_expired" };
        assert_eq!(verdict(&fixture.server, &token).await, expected, "{tenth}");
        fixture.clock.advance(SECOND / 10);
    }
}

#[tokio::test]
async fn s7_05_a_hit_ends_with_the_token_and_costs_no_signature() {
    let fixture = warm(|builder| builder.leeway(Duration::ZERO)).await;
    let token = fixture.token().expires_in(2 * SECOND).sign();
    assert_eq!(cost(&fixture, &token).await, ("ok", 1));
    fixture.clock.advance(SECOND);
    assert_eq!(cost(&fixture, &token).await, ("ok", 0));
    fixture.clock.advance(SECOND);
    assert_eq!(cost(&fixture, &token).await, ("token_expired", 0));
}

#[tokio::test]
async fn an_entry_lives_five_minutes_or_as_long_as_was_set() {
    for (ttl, lives) in [(None, 300), (Some(60), 60)] {
        let fixture = warm(|builder| match ttl {
            Some(ttl) => builder.token_cache_ttl(ttl * SECOND),
            None => builder,
        })
        .await;
        let token = long_lived(&fixture);
        assert_eq!(cost(&fixture, &token).await, ("ok", 1));
        fixture.clock.advance(lives * SECOND - Duration::from_millis(1));
        assert_eq!(cost(&fixture, &token).await, ("ok", 0));
        fixture.clock.advance(Duration::from_millis(1));
        assert_eq!(cost(&fixture, &token).await, ("ok", 1));
    }
}

#[tokio::test]
async fn s7_06_a_hit_does_not_outlive_the_key() {
    let (fixture, _client) = running().await;
    let (token, old) = (long_lived(&fixture), fixture.issuer.key());
    assert_eq!(cost(&fixture, &token).await, ("ok", 1));
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    assert_eq!(cost(&fixture, &token).await, ("ok", 0));
    // The new key's first token brings the new set.
    assert_eq!(verdict(&fixture.server, &fixture.token().sign()).await, "ok");
    assert_eq!(cost(&fixture, &token).await, ("key_unknown", 0));
}

#[tokio::test]
async fn s7_08_a_refusal_is_never_stored() {
    let fixture = warm(|builder| builder).await;
    let forged = fixture.token().with_signature(&[7; 64]);
    assert_eq!(cost(&fixture, &forged).await, ("signature_invalid", 1));
    assert_eq!(cost(&fixture, &forged).await, ("signature_invalid", 1));
    let (cold, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(crate::faulty_client::Mode::Fail(tower_bearer::HttpError::Timeout));
    let token = cold.token().sign();
    assert_eq!(verdict(&cold.server, &token).await, "keys_unavailable");
    client.set(crate::faulty_client::Mode::Pass);
    cold.clock.advance(SECOND);
    assert_eq!(verdict(&cold.server, &token).await, "ok");
}

#[tokio::test]
async fn r49_s7_09_a_flood_of_bad_tokens_evicts_nothing() {
    // A cache that holds a handful of tokens.
    let fixture = warm(|builder| builder.token_cache(16 * 1024)).await;
    let good = fixture.token().sign();
    assert_eq!(verdict(&fixture.server, &good).await, "ok");
    for n in 0..2000_u32 {
        let bad = match n % 4 {
            0 => fixture.token().with_signature(&[7; 64]),
            1 => fixture.token().expired().with_signature(&[7; 64]),
            2 => fixture.token().audience("https://other.example").with_signature(&[7; 64]),
            _ => format!("{good}{n}"),
        };
        assert_ne!(verdict(&fixture.server, &bad).await, "ok");
    }
    assert_eq!(cost(&fixture, &good).await, ("ok", 0));
}

#[tokio::test]
async fn r50_s7_10_a_hot_token_survives_a_flood_of_good_ones_in_a_bounded_cache() {
    let fixture = warm(|builder| builder.token_cache(256 * 1024)).await;
    let hot = fixture.token().sign();
    let (mut hits, mut asked) = (0, 0);
    let mut flood = Vec::new();
    for n in 0..2000 {
        flood.push(fixture.token().claim("n", n).sign());
        assert_eq!(cost(&fixture, &flood[n]).await, ("ok", 1));
        for _ in 0..3 {
            let (verdict, checks) = cost(&fixture, &hot).await;
            assert_eq!(verdict, "ok");
            (hits, asked) = (hits + 1 - checks, asked + 1);
        }
    }
    assert!(hits * 10 >= asked * 9, "{hits} of {asked}");
    // Each entry weighs more than 512 bytes, so this many fit and no more.
    let before = signature_checks();
    for token in &flood {
        assert_eq!(verdict(&fixture.server, token).await, "ok");
    }
    let kept = 2000 - (signature_checks() - before);
    assert!(kept <= 512, "{kept}");
}

#[tokio::test]
async fn s7_11_a_token_over_four_kib_is_verified_each_time() {
    let fixture = warm(|builder| builder).await;
    let sized = |fill: usize| fixture.token().claim("jti", "j").claim("x", "x".repeat(fill)).sign();
    let fill = (0..4096).rev().find(|fill| sized(*fill).len() <= 4096).unwrap();
    let (fits, over) = (sized(fill), sized(fill + 3));
    assert!(fits.len() <= 4096 && over.len() > 4096);
    assert_eq!((cost(&fixture, &fits).await, cost(&fixture, &fits).await), (("ok", 1), ("ok", 0)));
    assert_eq!((cost(&fixture, &over).await, cost(&fixture, &over).await), (("ok", 1), ("ok", 1)));
}

#[tokio::test]
async fn r51_s3_11_a_clock_set_back_revives_no_expired_token() {
    let fixture = warm(|builder| builder).await;
    let token = fixture.token().expires_in(60 * SECOND).sign();
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.clock.advance(120 * SECOND);
    assert_eq!(verdict(&fixture.server, &token).await, "token_expired");
    fixture.clock.set_wall(fixture.clock.wall() - 3600 * SECOND);
    assert_eq!(verdict(&fixture.server, &token).await, "token_expired");
}

#[tokio::test]
async fn r51_s3_12_a_clock_set_ahead_and_corrected_costs_one_fetch_and_no_key() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    let short = fixture.token().sign();
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.clock.advance(SECOND);
    let right = fixture.clock.wall();
    fixture.clock.set_wall(right + Duration::from_secs(86_400));
    assert_eq!(verdict(&fixture.server, &short).await, "token_expired");
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.clock.set_wall(right);
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    assert_eq!(verdict(&fixture.server, &short).await, "ok");
    assert!(client.key_fetches() <= 2, "{}", client.key_fetches());
}

#[tokio::test]
async fn r52_s3_13_a_clock_that_was_never_set_is_503_and_the_right_time_ends_it() {
    let (fixture, _client) = running().await;
    let right = fixture.clock.wall();
    let cached = fixture.token().sign();
    fixture.bearer(&cached).await.assert_ok();
    let uncached = fixture.token().sign();
    for wrong in
        [SystemTime::UNIX_EPOCH - 3600 * SECOND, SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + 86_400 * SECOND]
    {
        fixture.clock.set_wall(wrong);
        for token in [&cached, &uncached] {
            let outcome = fixture.bearer(token).await;
            outcome.assert_dep();
            assert_eq!(outcome.code(), "clock_not_set");
        }
    }
    fixture.clock.set_wall(right);
    fixture.bearer(&cached).await.assert_ok();
    fixture.bearer(&uncached).await.assert_ok();
}
