//! Chance that is the same each time for the same seed and the same question.

/// Random numbers for one question: the same ones for the same seed, subject and numbers.
pub(crate) fn dice(seed: u64, subject: &str, number: u64, again: u64) -> fastrand::Rng {
    let bytes = [seed, number, again].into_iter().flat_map(u64::to_le_bytes).chain(subject.bytes());
    // FNV-1a, stirred by one draw, since near numbers have near sums.
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut stirred = fastrand::Rng::with_seed(sum);
    fastrand::Rng::with_seed(stirred.u64(..))
}

/// A throw that hits in `percent` of a hundred cases; tenths of a percent count.
pub(crate) fn hits(rng: &mut fastrand::Rng, percent: f64) -> bool {
    rng.f64() * 100.0 < percent
}

/// One of several, each as likely as the others.
pub(crate) fn pick<T: Copy, const N: usize>(rng: &mut fastrand::Rng, of: [T; N]) -> T {
    const { assert!(N > 0, "something to pick from") };
    of.get(rng.usize(..N)).copied().unwrap_or_else(|| of[0])
}

/// A GUID as the service writes them.
pub(crate) fn guid(rng: &mut fastrand::Rng) -> String {
    let (a, b) = (rng.u64(..), rng.u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_question_has_same_answer() {
        let throw = |seed, subject, number| dice(seed, subject, number, 0).u64(..);
        assert_eq!(throw(1, "fault", 2), throw(1, "fault", 2));
        assert_ne!(throw(1, "fault", 2), throw(1, "fault", 3));
        assert_ne!(throw(1, "fault", 2), throw(2, "fault", 2));
        assert_ne!(throw(1, "fault", 2), throw(1, "record", 2));
    }

    #[test]
    fn hits_are_as_many_as_asked_for() {
        let count = (0..10_000).filter(|&n| hits(&mut dice(7, "fault", n, 0), 30.0)).count();
        assert!((2_800..3_200).contains(&count), "{count}");
    }
}
