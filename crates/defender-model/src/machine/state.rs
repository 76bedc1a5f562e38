//! The states of a machine.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// Health of a machine's sensor.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
    HealthStatus {
        /// The sensor reports.
        Active = "Active",
        /// The sensor has not reported for a week.
        Inactive = "Inactive",
        /// The sensor reports, and the connection to it is impaired.
        ImpairedCommunication = "ImpairedCommunication",
        /// The machine is reachable, and the sensor sends no data.
        NoSensorData = "NoSensorData",
        /// The connection is impaired, and the sensor sends no data.
        NoSensorDataImpairedCommunication = "NoSensorDataImpairedCommunication",
        /// The service reports the health as unknown.
        Undetermined = "Unknown",
    }
}

open_enum! {
    /// Risk of a machine, by its alerts.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
    RiskScore {
        /// No alert.
        None = "None",
        /// Informational alerts.
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
    /// Exposure of a machine, by its weaknesses.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
    ExposureLevel {
        /// No exposure.
        None = "None",
        /// Low exposure.
        Low = "Low",
        /// Medium exposure.
        Medium = "Medium",
        /// High exposure.
        High = "High",
    }
}

open_enum! {
    /// Onboarding status of a machine.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>, which prints `onboarded`; the service sends
    /// `Onboarded`.
    OnboardingStatus {
        /// The machine is onboarded.
        Onboarded = "Onboarded",
        /// The machine can be onboarded.
        CanBeOnboarded = "CanBeOnboarded",
        /// The machine cannot be onboarded.
        Unsupported = "Unsupported",
        /// The service has too little information about the machine.
        InsufficientInfo = "InsufficientInfo",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_health_is_a_known_value() {
        assert_eq!(HealthStatus::from("unknown"), HealthStatus::Undetermined);
        assert_eq!(HealthStatus::Undetermined.as_str(), "Unknown");
    }
}
