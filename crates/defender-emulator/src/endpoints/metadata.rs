//! `$metadata`: the service's description of itself, as far as this emulator is the service.
//!
//! Names, types, nullability and the values of enums follow the service's own document, as captured on 2026-05-09.

use std::fmt::Write as _;

use http::StatusCode;

use crate::{
    http::{body::REQUEST_SOURCES, response::ApiResponse, route::NAMESPACE},
    store::action_kind::{ActionKind, Asks},
};

const ENUMS: &[(&str, &[&str])] = &[
    (
        "actionType",
        &[
            "Unknown",
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
    ("actionStatus", &["Pending", "Cancelled", "TimeOut", "Failed", "InProgress", "Succeeded"]),
    ("fileIdentifierType", &["Sha1", "Sha256", "Md5"]),
    ("KnownRequestSource", REQUEST_SOURCES),
    ("IsolationType", &["Full", "Selective", "UnManagedDevice"]),
    ("ScanType", &["Quick", "Full"]),
    ("TagAction", &["Add", "Remove"]),
    ("DeviceValue", &["Normal", "Low", "High"]),
    (
        "MachineHealthStatus",
        &[
            "Active",
            "Inactive",
            "ImpairedCommunication",
            "NoSensorData",
            "NoSensorDataImpairedCommunication",
            "Unknown",
        ],
    ),
    ("RiskScore", &["None", "Informational", "Low", "Medium", "High"]),
    ("ExposureLevel", &["None", "Low", "Medium", "High"]),
    ("OnboardingStatus", &["InsufficientInfo", "Onboarded", "CanBeOnboarded", "Unsupported"]),
    ("ExclusionReason", &["Other", "InactiveDevice", "DuplicateDevice", "DeviceDoesNotExist", "DeviceOutOfScope"]),
    ("DeviceManagedBy", &["Unknown", "Intune", "SystemCenterConfigurationManager", "MicrosoftDefenderForEndpoint"]),
    ("DeviceManagedByStatus", &["Unknown", "Success", "Error"]),
    ("CustomPlaybookActionTypes", &["PutFile", "GetFile", "RunPowerShell", "RunScript"]),
    (
        "CustomPlaybookParams",
        &["FileName", "Args", "Path", "ScriptName", "IsExternalSource", "FileUri", "ScriptHash", "ScriptSource"],
    ),
    ("CustomPlaybookCommandStatus", &["Executing", "Completed", "Failed", "PendingResource", "Submitted", "Created"]),
];

/// Name, type, and whether it may be null. A type with a capital first letter after `own:` is of this document.
type Field = (&'static str, &'static str, bool);

const MACHINE_ACTION: &[Field] = &[
    ("id", "Edm.Guid", false),
    ("type", "own:actionType", false),
    ("title", "Edm.String", true),
    ("requestor", "Edm.String", true),
    ("requestorComment", "Edm.String", true),
    ("status", "own:actionStatus", false),
    ("machineId", "Edm.String", true),
    ("computerDnsName", "Edm.String", true),
    ("relatedFileInfo", "own:RelatedFileInfo", true),
    ("creationDateTimeUtc", "Edm.DateTimeOffset", false),
    ("lastUpdateDateTimeUtc", "Edm.DateTimeOffset", false),
    ("cancellationRequestor", "Edm.String", true),
    ("cancellationComment", "Edm.String", true),
    ("cancellationDateTimeUtc", "Edm.DateTimeOffset", true),
    ("errorHResult", "Edm.Int32", false),
    ("scope", "Edm.String", true),
    ("externalId", "Edm.String", true),
    ("requestSource", "own:KnownRequestSource", false),
];

const MACHINE: &[Field] = &[
    ("id", "Edm.String", false),
    ("computerDnsName", "Edm.String", true),
    ("firstSeen", "Edm.DateTimeOffset", true),
    ("lastSeen", "Edm.DateTimeOffset", true),
    ("osPlatform", "Edm.String", true),
    ("version", "Edm.String", true),
    ("osProcessor", "Edm.String", true),
    ("osArchitecture", "Edm.String", true),
    ("osBuild", "Edm.Int64", true),
    ("lastIpAddress", "Edm.String", true),
    ("lastExternalIpAddress", "Edm.String", true),
    ("agentVersion", "Edm.String", true),
    ("healthStatus", "own:MachineHealthStatus", false),
    ("deviceValue", "own:DeviceValue", false),
    ("rbacGroupId", "Edm.Int32", false),
    ("rbacGroupName", "Edm.String", true),
    ("riskScore", "own:RiskScore", true),
    ("exposureLevel", "own:ExposureLevel", false),
    ("onboardingStatus", "own:OnboardingStatus", false),
    ("aadDeviceId", "Edm.Guid", true),
    ("isAadJoined", "Edm.Boolean", true),
    ("isExcluded", "Edm.Boolean", false),
    ("exclusionReason", "own:ExclusionReason", true),
    ("isPotentialDuplication", "Edm.Boolean", false),
    ("mergedIntoMachineId", "Edm.String", true),
    ("managedBy", "own:DeviceManagedBy", false),
    ("managedByStatus", "own:DeviceManagedByStatus", false),
];

/// Returns the metadata document.
pub(crate) fn respond() -> ApiResponse {
    ApiResponse::xml(StatusCode::OK, document())
}

fn document() -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"4.0\" \
         xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema Namespace=\"{NAMESPACE}\" \
         xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">"
    );
    entity(&mut xml, "MachineAction", MACHINE_ACTION);
    entity(&mut xml, "Machine", MACHINE);
    xml.push_str("<ComplexType Name=\"RelatedFileInfo\">");
    properties(
        &mut xml,
        &[("fileIdentifier", "Edm.String", true), ("fileIdentifierType", "own:fileIdentifierType", true)],
    );
    xml.push_str("</ComplexType>");
    for (name, words) in ENUMS {
        // Writing into a text cannot fail.
        let _written = write!(xml, "<EnumType Name=\"{name}\">");
        for (value, member) in words.iter().enumerate() {
            let _written = write!(xml, "<Member Name=\"{member}\" Value=\"{value}\" />");
        }
        xml.push_str("</EnumType>");
    }
    for kind in ActionKind::ALL {
        let own = match kind.asks {
            Asks::Isolation => parameter("IsolationType", "own:IsolationType", false, true),
            Asks::Scan => parameter("ScanType", "own:ScanType", false, false),
            Asks::File => parameter("Sha1", "Edm.String", true, false),
            Asks::Nothing | Asks::Commands => String::new(),
        };
        action(&mut xml, kind.segment, "Machine", &own);
    }
    action(&mut xml, "Cancel", "MachineAction", "");
    xml.push_str("<EntityContainer Name=\"Container\">");
    for (set, of) in [("Machines", "Machine"), ("MachineActions", "MachineAction")] {
        let _written = write!(xml, "<EntitySet Name=\"{set}\" EntityType=\"{NAMESPACE}.{of}\" />");
    }
    xml.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
    xml
}

