//! The load: some connections that are kept alive, each with one request at a time, on one thread. It stands on mio
//! rather than on a runtime, so that it asks less of its core than the servers ask of theirs.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const CONNECTIONS: usize = 32;

/// Every answer is 200 with the body `ok`, so its end is known.
const END: &[u8] = b"\r\n\r\nok";

/// Connections to one server, and the requests to send in turn.
pub struct Load {
    requests: Vec<Vec<u8>>,
    poll: Poll,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    place: usize,
    start: Instant,
    buffer: Box<[u8; 4096]>,
    filled: usize,
}

/// What a slice of time brought.
pub struct Slice {
    pub seconds: f64,
    /// In microseconds.
    pub latencies: Vec<u32>,
}

impl Load {
    pub fn connect(port: u16, tokens: &[String]) -> Load {
        let requests: Vec<_> = tokens.iter().map(|token| request(token)).collect();
        let poll = Poll::new().expect("a poll");
        let connections = (0..CONNECTIONS).map(|number| {
            let stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a server");
            stream.set_nodelay(true).expect("a socket");
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE).expect("a socket");
            let place = number * requests.len() / CONNECTIONS;
            Connection { stream, place, start: Instant::now(), buffer: Box::new([0; 4096]), filled: 0 }
        });
        let connections = connections.collect();
        Load { requests, poll, connections }
    }

    /// Sends each request once at least, so that what can be cached is.
    pub fn warm(&mut self) {
        let mut sent = 0;
        while sent < 2 * self.requests.len() {
            sent += self.slice(Duration::from_millis(100)).latencies.len();
        }
    }

    /// Sends for this long, and waits for the last answers.
    pub fn slice(&mut self, time: Duration) -> Slice {
        let start = Instant::now();
        let end = start + time;
        let mut latencies = Vec::with_capacity(200_000);
        let mut events = Events::with_capacity(CONNECTIONS);
        self.connections.iter_mut().for_each(|connection| connection.send(&self.requests, start));
        let mut open = CONNECTIONS;
        while open > 0 {
            self.poll.poll(&mut events, Some(Duration::from_secs(5))).expect("events");
            assert!(!events.is_empty(), "a server that does not answer");
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if !connection.receive() {
                    continue;
                }
                let now = Instant::now();
                latencies.push((now - connection.start).as_micros() as u32);
                if now < end {
                    connection.send(&self.requests, now);
                } else {
                    open -= 1;
                }
            }
        }
        Slice { seconds: start.elapsed().as_secs_f64(), latencies }
    }
}

impl Connection {
    fn send(&mut self, requests: &[Vec<u8>], now: Instant) {
        self.place = (self.place + 1) % requests.len();
        self.start = now;
        self.filled = 0;
        // With nothing under way a kilobyte always fits into the socket.
        self.stream.write_all(&requests[self.place]).expect("a connection");
    }

    /// Whether the answer is there. What comes later makes another event, so one read is enough.
    fn receive(&mut self) -> bool {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => panic!("no good answer: {}", String::from_utf8_lossy(&self.buffer[..self.filled])),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("a connection that broke: {error}"),
        }
        let answer = &self.buffer[..self.filled];
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
        answer.ends_with(END)
    }
}

fn request(token: &str) -> Vec<u8> {
    let head = "GET /x HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: benchmark/1.0\r\naccept: */*\r\n";
    format!("{head}accept-encoding: gzip, br\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}
