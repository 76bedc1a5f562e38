//! The options of how records and headers are written.

use defender_emulator::{CreatedStatus, Deflate, EmulatorBuilder, JsonStyle, Transcripts};
use lexopt::{Parser, ValueExt};

use super::values::{choice, one_of};

/// Their names.
pub(super) const RESPONSES: [&str; 14] = [
    "requestor",
    "particulars",
    "comments",
    "external-ids",
    "rows",
    "date-header",
    "created-status",
    "deflate",
    "fractions",
    "first-update",
    "nulls",
    "targets",
    "transcripts",
    "update-name",
];

/// The builder with the one of this name.
pub(super) fn respond_with(
    (builder, style): (EmulatorBuilder, &mut JsonStyle),
    name: &str,
    arguments: &mut Parser,
) -> Result<EmulatorBuilder, lexopt::Error> {
    Ok(match name {
        "requestor" => builder.requestor(choice(arguments)?),
        "particulars" => builder.particulars(choice(arguments)?),
        "comments" => builder.comments(choice(arguments)?),
        "external-ids" => builder.external_ids(choice(arguments)?),
        "rows" => builder.rows(choice(arguments)?),
        "date-header" => builder.date_header(choice(arguments)?),
        "created-status" => builder.created_status(one_of(
            arguments,
            &[("documented", CreatedStatus::Documented), ("201", CreatedStatus::Created), ("200", CreatedStatus::Ok)],
        )?),
        "transcripts" => {
            builder.transcripts(one_of(arguments, &[("plain", Transcripts::Plain), ("gzip", Transcripts::Gzip)])?)
        }
        "deflate" => builder
            .deflate(one_of(arguments, &[("off", Deflate::Off), ("zlib", Deflate::Zlib), ("raw", Deflate::Raw)])?),
        _ => {
            styled(style, name, arguments)?;
            builder
        }
    })
}

/// Changes the field of the JSON's style that an option of this name is about.
fn styled(style: &mut JsonStyle, name: &str, arguments: &mut Parser) -> Result<(), lexopt::Error> {
    match name {
        "fractions" => style.fraction_seed = arguments.value()?.parse_with(fractions)?,
        "first-update" => style.null_first_update = one_of(arguments, &[("written", false), ("null", true)])?,
        "nulls" => style.omit_nulls = one_of(arguments, &[("written", false), ("omitted", true)])?,
        "targets" => style.opaque_targets = one_of(arguments, &[("guid", false), ("opaque", true)])?,
        _ => style.documented_update_name = one_of(arguments, &[("live", false), ("documented", true)])?,
    }
    Ok(())
}

fn fractions(text: &str) -> Result<Option<u64>, &'static str> {
    let wrong = "expected 7 or seeded:NUMBER";
    match text.strip_prefix("seeded:") {
        None if text == "7" => Ok(None),
        None => Err(wrong),
        Some(seed) => seed.parse().map(Some).map_err(|_| wrong),
    }
}
