//! The JSON form of a fault.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    faults::kind::{Fault, RetryAfter},
    http::{error_code::ErrorCode, operation::Operation},
};

/// A fault, on what, and how often: `{"fault": "Status", "status": 503, "retryAfter": 7, "on": "Isolate", "times": 1}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FaultOrder {
    fault: String,
    on: Option<String>,
    pub(crate) machine_id: Option<String>,
    pub(crate) times: Option<u32>,
    status: Option<u16>,
    code: Option<String>,
    number: Option<u32>,
    retry_after: Option<When>,
    milliseconds: Option<u64>,
}

/// Seconds, or a date this many seconds from now.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum When {
    Seconds(u64),
    Date { date: u64 },
}

impl FaultOrder {
    /// Returns the fault and its operation; an error where they make no sense.
    pub(crate) fn read(&self) -> Result<(Fault, Option<Operation>), String> {
        let operation = self.on.as_deref().map(|name| {
            let unknown = || {
                let known: Vec<_> = Operation::ALL.iter().map(|operation| format!("{operation:?}")).collect();
                format!("unknown operation {name}; expected one of {}", known.join(", "))
            };
            Operation::named(name).ok_or_else(unknown)
        });
        Ok((self.fault()?, operation.transpose()?))
    }

    fn fault(&self) -> Result<Fault, String> {
        let retry_after = match self.retry_after {
            None => RetryAfter::Absent,
            Some(When::Seconds(seconds)) => RetryAfter::Seconds(seconds),
            Some(When::Date { date }) => RetryAfter::Date(date),
        };
        let status = || {
            let status = self.status.filter(|status| (200..600).contains(status));
            status.ok_or_else(|| format!("{} takes a status from 200 to 599", self.fault))
        };
        let code = || {
            let named = self.code.as_deref().and_then(ErrorCode::named);
            named.ok_or_else(|| {
                let known: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
                format!("{} takes a code, one of {}", self.fault, known.join(", "))
            })
        };
        Ok(match self.fault.as_str() {
            "RefuseConnection" => Fault::RefuseConnection,
            "TlsFailure" => Fault::TlsFailure,
            "RefusedStream" => Fault::RefusedStream,
            "ResetBeforeEffect" => Fault::ResetBeforeEffect,
            "ResetAfterEffect" => Fault::ResetAfterEffect,
            "Hang" => Fault::Hang,
            "HangAfterEffect" => Fault::HangAfterEffect,
            "SlowBytes" => Fault::SlowBytes(Duration::from_millis(self.milliseconds.unwrap_or(10))),
            "TruncatedBody" => Fault::TruncatedBody,
            "WrongContentLength" => Fault::WrongContentLength,
            "GarbageJson" => Fault::GarbageJson,
            "Html502" => Fault::Html502,
            "Html502AfterEffect" => Fault::Html502AfterEffect,
            "Status" => Fault::Status(status()?, retry_after),
            "StatusAfterEffect" => Fault::StatusAfterEffect(status()?, retry_after),
            "Empty" => Fault::Empty(status()?),
            "Code" => Fault::Code(code()?),
            "SignIn" => Fault::SignIn(self.number.ok_or("SignIn takes a number, such as 7000222")?),
            "TooManyRequests" => Fault::TooManyRequests(retry_after),
            "Unauthorized" => Fault::Unauthorized,
            "NotFound" => Fault::NotFound,
            "BlockPage" => Fault::BlockPage(status()?),
            "BlockPageAfterEffect" => Fault::BlockPageAfterEffect(status()?),
            "GatewayNotFound" => Fault::GatewayNotFound,
            "OtherMachine" => Fault::OtherMachine,
            "OtherType" => Fault::OtherType,
            "OtherRecord" => Fault::OtherRecord,
            "CircularLinks" => Fault::CircularLinks,
            "RepeatedPage" => Fault::RepeatedPage,
            "GoAway" => Fault::GoAway,
            other => return Err(format!("unknown fault {other}; the README lists them")),
        })
    }
}

