//! The operations of the service, and their permissions.

use std::time::Duration;

/// Every application permission that the API's pages name for machines, their actions and the library.
pub(crate) const ROLES: [&str; 11] = [
    "Alert.ReadWrite.All",
    "Library.Manage",
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.LiveResponse",
    "Machine.Offboard",
    "Machine.Read.All",
    "Machine.ReadWrite.All",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.StopAndQuarantine",
];

/// One operation of the service, such as isolating a machine or reading an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// `POST /{tenant}/oauth2/v2.0/token`, and the same without `v2.0`.
    Token,
    /// `POST /api/machines/{id}/restrictCodeExecution`
    RestrictCodeExecution,
    /// `POST /api/machines/{id}/unrestrictCodeExecution`
    UnrestrictCodeExecution,
    /// `POST /api/machines/{id}/isolate`
    Isolate,
    /// `POST /api/machines/{id}/unisolate`
    Unisolate,
    /// `POST /api/machines/{id}/runAntiVirusScan`
    RunAntiVirusScan,
    /// `POST /api/machines/{id}/offboard`
    Offboard,
    /// `POST /api/machines/{id}/StopAndQuarantineFile`
    StopAndQuarantineFile,
    /// `POST /api/machines/{id}/collectInvestigationPackage`
    CollectInvestigationPackage,
    /// `POST /api/machines/{id}/runliveresponse`
    RunLiveResponse,
    /// `POST /api/machines/{id}/startInvestigation`, which the service has taken away.
    StartInvestigation,
    /// `POST /api/machineactions/{id}/cancel`
    CancelAction,
    /// `GET /api/machineactions/{id}`
    GetAction,
    /// `GET /api/machineactions`
    ListActions,
    /// `GET /api/machineactions/{id}/getPackageUri`
    GetPackageUri,
    /// `GET /api/machineactions/{id}/GetLiveResponseResultDownloadLink(index={n})`
    GetLiveResponseResult,
    /// `GET /api/machines`
    ListMachines,
    /// `GET /api/machines/{id}/machineActions`, which stands in the service's metadata alone.
    ListActionsOfMachine,
    /// `GET /api/machines/{id or name}`
    GetMachine,
    /// `GET /api/machines/findbyip(ip='{ip}',timestamp={time})`
    FindMachinesByIp,
    /// `GET /api/machines/findbytag?tag={tag}`
    FindMachinesByTag,
    /// `POST /api/machines/{id}/tags`
    TagMachine,
    /// `POST /api/machines/AddOrRemoveTagForMultipleMachines`
    TagMachines,
    /// `POST /api/machines/{id}/setDeviceValue`
    SetDeviceValue,
    /// `PATCH /api/machines/{id}`
    UpdateMachine,
    /// `GET /api/libraryfiles`
    ListLibraryFiles,
    /// `POST /api/libraryfiles`
    UploadLibraryFile,
    /// `DELETE /api/libraryfiles/{name}`
    DeleteLibraryFile,
    /// `GET /api/$metadata`
    GetMetadata,
    /// `GET /blobs/{name}`: what a link of the API leads to.
    DownloadBlob,
}

/// The permissions to read an action: <https://learn.microsoft.com/defender-endpoint/api/get-machineaction-object>.
const READ: &[&str] = &["Machine.Read.All", "Machine.ReadWrite.All"];
/// The permissions to change a machine's record:
/// <https://learn.microsoft.com/defender-endpoint/api/add-or-remove-machine-tags>.
const WRITE: &[&str] = &["Machine.ReadWrite.All"];
/// <https://learn.microsoft.com/defender-endpoint/api/list-library-files>
const LIBRARY: &[&str] = &["Library.Manage"];

/// <https://learn.microsoft.com/defender-endpoint/api/cancel-machine-action>
const CANCEL: &[&str] = &[
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.Offboard",
    "Machine.StopAndQuarantine",
    "Machine.LiveResponse",
];

