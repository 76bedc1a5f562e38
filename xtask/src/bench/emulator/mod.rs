//! The emulator beside a bare hyper server that answers the same bytes, and its long lists.
//!
//! Both servers run on one thread of their own, and the client is the same: hyper-util's, over one HTTP/2 connection. So
//! the ratio says what it costs to be the service rather than a tape of it.

mod lists;
mod rates;
mod subject;

use super::server::Anything;
use crate::{
    Failure,
    workspace::{Workspace, cargo, line},
};

/// Measures, prints, and fails where the emulator is slower than it may be.
pub(crate) fn run() -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        return in_release();
    }
    let broken = |error: Anything| Failure::broken("bench emulator", error);
    let mut missed = rates::run().map_err(broken)?;
    println!();
    missed.extend(lists::run().map_err(broken)?);
    if missed.is_empty() { Ok(()) } else { Err(Failure::Check(format!("bench emulator: {}", missed.join("; ")))) }
}

/// What is not optimised says nothing about speed.
fn in_release() -> Result<(), Failure> {
    let mut again = cargo(&Workspace::read()?.root);
    again.args(["run", "--quiet", "--release", "--package", "xtask", "--", "bench", "emulator"]);
    let line = line(&again);
    let status = again.status().map_err(|error| Failure::broken(format!("`{line}`"), error))?;
    if status.success() { Ok(()) } else { Err(Failure::broken(format!("`{line}`"), status)) }
}

/// The middle one; of an even number, the middle between the two.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    if figures.len().is_multiple_of(2) { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) } else { at(middle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_where_half_is_less() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
