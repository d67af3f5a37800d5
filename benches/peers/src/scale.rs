//! How much is measured: all of it, or little for a quick look.

#[derive(Clone, Copy)]
pub struct Scale {
    pub quick: bool,
    /// Paired rounds in process.
    pub rounds: usize,
    /// Rounds of slices on loopback.
    pub slices: usize,
    pub slice_millis: u64,
    /// Tokens in turn.
    pub turn: usize,
}

pub const WHOLE: Scale = Scale { quick: false, rounds: 250, slices: 80, slice_millis: 250, turn: 10_000 };
pub const QUICK: Scale = Scale { quick: true, rounds: 40, slices: 4, slice_millis: 200, turn: 10_000 };

impl Scale {
    /// A number for whole runs, and one for quick ones.
    pub fn pick<T>(self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }
}