impl Operation {
    /// All operations, to find one by its name.
    pub(crate) const ALL: [Self; 30] = [
        Self::Token,
        Self::RestrictCodeExecution,
        Self::UnrestrictCodeExecution,
        Self::Isolate,
        Self::Unisolate,
        Self::RunAntiVirusScan,
        Self::Offboard,
        Self::StopAndQuarantineFile,
        Self::CollectInvestigationPackage,
        Self::RunLiveResponse,
        Self::StartInvestigation,
        Self::CancelAction,
        Self::GetAction,
        Self::ListActions,
        Self::GetPackageUri,
        Self::GetLiveResponseResult,
        Self::ListMachines,
        Self::ListActionsOfMachine,
        Self::GetMachine,
        Self::FindMachinesByIp,
        Self::FindMachinesByTag,
        Self::TagMachine,
        Self::TagMachines,
        Self::SetDeviceValue,
        Self::UpdateMachine,
        Self::ListLibraryFiles,
        Self::UploadLibraryFile,
        Self::DeleteLibraryFile,
        Self::GetMetadata,
        Self::DownloadBlob,
    ];

    /// The operation of this name, as it is written here: `Isolate`, `GetAction`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| format!("{operation:?}") == name)
    }

    /// The application permissions of which any one allows it, by the table of its own page in
    /// <https://learn.microsoft.com/defender-endpoint/api/>. None where a token is asked for, or a link is enough.
    pub(crate) const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Token | Self::DownloadBlob => &[],
            Self::RestrictCodeExecution | Self::UnrestrictCodeExecution => &["Machine.RestrictExecution"],
            Self::Isolate | Self::Unisolate => &["Machine.Isolate"],
            Self::RunAntiVirusScan => &["Machine.Scan"],
            Self::Offboard => &["Machine.Offboard"],
            // The page lists the two others too, and so does this.
            Self::StopAndQuarantineFile => &["Machine.StopAndQuarantine", "Machine.Read.All", "Machine.ReadWrite.All"],
            Self::CollectInvestigationPackage => &["Machine.CollectForensics"],
            Self::RunLiveResponse => &["Machine.LiveResponse"],
            Self::StartInvestigation => &["Alert.ReadWrite.All"],
            // Inferred: any permission allows reading the metadata.
            Self::GetMetadata => &ROLES,
            Self::CancelAction => CANCEL,
            Self::GetAction
            | Self::ListActions
            | Self::GetPackageUri
            | Self::GetLiveResponseResult
            | Self::ListMachines
            | Self::ListActionsOfMachine
            | Self::GetMachine
            | Self::FindMachinesByIp
            | Self::FindMachinesByTag => READ,
            Self::TagMachine | Self::TagMachines | Self::SetDeviceValue | Self::UpdateMachine => WRITE,
            Self::ListLibraryFiles | Self::UploadLibraryFile | Self::DeleteLibraryFile => LIBRARY,
        }
    }

    /// The delegated permissions of which any one allows it to a user, by the same tables; they are in a token's `scp`.
    pub(crate) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::StopAndQuarantineFile => &["Machine.StopAndQuarantine"],
            Self::StartInvestigation => &["Alert.ReadWrite"],
            Self::GetPackageUri => &["Machine.CollectForensics"],
            Self::GetLiveResponseResult => &["Machine.LiveResponse"],
            Self::GetAction
            | Self::ListActions
            | Self::ListMachines
            | Self::ListActionsOfMachine
            | Self::GetMachine
            | Self::FindMachinesByIp
            | Self::FindMachinesByTag => &["Machine.Read", "Machine.ReadWrite"],
            Self::TagMachine | Self::TagMachines | Self::SetDeviceValue | Self::UpdateMachine => &["Machine.ReadWrite"],
            // Of the others both kinds share one name.
            _ => self.roles(),
        }
    }

    /// Returns the quota per application and tenant, as calls and periods, by the page of each.
    pub(crate) const fn limits(self) -> &'static [(usize, Duration)] {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3_600);
        match self {
            Self::Token | Self::DownloadBlob => &[],
            Self::RunLiveResponse => &[(10, MINUTE)],
            Self::GetPackageUri => &[(2, MINUTE), (120, HOUR)],
            Self::StartInvestigation => &[(50, HOUR)],
            _ => &[(100, MINUTE), (1_500, HOUR)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_has_each_operation() {
        let source = include_str!("operation.rs");
        let (_, inside) = source.split_once("pub enum Operation {").unwrap();
        let (variants, _) = inside.split_once("\n}").unwrap();
        let variants = variants.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///"));
        let variants: Vec<_> = variants.map(|line| line.trim_end_matches(',')).collect();
        let listed: Vec<_> = Operation::ALL.iter().map(|operation| format!("{operation:?}")).collect();
        assert_eq!(listed, variants, "`Operation::ALL` has each variant, in the order of the enum");
    }
}
