//! The judge of arrivals.

use std::time::Duration;

/// Largest number of arrivals in any window of this length. A window does not contain its end.
#[must_use]
pub fn fullest_window(arrivals: &[Duration], per: Duration) -> usize {
    let mut sorted = arrivals.to_vec();
    sorted.sort_unstable();
    let in_window = |(index, first): (usize, &Duration)| {
        let end = first.saturating_add(per);
        sorted.partition_point(|arrival| *arrival < end).saturating_sub(index)
    };
    sorted.iter().enumerate().map(in_window).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fullest_window_is_found() {
        let arrivals = [9, 0, 10, 11, 20, 5].map(Duration::from_secs);
        let fullest = |per| fullest_window(&arrivals, Duration::from_secs(per));
        assert_eq!([1, 2, 3, 10, 11, 100].map(fullest), [1, 2, 3, 4, 4, 6]);
    }
}
