//! A real nginx in front that asks the gateway with `auth_request`.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;
use tower_bearer::testing::TestIssuer;

use super::client::{Reply, raw, send};
use super::harness::{Folder, Gateway, top};
use super::upstream::Upstream;

const RULES: &str = "[[rules]]\npath = \"/{*rest}\"\naccess = \"public\"\n[[rules]]\npath = \"/\"\naccess = \"public\"\n\
                     [[rules]]\npath = \"/orders/{*rest}\"\nrequire = \"scope:read\"\n\
                     [[rules]]\npath = \"/orders/{*rest}\"\nmethods = [\"POST\"]\nrequire = \"scope:write\"\n\
                     [[rules]]\npath = \"/admin/{*rest}\"\naccess = \"deny\"\n\
                     [forward]\nheaders = { \"x-auth-subject\" = \"sub\" }\n";

/// The configuration that the gateway's page shows, with free ports and a folder of its own.
fn configuration(port: u16, gateway: SocketAddr, upstream: SocketAddr, folder: &Folder) -> String {
    let folder = folder.0.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            auth_request /_check;
            auth_request_set $subject $upstream_http_x_auth_subject;
            proxy_set_header X-Auth-Subject $subject;
            proxy_pass http://{upstream};
        }}
        location = /_check {{
            internal;
            proxy_pass http://{gateway};
            proxy_pass_request_body off;
            proxy_set_header Content-Length \"\";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
        }}
        location /.well-known/oauth-protected-resource {{
            proxy_pass http://{gateway};
        }}
    }}
}}\n"
    )
}

/// A running nginx, ended with the test.
struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// None where it is not installed, which is printed.
async fn nginx(gateway: &Gateway, upstream: &Upstream) -> Option<Nginx> {
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
        println!("skipped: nginx is not installed (Debian: nginx-light)");
        return None;
    }
    let folder = Folder::new();
    // The port may be taken by somebody else before nginx has it; then it ends, and another one is tried.
    for _ in 0..5 {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = configuration(address.port(), gateway.address, upstream.address, &folder);
        let file = folder.write("nginx.conf", text);
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&folder.0).arg("-e").arg(folder.0.join("error.log")).arg("-c").arg(file);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while matches!(child.try_wait(), Ok(None)) {
            if TcpStream::connect(address).await.is_ok() {
                return Some(Nginx { child, address, _folder: folder });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("nginx does not start: {}", std::fs::read_to_string(folder.0.join("error.log")).unwrap_or_default())
}

async fn all_three(issuer: &TestIssuer) -> Option<(Nginx, Gateway, Upstream)> {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&format!("mode = \"check\"\n{}{RULES}", top(issuer)));
    let nginx = nginx(&gateway, &upstream).await?;
    Some((nginx, gateway, upstream))
}

impl Nginx {
    async fn call(&self, method: &str, path: &str, token: &str, fields: &[(&str, &str)], body: &'static str) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        send(self.address, request.body(Bytes::from(body)).unwrap()).await
    }

    /// The status, and the request line that the upstream saw, for a target that stands on the wire as it is.
    async fn target(&self, target: &str) -> (String, Option<String>) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = raw(self.address, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let reached = body.lines().find(|line| line.starts_with("GET /")).map(String::from);
        (status, reached)
    }
}

