//! One row as a server process: one thread, HTTP/1.1 on a free port of loopback.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::app::wait;
use crate::keys::Algorithm;
use crate::peers::{self, Trust};

/// Reads the key set from the first line of its input, writes its port, and serves until the input ends.
pub fn serve(arguments: &[String]) -> ExitCode {
    let Some(peer) = arguments.first().and_then(|name| peers::find(name)) else {
        eprintln!("serve needs the name of a row");
        return ExitCode::from(2);
    };
    let mut jwks = String::new();
    std::io::stdin().lock().read_line(&mut jwks).expect("a key set");
    let app = (peer.build)(&Trust { algorithm: Algorithm::Rs256, jwks });
    std::thread::spawn(|| {
        // Nothing more comes: this waits until the parent is gone or done.
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        std::process::exit(0);
    });
    wait(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address").port());
        std::io::stdout().flush().expect("a reader");
        app.serve(listener).await.expect("to serve");
    });
    ExitCode::SUCCESS
}
