//! Processor time of this thread.

use std::{
    fs, io,
    time::{Duration, Instant},
};

/// File in which Linux states it, in nanoseconds, in the first field.
const SCHEDSTAT: &str = "/proc/thread-self/schedstat";

/// Reads the CPU time of the thread that asks; where the system does not tell it, the time on the wall.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meter {
    Cpu,
    Wall(Instant),
}

impl Meter {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    pub(crate) fn new() -> Self {
        if used().is_ok_and(|used| !used.is_zero()) { Self::Cpu } else { Self::Wall(Instant::now()) }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time of the client's thread",
            Self::Wall(_) => "time on the wall, because this system does not tell the CPU time of a thread",
        }
    }

    /// Since some origin of its own.
    pub(crate) fn read(self) -> io::Result<Duration> {
        match self {
            Self::Cpu => used(),
            Self::Wall(origin) => Ok(origin.elapsed()),
        }
    }
}

fn used() -> io::Result<Duration> {
    // The count is brought up to date when the thread leaves the processor, and else only at each tick.
    std::thread::park_timeout(Duration::from_micros(10));
    let line = fs::read_to_string(SCHEDSTAT)?;
    let nanos = line.split_whitespace().next().and_then(|field| field.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other(format!("{SCHEDSTAT} says {line:?}")))
}

/// The middle one, or of two in the middle the mean. Nothing has no middle, and is no number.
pub(crate) fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| of.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(of.len().saturating_sub(1) / 2), at(of.len() / 2))
}

/// Time of each of so many calls, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "the number of calls is small")]
pub(crate) fn nanos_each(took: Duration, calls: usize) -> f64 {
    took.as_secs_f64() * 1e9 / calls as f64
}
