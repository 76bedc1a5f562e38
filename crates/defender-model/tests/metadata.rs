//! The values in the service's OData metadata, as of 2026-05. The crate knows each of them in this spelling.

use defender_model::{
    ActionStatus, ActionType, CommandStatus, DeviceValue, ExposureLevel, HealthStatus, IsolationType, OnboardingStatus,
    RiskScore, ScanType,
};

#[test]
fn metadata_values_are_known() {
    let lists: [(&[&str], &[&str]); 10] = [
        (
            ActionType::KNOWN,
            &[
                "RequestSample",
                "Block",
                "RunAntiVirusScan",
                "Offboard",
                "RegenerateId",
                "CollectInvestigationPackage",
                "Isolate",
                "Unisolate",
                "StopAndQuarantineFile",
                "RestrictCodeExecution",
                "UnrestrictCodeExecution",
                "LiveResponse",
                "Troubleshoot",
                "LogsCollection",
                "TokenRefresh",
                "EndpointConfigManagementCheckin",
                "EnableActiveDirectoryUser",
                "DisableActiveDirectoryUser",
                "ResetPasswordActiveDirectoryUser",
                "ImmuneActiveDirectoryCustomPlaybook",
            ],
        ),
        (ActionStatus::KNOWN, &["Pending", "Cancelled", "TimeOut", "Failed", "InProgress", "Succeeded"]),
        (CommandStatus::KNOWN, &["Executing", "Completed", "Failed", "PendingResource", "Submitted", "Created"]),
        (
            HealthStatus::KNOWN,
            &[
                "Active",
                "Inactive",
                "ImpairedCommunication",
                "NoSensorData",
                "NoSensorDataImpairedCommunication",
                "Unknown",
            ],
        ),
        (RiskScore::KNOWN, &["None", "Informational", "Low", "Medium", "High"]),
        (ExposureLevel::KNOWN, &["None", "Low", "Medium", "High"]),
        (DeviceValue::KNOWN, &["Normal", "Low", "High"]),
        (OnboardingStatus::KNOWN, &["InsufficientInfo", "Onboarded", "CanBeOnboarded", "Unsupported"]),
        (IsolationType::KNOWN, &["Full", "Selective", "UnManagedDevice"]),
        (ScanType::KNOWN, &["Quick", "Full"]),
    ];
    for (known, words) in lists {
        for word in words {
            assert!(known.contains(word), "{word} is not among {known:?}");
        }
    }
    // `Unknown` identifies no type, so it must not count as a known type that differs from another.
    assert!(matches!(ActionType::from("Unknown"), ActionType::Unknown(_)));
}
