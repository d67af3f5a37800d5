//! A relay in front of an issuer, which counts what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::testing::TestIssuer;

#[derive(Default)]
pub struct Counts {
    pub open: AtomicUsize,
    pub most_open: AtomicUsize,
    pub opened: AtomicUsize,
    /// Bytes handed to the client's socket, read by it or not.
    pub sent: AtomicUsize,
}

impl Counts {
    pub fn read(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }
}

/// The address to call instead of the issuer's; ends with the runtime of the test.
pub async fn relay_to(issuer: &TestIssuer) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = issuer.url().strip_prefix("http://").unwrap().to_owned();
    let counts = Arc::<Counts>::default();
    let shared = counts.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            shared.opened.fetch_add(1, Ordering::SeqCst);
            let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
            shared.most_open.fetch_max(open, Ordering::SeqCst);
            let (counts, server) = (shared.clone(), TcpStream::connect(&target).await.unwrap());
            tokio::spawn(async move {
                pass_on(client, server, &counts).await;
                counts.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (url, counts)
}

/// Until either side closes.
async fn pass_on(client: TcpStream, server: TcpStream, counts: &Counts) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = count(from_server, to_client, counts) => {}
    }
}

async fn count(from: tokio::net::tcp::OwnedReadHalf, to: tokio::net::tcp::OwnedWriteHalf, counts: &Counts) {
    let mut buffer = vec![0; 4096];
    loop {
        from.readable().await.unwrap();
        let read = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(rest) {
                Ok(written) => {
                    counts.sent.fetch_add(written, Ordering::SeqCst);
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
