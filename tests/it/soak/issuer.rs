//! An issuer that behaves as it is told, and notes what it said and when.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::json;
use tower_bearer::testing::ManualClock;
use tower_bearer::{Clock, HttpClient, HttpError, HttpFuture};

use super::model::STALE;
use super::pace::Pace;
use super::rng::Rng;
use crate::support::AS;

/// What a fetch can take, with some grace.
const FETCH: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Behaviour {
    #[default]
    Sound,
    Slow(Duration),
    Silent,
    Refuses,
    Status(u16),
    PauseFor(u64),
    Says(&'static str),
    Huge,
    OtherIssuer,
    Panics,
}

impl Behaviour {
    pub fn random(rng: &mut Rng) -> Self {
        match rng.within(0, 19) {
            0 => Behaviour::Slow(Duration::from_millis(rng.within(100, 7000))),
            1 => Behaviour::Silent,
            2 | 3 => Behaviour::Refuses,
            4 => Behaviour::Status([500, 404, 204, 302][rng.index(4)]),
            5 => Behaviour::PauseFor(rng.within(1, 120)),
            6 => {
                Behaviour::Says(["", "<html>", "{\"keys\":[]}", "{\"keys\":null}", "{\"keys\":[{\"kty\""][rng.index(5)])
            }
            7 => Behaviour::Huge,
            8 => Behaviour::OtherIssuer,
            9 => Behaviour::Panics,
            _ => Behaviour::Sound,
        }
    }
}

impl Behaviour {
    /// Serves the key set as it is published. Who claims to be another issuer does so in its metadata only.
    fn is_honest(self) -> bool {
        matches!(self, Behaviour::Sound | Behaviour::Slow(_) | Behaviour::OtherIssuer)
    }
}

/// What is answered, and whether a client may build on it.
type Answer = (Result<Response<Bytes>, HttpError>, bool);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall: SystemTime,
    pub monotonic: Duration,
}

impl Moment {
    pub fn read(clock: &ManualClock) -> Self {
        Moment { wall: clock.wall(), monotonic: clock.monotonic() }
    }