fn entity(xml: &mut String, name: &str, fields: &[Field]) {
    let _written = write!(xml, "<EntityType Name=\"{name}\"><Key><PropertyRef Name=\"id\" /></Key>");
    properties(xml, fields);
    xml.push_str("</EntityType>");
}

fn properties(xml: &mut String, fields: &[Field]) {
    for (name, kind, nullable) in fields {
        let nullable = if *nullable { "" } else { " Nullable=\"false\"" };
        let _written = write!(xml, "<Property Name=\"{name}\" Type=\"{}\"{nullable} />", full(kind));
    }
}

/// An action that is bound to an entity of this type, and returns a machine action.
fn action(xml: &mut String, name: &str, of: &str, own: &str) {
    let capital = name.chars().next().map(|first| first.to_ascii_uppercase()).into_iter();
    let name: String = capital.chain(name.chars().skip(1)).collect();
    let common = [
        parameter("Comment", "Edm.String", true, false),
        parameter("ExternalId", "Edm.String", true, true),
        parameter("RequestSource", "own:KnownRequestSource", false, true),
        parameter("Title", "Edm.String", true, true),
    ];
    let _written = write!(
        xml,
        "<Action Name=\"{name}\" IsBound=\"true\"><Parameter Name=\"bindingParameter\" Type=\"{NAMESPACE}.{of}\" />{}{own}\
         <ReturnType Type=\"{NAMESPACE}.MachineAction\" /></Action>",
        common.concat()
    );
}

fn parameter(name: &str, kind: &str, nullable: bool, optional: bool) -> String {
    let nullable = if nullable { "" } else { " Nullable=\"false\"" };
    let kind = full(kind);
    if optional {
        let annotation = "<Annotation Term=\"Org.OData.Core.V1.OptionalParameter\" />";
        format!("<Parameter Name=\"{name}\" Type=\"{kind}\"{nullable}>{annotation}</Parameter>")
    } else {
        format!("<Parameter Name=\"{name}\" Type=\"{kind}\"{nullable} />")
    }
}

fn full(kind: &str) -> String {
    kind.strip_prefix("own:").map_or_else(|| kind.to_owned(), |own| format!("{NAMESPACE}.{own}"))
}