#[tokio::test]
async fn nginx_lets_pass_what_the_rules_let_pass_and_hands_on_the_challenge() {
    let issuer = TestIssuer::start().await;
    let Some((nginx, _gateway, _upstream)) = all_three(&issuer).await else { return };
    let reader = issuer.token().subject("alice").scope("read").sign();
    for (method, path, token, status) in [
        ("GET", "/orders/7", &*reader, 200),
        ("POST", "/orders/7", &reader, 403),
        ("GET", "/orders/7", "", 401),
        ("GET", "/orders/7", "bad", 401),
        ("GET", "/admin/x", &reader, 403),
        ("GET", "/free", "", 200),
    ] {
        // A body is no matter of the question, and reaches the service behind.
        let body = if method == "POST" { "hello" } else { "" };
        let reply = nginx.call(method, path, token, &[], body).await;
        assert_eq!(reply.status, status, "{method} {path} {token}");
        assert_eq!(reply.challenge().starts_with("Bearer "), status == 401, "{method} {path}: {reply:?}");
        assert_eq!(reply.text().starts_with(&format!("{method} {path}\n")), status == 200, "{method} {path}");
    }
    let reply = nginx.call("GET", "/orders/7", &reader, &[], "").await;
    assert!(reply.text().contains("\nx-auth-subject: alice\n"), "{}", reply.text());
    let document = nginx.call("GET", "/.well-known/oauth-protected-resource", "", &[], "").await;
    assert_eq!(document.json()["resource"], "https://api.example.com");
    let two = nginx.call("GET", "/orders/7", "a", &[("authorization", "Bearer b")], "").await;
    assert!(two.status.is_client_error(), "{two:?}");
}

#[tokio::test]
async fn s10_05_spoofed_fields_neither_choose_the_rule_nor_reach_the_upstream() {
    let issuer = TestIssuer::start().await;
    let Some((nginx, _gateway, _upstream)) = all_three(&issuer).await else { return };
    let token = issuer.token().subject("alice").scope("read").sign();
    for fields in [
        [("x-original-uri", "/free"), ("x-original-method", "GET")],
        [("x-forwarded-uri", "/free"), ("x-forwarded-method", "GET")],
        [("x_original_uri", "/free"), ("X_Original_Method", "GET")],
    ] {
        for method in ["GET", "POST"] {
            let reply = nginx.call(method, "/admin/x", &token, &fields, "").await;
            assert_eq!(reply.status, 403, "{method} {fields:?}");
            let reply = nginx.call(method, "/orders/7", "", &fields, "").await;
            assert!(matches!(reply.status.as_u16(), 401 | 403), "{method} {fields:?} {reply:?}");
        }
    }
    let spoofed = [("X-Auth-Subject", "mallory"), ("x-auth-subject", "mallory"), ("x_auth_subject", "mallory")];
    for (path, token) in [("/orders/7", &*token), ("/free", ""), ("/free", &token)] {
        let reply = nginx.call("GET", path, token, &spoofed, "").await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.text().contains("mallory"), "{path} {}", reply.text());
    }
}

#[tokio::test]
async fn s10_14_no_spelling_of_a_path_walks_past_its_rule_through_nginx() {
    let issuer = TestIssuer::start().await;
    let Some((nginx, _gateway, _upstream)) = all_three(&issuer).await else { return };
    for path in [
        "/admin/x",
        "/%61dmin/x",
        "/a/../admin/x",
        "/a/%2e%2e/admin/x",
        "/./admin/x",
        "//admin/x",
        "/a//../admin/x",
        "/admin//x",
        "/a/..%2fadmin/x",
        "/admin%2Fx",
        "/a/..%5cadmin/x",
        "/a\\..\\admin\\x",
        "/a/..;/admin/x",
        "/admin;x/y",
        "/admin/x%00",
        "/free#/../admin/x",
        "/free#",
        "/%zz/../admin/x",
        "http://other.example/admin/x",
        // A service that does not resolve them would find a handler below /admin.
        "/admin/../free",
        "/admin/%2e%2e/free",
        "/%66ree",
    ] {
        let (status, reached) = nginx.target(path).await;
        assert!(matches!(&*status, "400" | "401" | "403"), "{path}: {status}");
        assert_eq!(reached, None, "{path}");
    }
    // Rules know their case; a service that does not needs rules that deny by default.
    for (path, reached) in [("/free?x=//..%2f", "GET /free?x=//..%2f"), ("/Admin/x", "GET /Admin/x")] {
        assert_eq!(nginx.target(path).await, ("200".into(), Some(reached.into())), "{path}");
    }
}