    /// Whole seconds, as tokens have them.
    pub fn since_1970(self) -> Duration {
        Duration::from_secs(self.wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// By the longer of both clocks.
    pub fn since(self, earlier: Moment) -> Duration {
        let wall = self.since_1970().saturating_sub(earlier.since_1970());
        wall.max(self.monotonic.saturating_sub(earlier.monotonic))
    }
}

/// The set that the server must hold: the last one that it was given.
#[derive(Clone, Debug)]
pub struct Held {
    pub keys: BTreeSet<usize>,
    /// When it came, or, where the machine was stopped meanwhile, when it was asked for.
    pub fetched: Moment,
}

#[derive(Debug, Default)]
pub struct Book {
    pub behaviour: Behaviour,
    pub published: BTreeSet<usize>,
    /// Of the published ones, those with their private part.
    pub exposed: BTreeSet<usize>,
    /// Keys whose private part was ever delivered.
    pub burnt: BTreeSet<usize>,
    pub held: Option<Held>,
    pub in_flight: usize,
    /// How the last call ended.
    pub last_failed: bool,
    /// Failures since the set at hand was delivered.
    pub failures: u64,
    /// When the attempt began whose call was the last to end, if it failed.
    pub tried: Option<Moment>,
    tried_before: Option<Moment>,
    began: Option<Moment>,
    after_metadata: bool,
    pub pace: Pace,
}

impl Book {
    /// The keys as they are published now, and those of them with their private part.
    fn key_set(&self) -> (BTreeSet<usize>, BTreeSet<usize>) {
        (self.published.clone(), self.exposed.clone())
    }

    /// What is asked for after the metadata is part of the same attempt: the key set, or, where there was none, at
    /// once the metadata at their other address.
    fn begin_call(&mut self, now: Moment, is_key_set: bool) {
        let at_once = self.began.is_some_and(|began| began.monotonic == now.monotonic);
        let continued = self.after_metadata && (is_key_set || at_once);
        self.after_metadata = !is_key_set;
        self.in_flight += 1;
        if continued {
            // It goes on, so it has not ended with its metadata.
            self.tried = self.tried_before;
        } else {
            self.began = Some(now);
            self.tried_before = self.tried;
            let keys = self.held.as_ref().is_some_and(|held| now.since(held.fetched) < STALE);
            self.pace.note(now.monotonic, self.last_failed, keys);
        }
    }

    /// The server takes this set in the same poll.
    fn deliver(&mut self, keys: BTreeSet<usize>, exposed: BTreeSet<usize>, now: Moment) {
        self.burnt.extend(&exposed);
        let fetched = self.began.filter(|began| now.since(*began) > FETCH).unwrap_or(now);
        self.held = Some(Held { keys, fetched });
        self.failures = 0;
    }

    fn end_call(&mut self, sound: bool) {
        self.in_flight -= 1;
        self.tried = self.began.filter(|_| !sound);
        self.last_failed = !sound;
        self.failures += u64::from(!sound);
    }
}

#[derive(Clone)]
pub struct SoakIssuer {
    clock: ManualClock,
    jwks: Arc<Vec<serde_json::Value>>,
    book: Arc<Mutex<Book>>,
}

impl SoakIssuer {
    pub fn new(clock: ManualClock, jwks: Vec<serde_json::Value>) -> Self {
        SoakIssuer { clock, jwks: Arc::new(jwks), book: Arc::default() }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// The set as it is published now, and its tag.
    fn document(&self, keys: &BTreeSet<usize>, exposed: &BTreeSet<usize>) -> (String, String) {
        let jwk = |&key: &usize| {
            let mut jwk = self.jwks[key].clone();
            if exposed.contains(&key) {
                jwk["d"] = json!("AAAA");
            }
            jwk
        };
        let body = json!({ "keys": keys.iter().map(jwk).collect::<Vec<_>>() }).to_string();
        (body, format!("\"{keys:?}{exposed:?}\"").replace(' ', ""))
    }

    async fn metadata(&self, behaviour: Behaviour) -> Answer {
        let issuer = if behaviour == Behaviour::OtherIssuer { "https://other.example" } else { AS };
        let body = json!({ "issuer": issuer, "jwks_uri": format!("{AS}/jwks") }).to_string();
        let document = Response::builder().header("content-type", "application/json").body(body.into()).unwrap();
        (self.misbehave(behaviour, document).await, behaviour != Behaviour::OtherIssuer)
    }

    async fn key_set(&self, behaviour: Behaviour, request: &Request<Bytes>) -> Answer {
        let (keys, exposed) = self.book().key_set();
        let (body, etag) = self.document(&keys, &exposed);
        let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes());
        let mut response = Response::new(if known { Bytes::new() } else { body.into() });
        response.headers_mut().insert(header::ETAG, etag.parse().unwrap());
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let answer = self.misbehave(behaviour, response).await;
        if behaviour.is_honest() {
            self.book().deliver(keys, exposed, Moment::read(&self.clock));
        }
        (answer, true)
    }

    async fn misbehave(&self, behaviour: Behaviour, sound: Response<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let with = |status: u16| Response::builder().status(status);
        match behaviour {
            Behaviour::Sound | Behaviour::OtherIssuer => Ok(sound),
            Behaviour::Slow(delay) => {
                self.clock.sleep(delay).await;
                Ok(sound)
            }
            Behaviour::Silent => std::future::pending().await,
            Behaviour::Refuses => Err(HttpError::Connection("refused".into())),
            Behaviour::Status(status) => Ok(with(status).body(Bytes::new()).unwrap()),
            Behaviour::PauseFor(seconds) => Ok(with(429).header("retry-after", seconds).body(Bytes::new()).unwrap()),
            Behaviour::Says(text) => Ok(Response::new(Bytes::from_static(text.as_bytes()))),
            Behaviour::Huge => Err(HttpError::TooLarge),
            // Without the hook, which would print a message each time.
            Behaviour::Panics => std::panic::resume_unwind(Box::new("as the soak wants it")),
        }
    }
}

/// Notes the end of a call, also of one that is dropped.
struct Call {
    issuer: SoakIssuer,
    sound: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.issuer.book().end_call(self.sound);
    }
}

impl HttpClient for SoakIssuer {
    fn send(&self, request: Request<Bytes>, _max_body: usize) -> HttpFuture<'_> {
        Box::pin(async move {
            let is_key_set = request.uri().path() == "/jwks";
            self.book().begin_call(Moment::read(&self.clock), is_key_set);
            let mut call = Call { issuer: self.clone(), sound: false };
            let behaviour = self.book().behaviour;
            let (answer, sound) = match is_key_set {
                true => self.key_set(behaviour, &request).await,
                false => self.metadata(behaviour).await,
            };
            call.sound = sound && behaviour.is_honest();
            answer
        })
    }
}
