//! What must not allocate, counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower::{Layer, Service};
use tower_bearer::testing::TestClaims;
use tower_bearer::{Require, RequireScope, Requirement, RoleMap};

use crate::support::{Reply, get};

/// The system's allocator, which counts for each thread by itself: tests run side by side.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // Not where a thread is ending.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How often this thread allocates meanwhile.
fn allocations<T>(action: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNT.get();
    let result = action();
    (result, COUNT.get() - before)
}

fn claims() -> TestClaims {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    TestClaims::new()
        .subject("alice")
        .client_id("shop")
        .scope("a:read a:write")
        .roles(["clerk"])
        .role_map(RoleMap::new().role("clerk", ["b"]).inherits("clerk", ["reader"]).role("reader", ["c"]))
        .claim("acr", "mfa")
        .claim("auth_time", now)
        .claim("dept", "sales \"north\"")
        .claim("org", serde_json::json!({"units": [[1], {"a": 2}, "x\ty", 7], "open": true}))
}

#[test]
fn judging_a_requirement_allocates_nothing_met_or_not() {
    let checks = [
        "scope:a:write",
        "scope:c",
        "role:reader",
        "client:shop",
        "sub:alice",
        "claim:dept=\"sales \\\"north\\\"\"",
        "claim:org.units=\"x\ty\"",
        "claim:org.units=7",
        "claim:org.open=true",
        "acr:hw or acr:mfa",
        "max_age:300s",
        "majority(scope:none, scope:b, claim:org.units=7, role:boss, sub:alice)",
        "scope:a:read and (role:boss or not client:other) and not (claim:absent.x=y or acr:hw)",
    ];
    let predicate =
        Requirement::predicate("p", |claims, request| claims.has_role("clerk") && request.uri.path() == "/r");
    let (parts, ()) = get().body(()).unwrap().into_parts();
    let claims = claims().build();
    for requirement in checks.map(|text| text.parse::<Requirement>().unwrap()).into_iter().chain([predicate]) {
        for (requirement, expected) in [(requirement.clone(), true), (!requirement, false)] {
            let (met, allocated) = allocations(|| requirement.is_met_by(&claims, &parts));
            assert_eq!((met, allocated), (expected, 0), "{requirement}");
        }
    }
}

#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Reply;
    type Error = Infallible;
    type Future = Ready<Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Reply::default()))
    }
}

/// That the counter counts is shown by the refusals, which do allocate.
#[test]
fn a_request_that_passes_the_layers_allocates_nothing_where_nobody_listens() {
    let claims = claims().build();
    let text = "scope:a:read and claim:org.units=7 and max_age:300s";
    let layered = |layer: Require, scope: &'static str| {
        let mut service = RequireScope::all([scope]).layer(layer.layer(Inner));
        let request = get().extension(claims.clone()).body(()).unwrap();
        allocations(move || drop(service.call(request))).1
    };
    let asking = || Require::new(text.parse::<Requirement>().unwrap() & Requirement::max_age(Duration::from_secs(60)));
    let _quiet = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new());
    layered(asking(), "a:read");
    let passed = layered(asking(), "a:read");
    let refused = layered(asking(), "none");
    assert!(refused > 0);
    if tracing::level_filters::LevelFilter::current() == tracing::level_filters::LevelFilter::OFF {
        assert_eq!(passed, 0);
    }
}
