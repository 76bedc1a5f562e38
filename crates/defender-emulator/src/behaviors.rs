//! Choices that can change while the emulator runs.

use std::str::FromStr;

use serde::Deserialize;

use crate::{
    store::duplicates::Duplicates,
    wire_format::{DateHeader, json_style::Spelling},
};

/// The choices that hold now. They begin as the builder or the command line has them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behaviors {
    pub(crate) duplicates: Duplicates,
    pub(crate) date: DateHeader,
    pub(crate) spelling: Spelling,
}

/// The body of `POST /emulator/behaviors`: `{"comments": "cut:64", "requestor": "app-id"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BehaviorOrder {
    duplicates: Option<String>,
    date: Option<String>,
    requestor: Option<String>,
    particulars: Option<String>,
    comments: Option<String>,
    external_ids: Option<String>,
    rows: Option<String>,
}

impl BehaviorOrder {
    /// `now` with what is ordered; an error where a text is not one of its choices.
    pub(crate) fn applied(&self, mut now: Behaviors) -> Result<Behaviors, String> {
        let spelling = &mut now.spelling;
        choose(&mut now.duplicates, "duplicates", self.duplicates.as_deref())?;
        choose(&mut now.date, "date", self.date.as_deref())?;
        choose(&mut spelling.requestor, "requestor", self.requestor.as_deref())?;
        choose(&mut spelling.particulars, "particulars", self.particulars.as_deref())?;
        choose(&mut spelling.comments, "comments", self.comments.as_deref())?;
        choose(&mut spelling.external_ids, "externalIds", self.external_ids.as_deref())?;
        choose(&mut spelling.rows, "rows", self.rows.as_deref())?;
        Ok(now)
    }
}

fn choose<T: FromStr<Err = &'static str>>(choice: &mut T, name: &str, text: Option<&str>) -> Result<(), String> {
    if let Some(text) = text {
        *choice = text.parse().map_err(|why| format!("{name}: {why}, not {text}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire_format::{Comments, ExternalIds, Particulars, Requestor, Rows};

    fn applied(order: &str) -> Result<Behaviors, String> {
        let order: BehaviorOrder = serde_json::from_str(order).map_err(|error| error.to_string())?;
        order.applied(Behaviors::default())
    }

    #[test]
    fn every_choice_has_its_text_form() {
        let seconds = Duration::from_secs(90);
        for (text, chosen) in [
            ("display-name", Requestor::DisplayName),
            ("app-id", Requestor::ApplicationId),
            ("mail", Requestor::Mail),
            ("guest", Requestor::Guest),
            ("seeded:7", Requestor::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
        for (text, chosen) in [
            ("after-pending", Particulars::AfterPending),
            ("at-once", Particulars::AtOnce),
            ("after:90", Particulars::After(seconds)),
            ("never", Particulars::Never),
            ("seeded:7", Particulars::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
        for (text, chosen) in [
            ("blank", Comments::Blank),
            ("as-sent", Comments::AsSent),
            ("cut:64", Comments::Cut(64)),
            ("crlf", Comments::Crlf),
            ("entities", Comments::Entities),
            ("null", Comments::Null),
            ("seeded:7", Comments::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
        for (text, chosen) in [
            ("echoed", ExternalIds::Echoed),
            ("absent", ExternalIds::Absent),
            ("uuid", ExternalIds::Uuid),
            ("word", ExternalIds::Word),
            ("seeded:7", ExternalIds::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
        for (text, chosen) in [
            ("readable", Rows::Readable),
            ("null-machine", Rows::NullMachine),
            ("null-type", Rows::NullType),
            ("null-creation", Rows::NullCreation),
            ("unknown-type", Rows::UnknownType),
            ("unreadable", Rows::Unreadable),
            ("seeded:7", Rows::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
        for (text, chosen) in [
            ("clock", DateHeader::Clock),
            ("absent", DateHeader::Absent),
            ("1970", DateHeader::Epoch),
            ("ahead:90", DateHeader::Ahead(seconds)),
            ("behind:90", DateHeader::Behind(seconds)),
            ("seeded:7", DateHeader::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
        for (text, chosen) in [
            ("refuse", Duplicates::Refuse),
            ("join", Duplicates::Join),
            ("accept", Duplicates::Accept),
            ("ended", Duplicates::Ended),
            ("7", Duplicates::Seeded(7)),
            ("seeded:7", Duplicates::Seeded(7)),
        ] {
            assert_eq!(text.parse(), Ok(chosen));
        }
    }

    #[test]
    fn order_changes_only_what_it_names() {
        let now = applied(r#"{"comments":"null","date":"absent"}"#).unwrap();
        assert_eq!((now.spelling.comments, now.date), (Comments::Null, DateHeader::Absent));
        assert_eq!((now.spelling.requestor, now.duplicates), (Requestor::DisplayName, Duplicates::Refuse));
    }

    #[test]
    fn unknown_choice_is_refused_with_its_alternatives() {
        for (order, named) in [
            (r#"{"comments":"cut"}"#, "comments: expected blank, as-sent, cut:LENGTH"),
            (r#"{"date":"ahead:-1"}"#, "date: expected clock"),
            (r#"{"duplicates":"twice"}"#, "duplicates: expected refuse"),
            (r#"{"comment":"null"}"#, "unknown field"),
        ] {
            let why = applied(order).unwrap_err();
            assert!(why.contains(named), "{order}: {why}");
        }
    }
}
