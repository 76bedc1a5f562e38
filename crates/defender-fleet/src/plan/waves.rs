//! The waves of a plan.

/// Returns the wave of each of `rows` rows, from 0. The last size repeats; without a size, all rows are in one wave.
pub(super) fn waves(sizes: &[u32], rows: usize) -> Vec<u32> {
    let last = sizes.last().copied().unwrap_or(u32::MAX).max(1);
    let sizes = sizes.iter().copied().chain(std::iter::repeat(last));
    let waves = (0_u32..).zip(sizes).flat_map(|(wave, size)| (0..size).map(move |_| wave));
    waves.take(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_size_repeats() {
        assert_eq!(waves(&[1, 2], 6), [0, 1, 1, 2, 2, 3]);
        assert_eq!(waves(&[3], 5), [0, 0, 0, 1, 1]);
        assert_eq!(waves(&[], 3), [0, 0, 0]);
        assert_eq!(waves(&[5, 1], 3), [0, 0, 0]);
    }
}
