//! The record of one action on one machine.

use jiff::Timestamp;
use serde_json::Value;

use crate::{ActionId, ActionStatus, ActionType, CommandRecord, CommandStatus, MachineId, wire::resource::resource};

resource! {
    /// The record of one action on one machine.
    ///
    /// The fields are those that the service sends today, which are more than its page lists
    /// (<https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>), under the service's names in snake case.
    /// Every field except the id may be missing. Unknown fields, and fields of an unexpected shape, are in
    /// [`extra`](Self::extra) and are written back by serialization.
    ///
    /// ```
    /// use defender_model::{ActionStatus, ActionType, MachineAction};
    ///
    /// let action: MachineAction = serde_json::from_str(r#"{
    ///     "id": "44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e",
    ///     "type": "UnrestrictCodeExecution",
    ///     "status": "Pending",
    ///     "computerDnsName": null,
    ///     "somethingNew": 1
    /// }"#)?;
    /// assert_eq!(action.action_type, ActionType::UnrestrictCodeExecution);
    /// assert!(!action.status.is_terminal());
    /// assert_eq!(action.computer_dns_name, None);
    /// assert_eq!(action.extra["somethingNew"], 1);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct MachineAction ("a machine action") {
        [required]
        /// Id of the action.
        id: ActionId = "id",
        /// Type of the action; `""` if the record has none.
        action_type: ActionType = "type",
        /// Null in every record seen so far.
        title: Option<String> = "title",
        /// Mail address of the requesting user, or display name of the requesting application; until 2022, the id of the
        /// application. May end in blanks.
        requestor: Option<String> = "requestor",
        /// Comment of the request. Some records have blanks around the text.
        requestor_comment: Option<String> = "requestorComment",
        /// Status of the action; `""` if the record has none.
        status: ActionStatus = "status",
        /// Id of the machine.
        machine_id: Option<MachineId> = "machineId",
        /// Name of the machine: not always a DNS name, and null right after the request.
        computer_dns_name: Option<String> = "computerDnsName",
        /// Time of the request.
        creation_date_time_utc: Option<Timestamp> = "creationDateTimeUtc",
        /// Time of the last change of the record. Older records spell this field `lastUpdateTimeUtc`; if a record has both
        /// spellings, the older one is in [`extra`](Self::extra).
        last_update_date_time_utc: Option<Timestamp> = "lastUpdateDateTimeUtc" | "lastUpdateTimeUtc",
        /// Requestor of the cancellation.
        cancellation_requestor: Option<String> = "cancellationRequestor",
        /// Comment of the cancellation.
        cancellation_comment: Option<String> = "cancellationComment",
        /// Time of the cancellation.
        cancellation_date_time_utc: Option<Timestamp> = "cancellationDateTimeUtc",
        /// Error of the device as a signed HRESULT; 0 means no error. Not on the service's page.
        error_h_result: Option<i32> = "errorHResult",
        /// `Full` or `Selective` of an isolation, `Quick` or `Full` of a scan.
        scope: Option<String> = "scope",
        /// The caller's id of the action.
        external_id: Option<String> = "externalId" | "externalID",
        /// Source of the request: `PublicApi` or `Portal`, as far as seen. The service's OData metadata also has
        /// `CustomDetection`, `BulkAction`, `MCAS`, `TVM`, `ISG`, `NDR`, `MDI`, `ActiveScan`, `IncidentTasks`,
        /// `EndpointConfigManagement` and `Unspecified`.
        request_source: Option<String> = "requestSource",
        /// File that the action is about. Boxed, since most actions have none: a record has 480 bytes instead of 544, and glibc then
        /// keeps the memory of a list of 10,000 for the next one.
        related_file_info: Option<Box<RelatedFileInfo>> = "relatedFileInfo",
        /// Commands of a live response session; empty for other types.
        commands: Option<Vec<CommandRecord>> = "commands",
        /// Null in every record seen so far. Not on the service's page; the OData metadata has the fields `expirationUtc`,
        /// `startTsModeUtc`, `paramsJsonFormatVersion` and `state`.
        troubleshoot_info: Option<Value> = "troubleshootInfo",
    }
}

resource! {
    /// The file that an action is about.
    pub struct RelatedFileInfo ("a related file") {
        /// Hash of the file.
        file_identifier: Option<String> = "fileIdentifier",
        /// Kind of the hash: `Sha1`, `Sha256` or `Md5`.
        file_identifier_type: Option<String> = "fileIdentifierType",
    }
}

