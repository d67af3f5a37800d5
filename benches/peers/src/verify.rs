//! Verification alone, without a router and without a cache, beside the raw signature check of aws-lc-rs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm as Jwa, DecodingKey, Validation};
use tower_bearer::{ResourceRequest, ResourceServer};

use crate::app::now;
use crate::keys::{self, Algorithm};
use crate::paired::{self, Case};
use crate::peers::{self, Trust};
use crate::results::{Run, Table};
use crate::scale::Scale;
use crate::tokens::{AUDIENCE, ISSUER, Minter, TokenClaims};

/// Different tokens of each kind.
const SOME: usize = 16;

const RAW: &str = "aws-lc-rs, key parsed once";
const NOTE: &str = "tower-bearer: `ResourceServer::authenticate` without cache, all checks, into claims.";

pub fn group(run: &mut Run, algorithm: Algorithm, scale: Scale) {
    let minter = Minter::new(algorithm);
    let many = |make: &dyn Fn(usize) -> String| (0..SOME).map(make).collect::<Vec<_>>();
    let good = many(&|number| minter.good(number));
    let bad = many(&|number| minter.bad(number));
    let expired = many(&|number| minter.expired(number));
    let trust = Trust { algorithm, jwks: minter.jwks() };
    let server = peers::builder(&trust).token_cache(0).build().expect("a server");
    let peer = Jsonwebtoken::new(&trust);
    assert!(accepts(&server, &good[0]) && !accepts(&server, &bad[0]) && !accepts(&server, &expired[0]));
    assert!(peer.accepts(&good[0]) && !peer.accepts(&bad[0]) && !peer.accepts(&expired[0]));

    let ours = |tokens| each(tokens, |token: &String| accepts(&server, token));
    let theirs = |tokens| each(tokens, |token: &String| peer.accepts(token));
    let cases = vec![
        Case::new(RAW, raw(&minter, &good)),
        Case::new("the same again (control)", raw(&minter, &good)),
        Case::new("tower-bearer", ours(&good)),
        Case::new("jsonwebtoken decode", theirs(&good)),
        Case::new("bad signature: aws-lc-rs", raw(&minter, &bad)),
        Case::new("bad signature: tower-bearer", ours(&bad)),
        Case::new("bad signature: jsonwebtoken decode", theirs(&bad)),
        Case::new("expired: tower-bearer", ours(&expired)),
        Case::new("expired: jsonwebtoken decode", theirs(&expired)),
    ];
    let rows = paired::measure(cases, scale.rounds);
    for (gate, row) in
        [("verify", "tower-bearer"), ("bad", "bad signature: tower-bearer"), ("expired", "expired: tower-bearer")]
    {
        let ratio = paired::find(&rows, row).map_or(f64::NAN, |row| row.ratio);
        run.figure(format!("{gate}-{}", algorithm.name()), ratio);
    }
    let title = format!("Verification alone, {}", algorithm.name());
    run.tables.push(Table::of_rows(format!("verify-{}", algorithm.name()), title, NOTE, "raw", &rows));
}

/// The signature check and nothing else: no decoding, no key lookup.
fn raw(minter: &Minter, tokens: &[String]) -> impl FnMut(usize) -> Duration + use<> {
    let key = minter.key.parsed();
    let parts: Vec<_> = tokens.iter().map(|token| keys::split(token)).collect();
    let mut place = 0;
    move |count| {
        let start = Instant::now();
        for _ in 0..count {
            place = (place + 1) % parts.len();
            let (message, signature) = &parts[place];
            let _ = black_box(key.verify_sig(message, signature));
        }
        start.elapsed()
    }
}

fn each<'a, T>(items: &'a [T], check: impl Fn(&T) -> bool + 'a) -> impl FnMut(usize) -> Duration + 'a {
    let mut place = 0;
    move |count| {
        let start = Instant::now();
        for _ in 0..count {
            place = (place + 1) % items.len();
            black_box(check(&items[place]));
        }
        start.elapsed()
    }
}

/// Verifies a token; what is at hand needs no waiting.
pub fn accepts(server: &ResourceServer, token: &str) -> bool {
    ResourceRequest::bearer(token).is_ok_and(|request| now(server.authenticate(request)).is_ok())
}

/// jsonwebtoken 11 with its aws-lc-rs backend, into the struct of 15 claims.
struct Jsonwebtoken {
    key: DecodingKey,
    validation: Validation,
}

impl Jsonwebtoken {
    fn new(trust: &Trust) -> Self {
        let set: JwkSet = serde_json::from_str(&trust.jwks).expect("a key set");
        let mut validation = Validation::new(match trust.algorithm {
            Algorithm::Es256 => Jwa::ES256,
            Algorithm::EdDsa => Jwa::EdDSA,
            _ => Jwa::RS256,
        });
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        Jsonwebtoken { key: DecodingKey::from_jwk(&set.keys[0]).expect("a key"), validation }
    }

    fn accepts(&self, token: &str) -> bool {
        black_box(jsonwebtoken::decode::<TokenClaims>(token, &self.key, &self.validation)).is_ok()
    }
}
