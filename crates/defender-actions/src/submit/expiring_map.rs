//! A map whose entries expire, in bounded memory.

use std::{borrow::Cow, collections::HashMap};

use jiff::SignedDuration;

/// Maximum number of entries.
const CAPACITY: usize = 65_536;

/// Map by text that removes old entries. An insertion takes constant time on average.
#[derive(Debug)]
pub(crate) struct ExpiringMap<V> {
    map: HashMap<String, (V, SignedDuration)>,
    sweep_at: usize,
    /// Number of entries that all sweeps have visited.
    #[cfg(test)]
    visited: usize,
}

impl<V> Default for ExpiringMap<V> {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            sweep_at: 1_024,
            #[cfg(test)]
            visited: 0,
        }
    }
}

impl<V> ExpiringMap<V> {
    /// Returns the value and the time of its insertion.
    pub(crate) fn get(&self, key: &str) -> Option<&(V, SignedDuration)> {
        self.map.get(key)
    }

    /// Inserts `value` unless the key has a value. Returns the value of the key.
    pub(crate) fn get_or_insert(
        &mut self,
        key: Cow<'_, str>,
        value: V,
        now: SignedDuration,
        lifetime: SignedDuration,
    ) -> &V {
        if self.map.len() >= self.sweep_at {
            self.sweep(now, lifetime);
        }
        &self.map.entry(key.into_owned()).or_insert((value, now)).0
    }

    /// Removes the entries older than `lifetime`, and the older half if that is not enough.
    fn sweep(&mut self, now: SignedDuration, lifetime: SignedDuration) {
        #[cfg(test)]
        {
            self.visited = self.visited.saturating_add(self.map.len());
        }
        self.map.retain(|_, (_, at)| now.saturating_sub(*at) < lifetime);
        if self.map.len() > CAPACITY / 2 {
            let mut times: Vec<_> = self.map.values().map(|(_, at)| *at).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            self.map.retain(|_, (_, at)| *at > median);
        }
        self.sweep_at = self.map.len().saturating_mul(2).clamp(1_024, CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Cow<'static, str> {
        number.to_string().into()
    }

    #[test]
    fn insertion_takes_constant_time_on_average() {
        for lifetime in [SignedDuration::from_secs(1), SignedDuration::from_secs(20_000), SignedDuration::MAX] {
            let mut map = ExpiringMap::default();
            for number in 0..200_000_u32 {
                map.get_or_insert(key(number), (), SignedDuration::from_secs(number.into()), lifetime);
                assert!(map.visited <= 3 * (number as usize + 1), "{} entries visited", map.visited);
            }
        }
    }

    #[test]
    fn old_entries_expire_in_bounded_memory() {
        let mut map = ExpiringMap::default();
        for number in 0..200_000_u32 {
            map.get_or_insert(
                key(number),
                (),
                SignedDuration::from_secs(number.into()),
                SignedDuration::from_hours(1_000),
            );
        }
        assert!(map.map.len() <= CAPACITY && map.get("199999").is_some() && map.get("0").is_none());
        map.get_or_insert("late".into(), (), SignedDuration::from_hours(2_000), SignedDuration::from_hours(1));
        map.sweep(SignedDuration::from_hours(2_000), SignedDuration::from_hours(1));
        assert_eq!(map.map.len(), 1);
    }
}
