//! The words of the service's own OData metadata, as of 2026-05: each is known here, in this spelling.

use defender_model::{
    ActionStatus, ActionType, CommandStatus, DeviceValue, ExposureLevel, HealthStatus, IsolationType, OnboardingStatus,
    RiskScore, ScanType,
};

#[test]
fn words_of_the_metadata_are_known() {
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
    // It states nothing, so that it must clear no record of another type.
    assert!(matches!(ActionType::from("Unknown"), ActionType::Unknown(_)));
}
