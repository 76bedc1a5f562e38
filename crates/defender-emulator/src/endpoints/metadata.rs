//! `$metadata`: the service's description of itself, as far as this emulator is the service.
//!
//! Names, types, nullability and the values of enums follow the service's own document, as captured on 2026-05-09.

use std::fmt::Write as _;

use http::StatusCode;

use crate::{
    http::{body::REQUEST_SOURCES, response::ApiResponse, route::NAMESPACE},
    store::action_kind::{ActionKind, Asks},
};

/// The enums whose values count from 0.
const ENUMS: &[(&str, &[&str])] = &[
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
    ("OnboardingStatus", &["InsufficientInfo", "Onboarded", "CanBeOnboarded", "Unsupported"]),
    ("ExclusionReason", &["Other", "InactiveDevice", "DuplicateDevice", "DeviceDoesNotExist", "DeviceOutOfScope"]),
    ("DeviceManagedBy", &["Unknown", "Intune", "SystemCenterConfigurationManager", "MicrosoftDefenderForEndpoint"]),
    ("vmCloudProvider", &["Unknown", "Azure"]),
    ("DeviceManagedByStatus", &["Unknown", "Success", "Error"]),
    ("CustomPlaybookActionTypes", &["PutFile", "GetFile", "RunPowerShell", "RunScript"]),
    (
        "CustomPlaybookParams",
        &["FileName", "Args", "Path", "ScriptName", "IsExternalSource", "FileUri", "ScriptHash", "ScriptSource"],
    ),
];

/// The enums with values of their own.
const NUMBERED: &[(&str, &[(&str, u32)])] = &[
    (
        "actionType",
        &[
            ("Unknown", 0),
            ("RequestSample", 2),
            ("Block", 4),
            ("RunAntiVirusScan", 5),
            ("Offboard", 6),
            ("RegenerateId", 7),
            ("CollectInvestigationPackage", 8),
            ("Isolate", 10),
            ("Unisolate", 11),
            ("StopAndQuarantineFile", 12),
            ("RestrictCodeExecution", 13),
            ("UnrestrictCodeExecution", 14),
            ("LiveResponse", 23),
            ("Troubleshoot", 30),
            ("LogsCollection", 33),
            ("TokenRefresh", 38),
            ("EndpointConfigManagementCheckin", 41),
            ("EnableActiveDirectoryUser", 46),
            ("DisableActiveDirectoryUser", 47),
            ("ResetPasswordActiveDirectoryUser", 48),
            ("ImmuneActiveDirectoryCustomPlaybook", 50),
        ],
    ),
    ("RiskScore", &[("None", 0), ("Informational", 5), ("Low", 10), ("Medium", 20), ("High", 30)]),
    ("ExposureLevel", &[("None", 0), ("Low", 10), ("Medium", 20), ("High", 30)]),
    (
        "CustomPlaybookCommandStatus",
        &[("Executing", 0), ("Completed", 1), ("Failed", 2), ("PendingResource", 4), ("Submitted", 6), ("Created", 8)],
    ),
    (
        "InterfaceType",
        &[
            ("Unknown", 0),
            ("Other", 1),
            ("Ethernet", 6),
            ("TokenRing", 9),
            ("PPP", 23),
            ("SoftwareLoopback", 24),
            ("ATM", 37),
            ("IEEE80211", 71),
            ("Tunnel", 131),
            ("IEEE1394", 144),
        ],
    ),
    (
        "IpInterfaceOperationalStatus",
        &[
            ("Up", 1),
            ("Down", 2),
            ("Testing", 3),
            ("Unknown", 4),
            ("Dormant", 5),
            ("Present", 6),
            ("LowerLayerDown", 7),
        ],
    ),
];

