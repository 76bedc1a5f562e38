//! The words for how a machine is.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// How well a machine's sensor is.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
    HealthStatus {
        /// It reports.
        Active = "Active",
        /// It has not reported for a week.
        Inactive = "Inactive",
        /// It reports, and is hard to reach.
        ImpairedCommunication = "ImpairedCommunication",
        /// It is reached, and sends no sensor data.
        NoSensorData = "NoSensorData",
        /// Both.
        NoSensorDataImpairedCommunication = "NoSensorDataImpairedCommunication",
        /// The service itself says that it is unknown.
        Undetermined = "Unknown",
    }
}

open_enum! {
    /// How likely a machine is in danger, by its alerts.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
    RiskScore {
        /// No alert.
        None = "None",
        /// Alerts that inform.
        Informational = "Informational",
        /// Alerts of low severity.
        Low = "Low",
        /// Alerts of medium severity.
        Medium = "Medium",
        /// Alerts of high severity.
        High = "High",
    }
}

open_enum! {
    /// How exposed a machine is, by its weaknesses.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
    ExposureLevel {
        /// Not at all.
        None = "None",
        /// A little.
        Low = "Low",
        /// Somewhat.
        Medium = "Medium",
        /// Very.
        High = "High",
    }
}

open_enum! {
    /// Whether a machine is in the service.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>, which prints `onboarded` where the service
    /// writes `Onboarded`.
    OnboardingStatus {
        /// It is.
        Onboarded = "Onboarded",
        /// It could be.
        CanBeOnboarded = "CanBeOnboarded",
        /// It cannot be.
        Unsupported = "Unsupported",
        /// Too little is known of it.
        InsufficientInfo = "InsufficientInfo",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_a_word_of_the_service_s_own() {
        assert_eq!(HealthStatus::from("unknown"), HealthStatus::Undetermined);
        assert_eq!(HealthStatus::Undetermined.as_str(), "Unknown");
    }
}
