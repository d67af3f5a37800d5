//! Paired measurement: every round runs a batch of every case in shuffled order, and a case is judged by its ratio to
//! the first case of the same round. On a noisy machine that ratio holds where times do not.

use std::time::Duration;

/// How long a batch lasts.
const BATCH: Duration = Duration::from_millis(1);

/// Something that can be done many times; returns the time it took.
pub type Work<'a> = Box<dyn FnMut(usize) -> Duration + 'a>;

pub struct Case<'a> {
    pub name: String,
    pub work: Work<'a>,
}

impl<'a> Case<'a> {
    pub fn new(name: impl Into<String>, work: impl FnMut(usize) -> Duration + 'a) -> Self {
        Case { name: name.into(), work: Box::new(work) }
    }
}

/// What came out for one case, in nanoseconds for one time.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub median: f64,
    pub p99: f64,
    /// Medians over the rounds, to the first case.
    pub over: f64,
    pub ratio: f64,
}

/// Runs the rounds.
pub fn measure(mut cases: Vec<Case<'_>>, rounds: usize) -> Vec<Row> {
    let counts: Vec<usize> = cases.iter_mut().map(|case| calibrate(&mut case.work)).collect();
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    let mut order: Vec<usize> = (0..cases.len()).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &index in &order {
            let spent = (cases[index].work)(counts[index]);
            times[index].push(spent.as_nanos() as f64 / counts[index] as f64);
        }
    }
    let names = cases.into_iter().map(|case| case.name);
    names.zip(&times).map(|(name, own)| row(name, own, &times[0])).collect()
}

/// The row of this name.
pub fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

fn row(name: String, own: &[f64], base: &[f64]) -> Row {
    let pairs = || own.iter().zip(base);
    Row {
        name,
        median: median(own.iter().copied()),
        p99: quantile(own.iter().copied(), 0.99),
        over: median(pairs().map(|(own, base)| own - base)),
        ratio: median(pairs().map(|(own, base)| own / base)),
    }
}

/// How many times fill a batch, by the least of five tries: a stall in one of them must not make batches small.
fn calibrate(work: &mut Work<'_>) -> usize {
    let mut count = 1;
    // Caches of the case itself are filled on the way.
    while work(count) < BATCH / 4 && count < 1 << 20 {
        count *= 2;
    }
    let least = (0..5).map(|_| work(count)).min().unwrap_or(BATCH).max(Duration::from_nanos(1));
    let times = BATCH.as_secs_f64() / least.as_secs_f64() * count as f64;
    (times as usize).max(1)
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

pub fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1)) as f64 * part;
    values.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

/// Xorshift, with a fixed seed: the order is the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_of_the_list() {
        let values = || [3.0, 1.0, 2.0].into_iter();
        assert_eq!(median(values()), 2.0);
        assert_eq!(quantile(values(), 1.0), 3.0);
        assert_eq!(quantile(values(), 0.0), 1.0);
    }

    #[test]
    fn a_case_twice_as_slow_has_the_ratio_two() {
        let slow = |nanos: u64| move |count: usize| Duration::from_nanos(nanos * count as u64);
        let rows = measure(vec![Case::new("one", slow(100)), Case::new("two", slow(200))], 5);
        assert_eq!(rows[1].ratio, 2.0);
        assert_eq!(find(&rows, "two").unwrap().over, 100.0);
    }
}
