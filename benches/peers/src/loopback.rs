//! Over sockets: all servers are up on one core and take turns in short slices under a load on another core.
//! They are compared by the CPU time that the server itself took for a request, which other work on the machine
//! changes least.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use crate::keys::Algorithm;
use crate::load::Load;
use crate::paired::{Random, median, quantile};
use crate::peers::{self, HIT, Peer};
use crate::results::{Run, Table};
use crate::scale::Scale;
use crate::system;
use crate::tokens::Minter;

const NOTE: &str = "HTTP/1.1 keep-alive, 32 connections, one server thread. Medians over the slices; ratios are medians \
    of the ratios within a round. p99 of this closed loop says more about the machine than about the layers.";

/// A server process; it ends when its input is closed.
struct Server {
    process: Child,
    port: u16,
    _input: ChildStdin,
}

/// One server under one load, and what each slice brought.
struct Target {
    name: String,
    server: Server,
    load: Load,
    slices: Vec<Measured>,
}

struct Measured {
    rate: f64,
    cpu: f64,
    load: f64,
    p50: f64,
    p99: f64,
}

pub fn group(run: &mut Run, scale: Scale) {
    let minter = Minter::new(Algorithm::Rs256);
    let tokens = minter.many(scale.turn);
    let last = system::cores() - 1;
    system::pin_self(&last.to_string());
    let rows: Vec<&Peer> = peers::taking(Algorithm::Rs256).collect();
    let one = table(run, "loopback", "Loopback, one token", &minter, &rows, &tokens[..1], scale);
    run.figure("loopback", one);
    let own: Vec<&Peer> =
        rows.into_iter().filter(|peer| peer.package.is_none() && !peer.name.ends_with("0.7")).collect();
    let many = table(run, "loopback-turn", "Loopback, 10,000 tokens in turn", &minter, &own, &tokens, scale);
    run.figure("loopback-turn", many);
    system::unpin_self();
}

/// Measures the rows; returns the ratio of CPU time that the gate looks at.
fn table(
    run: &mut Run,
    id: &str,
    title: &str,
    minter: &Minter,
    rows: &[&Peer],
    tokens: &[String],
    scale: Scale,
) -> f64 {
    let mut targets: Vec<_> = rows.iter().map(|peer| Target::start(peer.name, &minter.jwks(), tokens)).collect();
    let mut order: Vec<usize> = (0..targets.len()).collect();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for _ in 0..scale.slices {
        random.shuffle(&mut order);
        order.iter().for_each(|&index| targets[index].measure(Duration::from_millis(scale.slice_millis)));
    }
    let columns = [
        ("requests/s", 0),
        ("server CPU, µs a request", 2),
        ("CPU ÷ bare", 3),
        ("requests/s ÷ bare", 3),
        ("p50, µs", 0),
        ("p99, µs", 0),
        ("load CPU, µs a request", 2),
    ];
    let mut table = Table::new(id, title, NOTE, &columns);
    for target in &targets {
        table.row(&target.name, target.cells(&targets[0]));
    }
    let ratio = table.cell(HIT, "CPU ÷").unwrap_or(f64::NAN);
    run.tables.push(table);
    targets.into_iter().for_each(Target::stop);
    ratio
}

impl Target {
    fn start(name: &str, jwks: &str, tokens: &[String]) -> Target {
        let server = Server::start(name, jwks);
        let mut load = Load::connect(server.port, tokens);
        load.warm();
        Target { name: name.into(), server, load, slices: Vec::new() }
    }

    fn measure(&mut self, time: Duration) {
        let processes = [self.server.process.id(), std::process::id()];
        let before = processes.map(system::cpu_nanos);
        let slice = self.load.slice(time);
        let after = processes.map(system::cpu_nanos);
        let count = slice.latencies.len() as f64;
        let part = |part| quantile(slice.latencies.iter().map(|&micros| f64::from(micros)), part);
        self.slices.push(Measured {
            rate: count / slice.seconds,
            cpu: (after[0] - before[0]) as f64 / 1e3 / count,
            load: (after[1] - before[1]) as f64 / 1e3 / count,
            p50: part(0.5),
            p99: part(0.99),
        });
    }

    fn cells(&self, base: &Target) -> [f64; 7] {
        let of = |value: fn(&Measured) -> f64| median(self.slices.iter().map(value));
        let over = |value: fn(&Measured) -> f64| {
            median(self.slices.iter().zip(&base.slices).map(|(own, base)| value(own) / value(base)))
        };
        let (rate, cpu) = (|slice: &Measured| slice.rate, |slice: &Measured| slice.cpu);
        [of(rate), of(cpu), over(cpu), over(rate), of(|slice| slice.p50), of(|slice| slice.p99), of(|slice| slice.load)]
    }

    fn stop(mut self) {
        // It may have ended by itself.
        let _ = self.server.process.kill();
        let _ = self.server.process.wait();
    }
}

impl Server {
    fn start(name: &str, jwks: &str) -> Server {
        let program = std::env::current_exe().expect("this program");
        let mut command = system::pinned(0, &program);
        let mut process =
            command.args(["serve", name]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let mut input = process.stdin.take().expect("a pipe");
        writeln!(input, "{jwks}").expect("a reader");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a port");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{name} did not start"));
        Server { process, port, _input: input }
    }
}
