//! Who calls: clients with good tokens as fast as they can, some with bad ones, and strangers at a steady rate.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::cycle::Flood;
use crate::wallet::Wallet;

/// 10,000 in 30 s.
const FLOOD_INTERVAL: Duration = Duration::from_millis(3);
/// After so many good requests a client sends a bad one and gives the others a turn.
const BURST: usize = 64;

#[derive(Default)]
pub struct Counts {
    /// Of good requests, in nanoseconds.
    pub times: Vec<u32>,
    pub refused_good: u64,
    pub passed_bad: u64,
    pub strangers: u64,
}

struct Shared {
    app: Router,
    wallet: Arc<Wallet>,
    flood: Mutex<Flood>,
    next: AtomicUsize,
    strangers: AtomicU64,
    counts: Mutex<Counts>,
}

pub struct Callers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Callers {
    pub fn start(app: Router, wallet: Arc<Wallet>) -> Self {
        let shared = Arc::new(Shared {
            app,
            wallet,
            flood: Mutex::new(Flood::None),
            next: AtomicUsize::new(0),
            strangers: AtomicU64::new(0),
            counts: Mutex::default(),
        });
        let tasks = vec![tokio::spawn(clients(shared.clone())), tokio::spawn(strangers(shared.clone()))];
        Callers { shared, tasks }
    }

    pub fn flood_with(&self, flood: Flood) {
        *self.shared.flood.lock().expect("no caller panics") = flood;
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut *self.shared.counts.lock().expect("no caller panics"))
    }

    pub fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    async fn call(&self, token: &str) -> StatusCode {
        let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a token fits a header");
        let Ok(response) = self.app.clone().oneshot(request).await;
        response.status()
    }

    fn count(&self, note: impl FnOnce(&mut Counts)) {
        note(&mut self.counts.lock().expect("no caller panics"));
    }
}

async fn clients(shared: Arc<Shared>) {
    loop {
        for _ in 0..BURST {
            let token = shared.wallet.good(shared.next.fetch_add(1, Ordering::Relaxed));
            let began = Instant::now();
            let status = shared.call(&token).await;
            let time = u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX);
            shared.count(|counts| {
                counts.times.push(time);
                counts.refused_good += u64::from(status != StatusCode::OK);
            });
        }
        let bad = shared.wallet.bad(shared.next.load(Ordering::Relaxed));
        let passed = shared.call(&bad).await == StatusCode::OK;
        shared.count(|counts| counts.passed_bad += u64::from(passed));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn strangers(shared: Arc<Shared>) {
    let mut turns = tokio::time::interval(FLOOD_INTERVAL);
    loop {
        turns.tick().await;
        let flood = *shared.flood.lock().expect("no caller panics");
        let n = shared.strangers.fetch_add(1, Ordering::Relaxed);
        let token = match flood {
            Flood::UnknownKeys => shared.wallet.of_unknown_key(n),
            Flood::BadSignatures => shared.wallet.forged(n),
            Flood::None => continue,
        };
        let passed = shared.call(&token).await == StatusCode::OK;
        shared.count(|counts| {
            counts.strangers += 1;
            counts.passed_bad += u64::from(passed);
        });
    }
}