/// The complex types.
const COMPLEX: &[(&str, &[Field])] = &[
    (
        "RelatedFileInfo",
        &[("fileIdentifier", "Edm.String", true), ("fileIdentifierType", "own:fileIdentifierType", true)],
    ),
    ("CustomPlaybookParameter", &[("key", "own:CustomPlaybookParams", false), ("value", "Edm.String", true)]),
    (
        "CustomPlaybookCommand",
        &[("type", "own:CustomPlaybookActionTypes", false), ("params", "own:CustomPlaybookParameter[]", true)],
    ),
    (
        "CustomPlaybookCommandResult",
        &[
            ("index", "Edm.Int32", false),
            ("command", "own:CustomPlaybookCommand", true),
            ("startTime", "Edm.DateTimeOffset", true),
            ("endTime", "Edm.DateTimeOffset", true),
            ("commandStatus", "own:CustomPlaybookCommandStatus", false),
            ("errors", "Edm.String[]", true),
        ],
    ),
    (
        "TroubleshootInfo",
        &[
            ("expirationUtc", "Edm.DateTimeOffset", false),
            ("startTsModeUtc", "Edm.DateTimeOffset", false),
            ("paramsJsonFormatVersion", "Edm.Int32", false),
            ("state", "Edm.Int32", false),
        ],
    ),
    (
        "MachineIpAddress",
        &[
            ("ipAddress", "Edm.String", true),
            ("macAddress", "Edm.String", true),
            ("type", "own:InterfaceType", true),
            ("operationalStatus", "own:IpInterfaceOperationalStatus", true),
        ],
    ),
    (
        "VmMetadata",
        &[
            ("vmId", "Edm.String", true),
            ("cloudProvider", "own:vmCloudProvider", false),
            ("resourceId", "Edm.String", true),
            ("subscriptionId", "Edm.String", true),
        ],
    ),
];

/// Name, type, and whether it may be null. A type with a capital first letter after `own:` is of this document; `[]` marks a collection.
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
    ("commands", "own:CustomPlaybookCommandResult[]", true),
    ("troubleshootInfo", "own:TroubleshootInfo", true),
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
    ("ipAddresses", "own:MachineIpAddress[]", true),
    ("machineTags", "Edm.String[]", true),
    ("vmMetadata", "own:VmMetadata", true),
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
    for (name, fields) in COMPLEX {
        // Writing into a text cannot fail.
        let _written = write!(xml, "<ComplexType Name=\"{name}\">");
        properties(&mut xml, fields);
        xml.push_str("</ComplexType>");
    }
    for (name, members) in ENUMS {
        enumeration(&mut xml, name, members.iter().copied().zip(0..));
    }
    for (name, members) in NUMBERED {
        enumeration(&mut xml, name, members.iter().copied());
    }
    for kind in ActionKind::ALL {
        let own = match kind.asks {
            Asks::Isolation => parameter("IsolationType", "own:IsolationType", false, true),
            Asks::Scan => parameter("ScanType", "own:ScanType", false, false),
            Asks::File => parameter("Sha1", "Edm.String", true, false),
            Asks::Commands => parameter("Commands", "own:CustomPlaybookCommand[]", true, false),
            Asks::Nothing => String::new(),
        };
        action(&mut xml, name(kind), "Machine", &own);
    }
    action(&mut xml, "Cancel", "MachineAction", "");
    xml.push_str("<EntityContainer Name=\"Container\">");
    for (set, of) in [("Machines", "Machine"), ("MachineActions", "MachineAction")] {
        let _written = write!(xml, "<EntitySet Name=\"{set}\" EntityType=\"{NAMESPACE}.{of}\" />");
    }
    xml.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
    xml
}

/// Returns the name of an action, which differs from the segment on its page in letter case, and from its `type`.
fn name(kind: &ActionKind) -> &'static str {
    match kind.type_name {
        "LiveResponse" => "RunLiveResponse",
        "Offboard" => "OffBoard",
        other => other,
    }
}

fn enumeration(xml: &mut String, name: &str, members: impl Iterator<Item = (&'static str, u32)>) {
    let underlying = match name {
        "actionType"
        | "fileIdentifierType"
        | "KnownRequestSource"
        | "RiskScore"
        | "ExposureLevel"
        | "CustomPlaybookActionTypes"
        | "CustomPlaybookParams"
        | "DeviceValue"
        | "ExclusionReason"
        | "CustomPlaybookCommandStatus"
        | "OnboardingStatus" => " UnderlyingType=\"Edm.Byte\"",
        "InterfaceType" => " UnderlyingType=\"Edm.Int64\"",
        _ => "",
    };
    let _written = write!(xml, "<EnumType Name=\"{name}\"{underlying}>");
    for (member, value) in members {
        let _written = write!(xml, "<Member Name=\"{member}\" Value=\"{value}\" />");
    }
    xml.push_str("</EnumType>");
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
    if let Some(kind) = kind.strip_suffix("[]") {
        return format!("Collection({})", full(kind));
    }
    kind.strip_prefix("own:").map_or_else(|| kind.to_owned(), |own| format!("{NAMESPACE}.{own}"))
}
