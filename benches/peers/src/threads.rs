//! Two threads on one server beside one thread, hits only.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::growth::plural;
use crate::keys::Algorithm;
use crate::paired::median;
use crate::peers::{self, BARE, HIT, Trust};
use crate::results::{Run, Table};
use crate::scale::Scale;
use crate::system;
use crate::tokens::Minter;

/// In which requests are counted: the same moments for both threads.
const WINDOW: Duration = Duration::from_millis(10);

/// Enough for the second thread to be awake.
const WAKING: Duration = Duration::from_micros(300);

/// Requests between two looks at the clock.
const STEP: usize = 50;

const NOTE: &str = "Requests in a second by two threads together, over those of one thread just before. \
    Each thread on a core of its own. \
    The bare route shows what the machine itself gives.";

pub fn group(run: &mut Run, scale: Scale) {
    let minter = Minter::new(Algorithm::Rs256);
    let trust = Trust { algorithm: Algorithm::Rs256, jwks: minter.jwks() };
    let tokens = minter.many(scale.turn);
    system::pin_self("0");
    let mut table = Table::new("threads", "Threads", NOTE, &[("one thread, requests/s", 0), ("two ÷ one", 2)]);
    for (name, count, gate) in [
        (BARE, 1, None),
        (BARE, tokens.len(), None),
        (HIT, 1, Some("threads-one")),
        (HIT, tokens.len(), Some("threads-turn")),
    ] {
        let app = (peers::find(name).expect("a row").build)(&trust);
        let (rate, ratio) = scaling(&app, &tokens[..count], scale.pick(100, 20));
        table.row(format!("{name}, {}", plural(count, "token")), [rate, ratio]);
        if let Some(gate) = gate {
            run.figure(gate, ratio);
        }
    }
    system::unpin_self();
    run.tables.push(table);
}

/// The rate of one thread, and how many times that two threads reach.
fn scaling(app: &App, tokens: &[String], rounds: usize) -> (f64, f64) {
    let mut first = Turn { app, tokens, place: 0 };
    let mut second = Turn { app, tokens, place: tokens.len() / 2 };
    app.answer(tokens.len(), &mut || Some(first.next()));
    let (starts, started) = mpsc::channel();
    let (counts, counted) = mpsc::channel();
    let mut pairs = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            system::pin_self("1");
            for start in started {
                counts.send(second.count(start)).expect("a reader");
            }
        });
        for _ in 0..rounds {
            let alone = first.count(Instant::now());
            let start = Instant::now() + WAKING;
            starts.send(start).expect("the second thread");
            let together = first.count(start) + counted.recv().expect("the second thread");
            pairs.push((alone as f64, together as f64));
        }
        // The second thread ends when no more starts can come.
        drop(starts);
    });
    let rate = median(pairs.iter().map(|(alone, _)| alone / WINDOW.as_secs_f64()));
    (rate, median(pairs.iter().map(|(alone, together)| together / alone)))
}

/// Tokens in turn, from some place on.
struct Turn<'a> {
    app: &'a App,
    tokens: &'a [String],
    place: usize,
}

impl<'a> Turn<'a> {
    fn next(&mut self) -> &'a str {
        self.place = (self.place + 1) % self.tokens.len();
        &self.tokens[self.place]
    }

    /// How many requests are answered in the window that begins at `start`.
    fn count(&mut self, start: Instant) -> usize {
        while Instant::now() < start {
            std::hint::spin_loop();
        }
        let mut count = 0;
        while start.elapsed() < WINDOW {
            let app = self.app;
            app.answer(STEP, &mut || Some(self.next()));
            count += STEP;
        }
        count
    }
}
