//! How far an action is.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// How far a machine action is.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>.
    ActionStatus {
        /// It is accepted and the device has not begun.
        Pending = "Pending",
        /// The device has begun.
        InProgress = "InProgress",
        /// It is done. The only end that is a success.
        Succeeded = "Succeeded",
        /// It was tried and did not succeed.
        Failed = "Failed",
        /// The device did not answer in time, which takes about three days.
        TimeOut = "TimeOut",
        /// Somebody cancelled it. Older pages spell it `Canceled`.
        Cancelled = "Cancelled" | "Canceled",
    }
}

impl ActionStatus {
    /// Whether nothing more will happen. Of a status that this version does not know it is taken that more will.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimeOut | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_words_are_an_end_and_time_out_is_one_of_them() {
        let ends: Vec<_> =
            ActionStatus::KNOWN.iter().filter(|word| ActionStatus::from(**word).is_terminal()).copied().collect();
        assert_eq!(ends, ["Succeeded", "Failed", "TimeOut", "Cancelled"]);
        assert!(!ActionStatus::from("Paused").is_terminal());
        assert!(!ActionStatus::default().is_terminal());
    }
}
