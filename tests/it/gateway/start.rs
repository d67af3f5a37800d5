//! The command line and the lines on stdout.

use std::net::SocketAddr;

use tower_bearer::testing::TestIssuer;

use super::harness::{Folder, Gateway, refused, top};

#[tokio::test]
async fn it_prints_where_it_listens_and_that_is_all_on_stdout() {
    let issuer = TestIssuer::start().await;
    let mut gateway = Gateway::start(&top(&issuer));
    assert!(gateway.address.ip().is_loopback() && gateway.address.port() != 0);
    gateway.get("/a", &issuer.token().sign()).await;
    gateway.terminate();
    gateway.ended().await;
    assert_eq!(gateway.line(), "");
}

#[tokio::test]
async fn listen_on_the_command_line_beats_the_file() {
    let issuer = TestIssuer::start().await;
    let file = format!("listen = \"127.0.0.2:0\"\n{}", top(&issuer));
    let by_file = Gateway::start(&file);
    assert_eq!(by_file.address.ip().to_string(), "127.0.0.2");
    let by_argument = Gateway::start_in(Folder::new(), &file, |command| {
        command.args(["--listen", "127.0.0.3:0"]);
    });
    assert_eq!(by_argument.address.ip().to_string(), "127.0.0.3");
    assert_eq!(by_argument.get("/a", &issuer.token().sign()).await.status, 200);
}

#[tokio::test]
async fn the_admin_line_follows_where_there_is_an_admin_listener() {
    let issuer = TestIssuer::start().await;
    let mut gateway = Gateway::start(&format!("admin_listen = \"127.0.0.1:0\"\n{}", top(&issuer)));
    let line = gateway.line();
    let admin: SocketAddr = line.strip_prefix("admin on http://").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    assert!(admin.ip().is_loopback() && admin != gateway.address);
}

#[test]
fn a_bad_command_line_is_exit_code_2_and_one_line_that_shows_the_right_one() {
    let folder = Folder::new();
    let file = folder.write("g.toml", "");
    let file = file.to_str().unwrap();
    for arguments in [
        &[][..],
        &["--config"],
        &["--listen", "127.0.0.1:0"],
        &["--config", file, "--listen"],
        &["--config", file, "--colour", "red"],
        &[file],
        &["--help", "me"],
    ] {
        let (code, lines) = refused(arguments, &[]);
        assert_eq!((code, lines.len()), (Some(2), 1), "{arguments:?} {lines:?}");
        assert!(lines[0].contains("--config FILE [--listen ADDR]"), "{lines:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_exit_code_2_and_one_line_that_names_it() {
    let (code, lines) = refused(&["--config", "no-such-file.toml"], &[]);
    assert_eq!((code, lines.len()), (Some(2), 1), "{lines:?}");
    assert!(lines[0].starts_with("no-such-file.toml: "), "{lines:?}");
}
