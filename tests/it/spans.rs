//! Fields on the application's own span, such as that of `tower-http`'s `TraceLayer`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::{AuthLayer, RequireScope, SPAN_FIELDS};
use tower_http::trace::TraceLayer;
use tracing::field::{Empty, Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Span, Subscriber, info_span};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use crate::capture::listen_on_this_thread;
use crate::support::{AS, Fixture, get};

/// The last value of each field of the spans on this thread.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Visit for Spans {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.lock().unwrap().insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut self.clone());
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }
}

fn span(request: &Request<Full<Bytes>>) -> Span {
    info_span!(
        "request",
        method = %request.method(),
        auth.outcome = Empty,
        auth.issuer = Empty,
        auth.subject = Empty,
        auth.client_id = Empty
    )
}

/// What stands on the span after a request with this token, in the order of `SPAN_FIELDS`.
async fn recorded(fixture: &Fixture, token: Option<String>, make: fn(&Request<Full<Bytes>>) -> Span) -> [String; 4] {
    let spans = Spans::default();
    let _guard = listen_on_this_thread(Registry::default().with(spans.clone()));
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().make_span_with(make))
        .layer(AuthLayer::new(fixture.server.clone()))
        .layer(RequireScope::all(["a"]))
        .service(service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let request = match token {
        Some(token) => get().header("authorization", format!("Bearer {token}")),
        None => get(),
    };
    let answered = service.oneshot(request.body(Full::default()).unwrap()).await;
    assert!(answered.is_ok());
    let fields = spans.0.lock().unwrap().clone();
    SPAN_FIELDS.map(|name| fields.get(name).cloned().unwrap_or_default())
}

#[tokio::test]
async fn outcome_and_identity_stand_on_the_span_that_declares_them() {
    let fixture = Fixture::new();
    let token = || fixture.token().subject("alice").client_id("shop");
    let whole = token().scope("a").sign();
    // Before and after the token is in the cache.
    for _ in 0..2 {
        assert_eq!(recorded(&fixture, Some(whole.clone()), span).await, ["authorized", AS, "alice", "shop"]);
    }
    let lacking = recorded(&fixture, Some(token().sign()), span).await;
    assert_eq!(lacking, ["insufficient_scope", AS, "alice", "shop"]);
    assert_eq!(recorded(&fixture, None, span).await, ["missing_token", "", "", ""]);
    let expired = recorded(&fixture, Some(token().expired().sign()), span).await;
    assert_eq!(expired, ["token_expired", "", "", ""], "nobody is named who was not verified");
}

#[tokio::test]
async fn a_span_that_declares_nothing_gets_nothing() {
    let fixture = Fixture::new();
    let token = fixture.token().scope("a").sign();
    let plain = |request: &Request<Full<Bytes>>| info_span!("request", method = %request.method());
    assert_eq!(recorded(&fixture, Some(token), plain).await, ["", "", "", ""]);
}

#[tokio::test]
async fn s12_03_text_of_strangers_is_escaped_and_short_on_a_span_too() {
    let fixture = Fixture::new();
    for text in ["a\r\nlevel=INFO \u{1b}[31m\u{202e}".to_owned(), "x".repeat(4096)] {
        let token = fixture.token().scope("a").subject(&text).client_id(&text).sign();
        let [outcome, _, subject, client] = recorded(&fixture, Some(token), span).await;
        assert_eq!(outcome, "authorized");
        for value in [subject, client] {
            assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.len() < 256, "{value:?}");
        }
    }
}
