//! The file put in force anew while requests come: SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use tower_bearer::testing::{Endpoint, TestIssuer};

use super::client::{eventually, http1, in_time};
use super::harness::{DEADLINE, Gateway, refused, top};
use super::upstream::Upstream;

fn public(path: &str) -> String {
    format!("[[rules]]\npath = \"{path}\"\naccess = \"public\"\n")
}

#[tokio::test]
async fn sighup_puts_everything_in_the_file_in_force_and_the_listeners_stay() {
    let (one, two) = (TestIssuer::start().await, TestIssuer::start().await);
    let gateway = Gateway::start(&format!("{}{}", top(&one), public("/a")));
    assert_eq!((gateway.get("/a", "").await.status.as_u16(), gateway.get("/b", "").await.status.as_u16()), (200, 401));
    let rule = "[[rules]]\npath = \"/r\"\nrequire = \"scope:x\"\n";
    gateway.reload(&format!("listen = \"127.0.0.9:1\"\n{}{}{rule}", top(&two), public("/b"))).await;
    assert_eq!((gateway.get("/a", "").await.status.as_u16(), gateway.get("/b", "").await.status.as_u16()), (401, 200));
    assert_eq!(gateway.get("/r", &two.token().scope("x").sign()).await.status, 200);
    assert_eq!(gateway.get("/r", &one.token().scope("x").sign()).await.status, 401);
    assert!(gateway.log().contains("`listen` and `admin_listen` stay as they were"), "{}", gateway.log());
    let upstream = Upstream::start().await;
    let forward = "[forward]\nheaders = { x-user = \"sub\" }\n";
    let file = format!("upstream = \"{}\"\nmetrics_path = \"/m\"\n{}{forward}", upstream.url(), top(&two));
    gateway.reload(&file).await;
    let reply = gateway.get("/any", &two.token().subject("alice").sign()).await;
    assert!(reply.text().contains("\nx-user: alice\n"), "{reply:?}");
    assert!(gateway.get("/m", "").await.text().contains("tower_bearer_requests_total"));
}

#[tokio::test]
async fn a_bad_file_leaves_what_was_in_force_and_is_told_in_the_lines_of_a_start() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("{}{}", top(&issuer), public("/a")));
    let config = gateway.folder.0.join("gateway.toml").to_str().unwrap().to_owned();
    for bad in [
        format!("leeway = \"30\"\n{}{}\ncolour = 1\n", top(&issuer), public("b")),
        format!("{}[[rules]\n", top(&issuer)),
        String::new(),
    ] {
        gateway.folder.write("gateway.toml", &bad);
        let (_, lines) = refused(&["--config", &config], &[]);
        assert!(!lines.is_empty());
        let before = gateway.log().matches("not put in force").count();
        gateway.signal("-HUP");
        assert!(eventually(DEADLINE, || async { gateway.log().matches("not put in force").count() > before }).await);
        for line in lines {
            assert!(gateway.log().contains(&line), "{line} is not in {}", gateway.log());
        }
        assert_eq!(gateway.get("/a", "").await.status, 200);
        assert_eq!(gateway.get("/b", "").await.status, 401);
    }
    assert_eq!(gateway.reloads(), 0);
    gateway.reload(&format!("{}{}", top(&issuer), public("/b"))).await;
    assert_eq!(gateway.get("/b", "").await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_stays_keeps_its_keys_although_it_is_down_and_a_new_one_is_warm_before_the_switch() {
    let (one, two) = (TestIssuer::start().await, TestIssuer::start().await);
    let gateway = Gateway::start(&top(&one));
    let token = one.token().sign();
    assert!(eventually(DEADLINE, || async { gateway.get("/r", &token).await.status == 200 }).await);
    let outage = Response::builder().status(500).body(Bytes::new()).unwrap();
    one.answer_with(Endpoint::Metadata, Some(outage.clone()));
    one.answer_with(Endpoint::Jwks, Some(outage));
    let both = top(&one).replace(" }]", &format!(" }}, {{ issuer = \"{}\" }}]", two.url()));
    gateway.reload(&both).await;
    assert_eq!(gateway.get("/r", &token).await.status, 200);
    assert_eq!(two.requests(Endpoint::Jwks), 1, "fetched before the first request for it");
    assert_eq!(gateway.get("/r", &two.token().sign()).await.status, 200);
    // Keys are looked for elsewhere now: those of the old place are not believed.
    let moved = top(&one).replace(" }]", &format!(", jwks_uri = \"{}/none\" }}]", one.url()));
    gateway.reload(&moved).await;
    assert_eq!(gateway.get("/r", &token).await.status, 503);
}

/// Under each of two files only its own role counts, and its own rule asks for that role.
fn file(issuer: &TestIssuer, upstream: &Upstream, name: &str) -> String {
    let top = top(issuer).replace(" }]", &format!(", roles_claim = \"roles_{name}\" }}]"));
    let rule = format!("[[rules]]\npath = \"/r\"\nrequire = \"role:{name}\"\n");
    format!("upstream = \"{}\"\n{top}{rule}[forward]\nheaders = {{ x-roles = \"roles\" }}\n", upstream.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r54_reloads_under_load_lose_no_request_and_mix_no_two_files() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let files = ["a", "b"].map(|name| file(&issuer, &upstream, name));
    let gateway = Gateway::start(&files[0]);
    let address = gateway.address;
    let token = issuer.token().claim("roles_a", ["a"]).claim("roles_b", ["b"]).sign();
    assert!(eventually(DEADLINE, || async { gateway.get("/r", &token).await.status == 200 }).await);
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
    let load = |_| {
        let (stop, seen, token) = (stop.clone(), seen.clone(), token.clone());
        tokio::spawn(async move {
            // One connection throughout: a reload closes none.
            let mut client = http1(address).await;
            while !stop.load(Ordering::Relaxed) {
                let request = Request::get("/r").header("host", "a").header("authorization", format!("Bearer {token}"));
                let request = request.body(Empty::<Bytes>::new()).unwrap();
                let response = in_time(client.send_request(request)).await.unwrap();
                assert_eq!(response.status(), 200);
                let body = in_time(response.into_body().collect()).await.unwrap().to_bytes();
                let text = String::from_utf8(body.to_vec()).unwrap();
                match (text.contains("\nx-roles: a\n"), text.contains("\nx-roles: b\n")) {
                    (true, false) => seen[0].fetch_add(1, Ordering::Relaxed),
                    (false, true) => seen[1].fetch_add(1, Ordering::Relaxed),
                    _ => panic!("{text}"),
                };
            }
        })
    };
    let workers: Vec<_> = (0..4).map(load).collect();
    for number in 1..=20 {
        gateway.reload(&files[number % 2]).await;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let [under_a, under_b] = [0, 1].map(|at| seen[at].load(Ordering::Relaxed));
    assert!(under_a > 0 && under_b > 0, "{under_a} {under_b}");
    assert_eq!(gateway.reloads(), 20);
}
