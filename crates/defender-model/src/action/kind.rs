//! The types of machine actions.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// Type of a machine action.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>. The types from `RequestSample` on are on
    /// no page of the service; they are in its OData metadata. The metadata's value `Unknown` identifies no type, so it has no
    /// variant here.
    ActionType {
        /// A scan by Microsoft Defender Antivirus.
        RunAntiVirusScan = "RunAntiVirusScan",
        /// Removal of the machine from the service. Older samples spell this type `OffboardMachine`.
        Offboard = "Offboard" | "OffboardMachine",
        /// A live response session. Older pages spell this type `Live Response`.
        LiveResponse = "LiveResponse" | "Live Response",
        /// Collection of evidence into a package.
        CollectInvestigationPackage = "CollectInvestigationPackage",
        /// Isolation of the machine from the network.
        Isolate = "Isolate",
        /// Release of the machine from isolation.
        Unisolate = "Unisolate",
        /// Stop and quarantine of a file.
        StopAndQuarantineFile = "StopAndQuarantineFile",
        /// Restriction to code signed by Microsoft.
        RestrictCodeExecution = "RestrictCodeExecution",
        /// Removal of the restriction.
        UnrestrictCodeExecution = "UnrestrictCodeExecution",
        /// Collection of a file sample.
        RequestSample = "RequestSample",
        /// Block of a file.
        Block = "Block",
        /// Generation of a new id for the machine.
        RegenerateId = "RegenerateId",
        /// Troubleshooting mode.
        Troubleshoot = "Troubleshoot",
        /// Collection of logs into a package.
        LogsCollection = "LogsCollection",
        /// Renewal of a token of the machine.
        TokenRefresh = "TokenRefresh",
        /// Request of the machine for its policies.
        EndpointConfigManagementCheckin = "EndpointConfigManagementCheckin",
        /// Enablement of an Active Directory user.
        EnableActiveDirectoryUser = "EnableActiveDirectoryUser",
        /// Disablement of an Active Directory user.
        DisableActiveDirectoryUser = "DisableActiveDirectoryUser",
        /// Password reset of an Active Directory user.
        ResetPasswordActiveDirectoryUser = "ResetPasswordActiveDirectoryUser",
        /// An Active Directory playbook.
        ImmuneActiveDirectoryCustomPlaybook = "ImmuneActiveDirectoryCustomPlaybook",
    }
}
