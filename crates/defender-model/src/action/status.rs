//! The status of an action.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// Status of a machine action.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>.
    ActionStatus {
        /// The service has accepted the action; the device has not started.
        Pending = "Pending",
        /// The device has started.
        InProgress = "InProgress",
        /// The action is done. The only successful end.
        Succeeded = "Succeeded",
        /// The action was attempted and did not succeed.
        Failed = "Failed",
        /// The device did not respond in time, which is after about three days.
        TimeOut = "TimeOut",
        /// The action was cancelled. Older pages spell this status `Canceled`.
        Cancelled = "Cancelled" | "Canceled",
    }
}

impl ActionStatus {
    /// Returns `true` if the action has ended. An unknown status counts as not ended.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimeOut | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_out_is_one_of_four_ends() {
        let ends: Vec<_> =
            ActionStatus::KNOWN.iter().filter(|value| ActionStatus::from(**value).is_terminal()).copied().collect();
        assert_eq!(ends, ["Succeeded", "Failed", "TimeOut", "Cancelled"]);
        assert!(!ActionStatus::from("Paused").is_terminal());
        assert!(!ActionStatus::default().is_terminal());
    }
}