impl MachineAction {
    /// Returns the commands of a live response session that failed. The status of an action and the status of its commands are
    /// independent: a session may end as `Succeeded` with a failed command. Commands after a failed one are not run.
    ///
    /// ```
    /// use defender_model::MachineAction;
    ///
    /// let session: MachineAction = serde_json::from_str(r#"{"id": "a", "type": "LiveResponse", "status": "Succeeded", "commands": [
    ///     {"index": 0, "commandStatus": "Completed", "command": {"type": "PutFile"}},
    ///     {"index": 1, "commandStatus": "Failed", "command": {"type": "RunScript"}, "errors": ["no such script"]}
    /// ]}"#)?;
    /// let failed: Vec<_> = session.failed_commands().filter_map(|command| command.index).collect();
    /// assert_eq!(failed, [1]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn failed_commands(&self) -> impl Iterator<Item = &CommandRecord> {
        let commands = self.commands.as_deref().unwrap_or_default();
        commands.iter().filter(|command| command.command_status == CommandStatus::Failed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> MachineAction {
        serde_json::from_value(value).unwrap()
    }

    /// A record as the service sends it: all 20 fields, most of them null.
    fn live() -> Value {
        json!({
            "@odata.context": "https://api.security.microsoft.com/api/$metadata#MachineActions/$entity",
            "id": "5382f7ea-7557-4ab7-9782-d50480024a4e",
            "type": "LiveResponse",
            "title": null,
            "requestor": "analyst@contoso.com",
            "requestorComment": "collecting",
            "status": "TimeOut",
            "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
            "computerDnsName": "ws-eng-04",
            "creationDateTimeUtc": "2025-03-01T09:15:00.1234567Z",
            "lastUpdateDateTimeUtc": "2025-03-04T09:29:00.7697Z",
            "cancellationRequestor": null,
            "cancellationComment": null,
            "cancellationDateTimeUtc": null,
            "errorHResult": -2_145_844_840,
            "scope": null,
            "externalId": "ticket-7",
            "requestSource": "PublicApi",
            "relatedFileInfo": {"fileIdentifier": "87662bc3d60e4200ceaf7aae249d1c343f4b83c9", "fileIdentifierType": "Sha1"},
            "commands": [{
                "index": 0,
                "startTime": null,
                "endTime": "2025-03-01T09:16:00Z",
                "commandStatus": "Completed",
                "errors": [],
                "command": {"type": "GetFile", "params": [{"key": "Path", "value": "C:\\evil.exe"}]}
            }],
            "troubleshootInfo": {"nobody": ["knows"]},
        })
    }

    fn without_nulls(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect()
            }
            Value::Array(items) => items.iter().map(without_nulls).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn live_record_is_read_whole() {
        let action = read(live());
        assert_eq!(action.id.as_str(), "5382f7ea-7557-4ab7-9782-d50480024a4e");
        assert_eq!(action.status, ActionStatus::TimeOut);
        assert_eq!(action.error_h_result, Some(-2_145_844_840));
        assert_eq!(action.creation_date_time_utc.unwrap().subsec_nanosecond(), 123_456_700);
        let commands = action.commands.unwrap();
        assert_eq!(commands[0].command.as_ref().unwrap().params.as_ref().unwrap()[0].key.as_deref(), Some("Path"));
        assert_eq!(action.extra.keys().collect::<Vec<_>>(), ["@odata.context"]);
    }

    #[test]
    fn round_trip_keeps_every_value() {
        assert_eq!(serde_json::to_value(read(live())).unwrap(), without_nulls(&live()));
    }

    #[test]
    fn id_alone_is_a_record() {
        let action = read(json!({"id": "a"}));
        assert_eq!((action.status.as_str(), action.action_type.as_str()), ("", ""));
        assert_eq!(serde_json::to_value(action).unwrap(), json!({"id": "a"}));
    }

    #[test]
    fn record_without_valid_id_is_refused() {
        for (body, text) in [
            (json!({}), "missing field `id`"),
            (json!({"id": null}), "missing field `id`"),
            (json!({"id": "../a"}), "is not an action id"),
            (json!({"id": 5}), "expected a string"),
            (json!([]), "a machine action"),
        ] {
            let error = serde_json::from_value::<MachineAction>(body.clone()).unwrap_err().to_string();
            assert!(error.contains(text), "{body}: {error}");
        }
    }

    #[test]
    fn newer_update_time_spelling_wins() {
        let older = "2018-12-04T12:15:40.6052029Z";
        let newer = "2018-12-05T00:00:00Z";
        let action = read(json!({"id": "a", "lastUpdateTimeUtc": older}));
        assert_eq!(action.last_update_date_time_utc.unwrap().to_string(), older);
        assert!(action.extra.is_empty());
        for body in [
            json!({"id": "a", "lastUpdateTimeUtc": older, "lastUpdateDateTimeUtc": newer}),
            json!({"id": "a", "lastUpdateDateTimeUtc": newer, "lastUpdateTimeUtc": older}),
        ] {
            let action = read(body.clone());
            assert_eq!(action.last_update_date_time_utc.unwrap().to_string(), newer);
            assert_eq!(action.extra["lastUpdateTimeUtc"], older);
            assert_eq!(serde_json::to_value(action).unwrap(), body);
        }
        let action = read(json!({"id": "a", "lastUpdateTimeUtc": older, "lastUpdateDateTimeUtc": null}));
        assert_eq!(action.last_update_date_time_utc.unwrap().to_string(), older);
    }

    #[test]
    fn field_of_unexpected_shape_is_kept() {
        let odd = json!({
            "id": "a", "status": 7, "type": ["Isolate"], "machineId": "a/b", "creationDateTimeUtc": "yesterday",
            "lastUpdateTimeUtc": "later", "errorHResult": 2_149_122_456_u32, "commands": [1], "requestor": {"id": 1},
            "relatedFileInfo": "none", "title": false,
        });
        let action = read(odd.clone());
        assert_eq!(action.machine_id, None);
        assert_eq!(action.extra["status"], 7);
        assert_eq!(serde_json::to_value(action).unwrap(), odd);
    }
}
