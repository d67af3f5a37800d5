//! The figures that are promised, and whether they hold in the worst of all runs.

use crate::results::Run;

/// A bound on a figure.
pub struct Gate {
    pub name: &'static str,
    pub what: &'static str,
    pub limit: f64,
    /// Whether the figure must be at least the limit rather than at most.
    pub least: bool,
}

const fn most(name: &'static str, what: &'static str, limit: f64) -> Gate {
    Gate { name, what, limit, least: false }
}

const fn least(name: &'static str, what: &'static str, limit: f64) -> Gate {
    Gate { name, what, limit, least: true }
}

pub const GATES: &[Gate] = &[
    most("hit", "hit ÷ bare axum route", 2.5),
    most("turn", "10,000 tokens in turn ÷ bare axum route", 2.9),
    most("hit-peer", "overhead of a hit ÷ overhead of the fastest peer", 1.0 / 30.0),
    most("allocations", "allocations that a hit adds", 4.0),
    most("verify-RS256", "verification into claims ÷ raw check, RS256", 1.18),
    most("verify-ES256", "verification into claims ÷ raw check, ES256", 1.08),
    most("verify-EdDSA", "verification into claims ÷ raw check, EdDSA", 1.08),
    most("bad-RS256", "bad signature ÷ raw check, RS256", 1.05),
    most("bad-ES256", "bad signature ÷ raw check, ES256", 1.05),
    most("bad-EdDSA", "bad signature ÷ raw check, EdDSA", 1.05),
    most("expired-RS256", "expired ÷ raw check, RS256", 0.16),
    most("expired-ES256", "expired ÷ raw check, ES256", 0.06),
    most("none", "no token ÷ bare axum route", 1.05),
    most("loopback", "loopback, server CPU of a request ÷ bare", 1.13),
    most("loopback-turn", "loopback, 10,000 tokens, server CPU of a request ÷ bare", 1.15),
    least("threads-one", "two threads ÷ one, hits on one token", 1.8),
    least("threads-turn", "two threads ÷ one, hits on 10,000 tokens in turn", 1.8),
    most("memory", "memory of a cached token, bytes", 1536.0),
    least("hot", "hit rate of 10,000 hot tokens beside 1,000,000 others", 0.95),
];

/// The figures of one gate in all runs.
pub struct Verdict<'a> {
    pub gate: &'a Gate,
    pub values: Vec<f64>,
}

impl Verdict<'_> {
    /// The worst value, if there is any.
    pub fn worst(&self) -> Option<f64> {
        let values = self.values.iter().copied();
        if self.gate.least { values.reduce(f64::min) } else { values.reduce(f64::max) }
    }

    /// Whether it holds; nothing is said about what was not measured.
    pub fn holds(&self) -> Option<bool> {
        let worst = self.worst()?;
        Some(if self.gate.least { worst >= self.gate.limit } else { worst <= self.gate.limit })
    }
}

pub fn judge(runs: &[Run]) -> Vec<Verdict<'static>> {
    let values = |gate: &Gate| {
        let figures = runs.iter().flat_map(|run| &run.figures);
        figures.filter(|figure| figure.gate == gate.name).map(|figure| figure.value).collect()
    };
    GATES.iter().map(|gate| Verdict { gate, values: values(gate) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(gate: &str, values: &[f64]) -> Vec<Run> {
        let run = |value: &f64| {
            let mut run = Run::default();
            run.figure(gate, *value);
            run
        };
        values.iter().map(run).collect()
    }

    fn holds(gate: &str, values: &[f64]) -> Option<bool> {
        judge(&runs(gate, values)).iter().find(|verdict| verdict.gate.name == gate)?.holds()
    }

    #[test]
    fn the_worst_run_decides() {
        assert_eq!(holds("none", &[1.0, 1.05]), Some(true));
        assert_eq!(holds("none", &[1.0, 1.06, 1.0]), Some(false));
        assert_eq!(holds("hot", &[0.99, 0.96]), Some(true));
        assert_eq!(holds("hot", &[0.99, 0.94]), Some(false));
        assert_eq!(holds("hot", &[]), None);
    }
}