impl Fault {
    /// The JSON form of the fault.
    pub(crate) fn to_json(self) -> Map<String, Value> {
        let debug = format!("{self:?}");
        let name = debug.split('(').next().unwrap_or_default();
        let when = |when: RetryAfter| match when {
            RetryAfter::Absent => Value::Null,
            RetryAfter::Seconds(seconds) => seconds.into(),
            RetryAfter::Date(seconds) => json!({ "date": seconds }),
        };
        let more = match self {
            Self::Status(status, retry_after) | Self::StatusAfterEffect(status, retry_after) => {
                vec![("status", status.into()), ("retryAfter", when(retry_after))]
            }
            Self::TooManyRequests(retry_after) => vec![("retryAfter", when(retry_after))],
            Self::Empty(status) | Self::BlockPage(status) | Self::BlockPageAfterEffect(status) => {
                vec![("status", status.into())]
            }
            Self::Code(code) => vec![("code", code.as_str().into())],
            Self::SignIn(number) => vec![("number", number.into())],
            Self::SlowBytes(each) => {
                vec![("milliseconds", u64::try_from(each.as_millis()).unwrap_or(u64::MAX).into())]
            }
            _ => Vec::new(),
        };
        let all = [("fault", Value::from(name))].into_iter().chain(more);
        all.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Fault, Option<Operation>), String> {
        serde_json::from_str::<FaultOrder>(text).map_err(|error| error.to_string())?.read()
    }

    #[test]
    fn every_fault_can_be_told_by_its_name() {
        for (fault, more) in Fault::OF_REQUESTS.iter().map(|fault| (*fault, "")).chain([
            (Fault::RefuseConnection, ""),
            (Fault::TlsFailure, ""),
            (Fault::Empty(403), r#","status":403"#),
            (Fault::SignIn(50_196), r#","number":50196"#),
            (Fault::Code(ErrorCode::DisabledFeature), r#","code":"DisabledFeature""#),
        ]) {
            let debug = format!("{fault:?}");
            let name = debug.split('(').next().unwrap();
            let more = match fault {
                Fault::Status(status, when) | Fault::StatusAfterEffect(status, when) => {
                    format!(r#","status":{status}{}"#, told(when))
                }
                Fault::TooManyRequests(when) => told(when),
                Fault::BlockPage(status) | Fault::BlockPageAfterEffect(status) => format!(r#","status":{status}"#),
                Fault::SlowBytes(each) => format!(r#","milliseconds":{}"#, each.as_millis()),
                _ => more.to_owned(),
            };
            assert_eq!(read(&format!(r#"{{"fault":"{name}"{more}}}"#)), Ok((fault, None)), "{debug}");
            assert_eq!(read(&Value::Object(fault.to_json()).to_string()), Ok((fault, None)), "{debug}");
        }
    }

    fn told(when: RetryAfter) -> String {
        match when {
            RetryAfter::Absent => String::new(),
            RetryAfter::Seconds(seconds) => format!(r#","retryAfter":{seconds}"#),
            RetryAfter::Date(seconds) => format!(r#","retryAfter":{{"date":{seconds}}}"#),
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        for (text, named) in [
            (r#"{"fault":"Earthquake"}"#, "Earthquake"),
            (r#"{"fault":"Hang","on":"Dance"}"#, "RunLiveResponse"),
            (r#"{"fault":"Status"}"#, "status"),
            (r#"{"fault":"Status","status":99}"#, "from 200"),
            (r#"{"fault":"Code","code":"Odd"}"#, "DisabledFeature"),
            (r#"{"fault":"Hang","tims":1}"#, "tims"),
        ] {
            assert!(read(text).unwrap_err().contains(named), "{text}");
        }
        let (_, operation) = read(r#"{"fault":"Hang","on":"GetPackageUri"}"#).unwrap();
        assert_eq!(operation, Some(Operation::GetPackageUri));
    }
}
