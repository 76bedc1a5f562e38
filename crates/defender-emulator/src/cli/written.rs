//! The options of how records and headers are written.

use std::str::FromStr;

use defender_emulator::{
    CreatedStatus, Deflate, EmulatorBuilder, FirstUpdate, Fractions, Nulls, Targets, Transcripts, UpdateName,
};
use lexopt::{Parser, ValueExt};

/// Their names.
pub(super) const WRITTEN: [&str; 14] = [
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
pub(super) fn written(
    builder: EmulatorBuilder,
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
        "created-status" => builder.created_status(word(
            arguments,
            &[("documented", CreatedStatus::Documented), ("201", CreatedStatus::Created), ("200", CreatedStatus::Ok)],
        )?),
        "fractions" => builder.fractions(arguments.value()?.parse_with(fractions)?),
        "first-update" => {
            builder.first_update(word(arguments, &[("written", FirstUpdate::Written), ("null", FirstUpdate::Null)])?)
        }
        "targets" => builder.targets(word(arguments, &[("guid", Targets::Guid), ("opaque", Targets::Opaque)])?),
        "transcripts" => {
            builder.transcripts(word(arguments, &[("plain", Transcripts::Plain), ("gzip", Transcripts::Gzip)])?)
        }
        "nulls" => builder.nulls(word(arguments, &[("written", Nulls::Written), ("omitted", Nulls::Omitted)])?),
        "deflate" => {
            builder.deflate(word(arguments, &[("off", Deflate::Off), ("zlib", Deflate::Zlib), ("raw", Deflate::Raw)])?)
        }
        _ => {
            builder.update_name(word(arguments, &[("live", UpdateName::Live), ("documented", UpdateName::Documented)])?)
        }
    })
}

/// A choice in its text form.
pub(super) fn choice<T: FromStr<Err = &'static str>>(arguments: &mut Parser) -> Result<T, lexopt::Error> {
    arguments.value()?.parse_with(T::from_str)
}

fn fractions(text: &str) -> Result<Fractions, &'static str> {
    let wrong = "it is 7 or seeded:NUMBER";
    match text.strip_prefix("seeded:") {
        None if text == "7" => Ok(Fractions::Seven),
        None => Err(wrong),
        Some(seed) => seed.parse().map(Fractions::Seeded).map_err(|_| wrong),
    }
}

pub(super) fn word<T: Copy>(arguments: &mut Parser, words: &[(&str, T)]) -> Result<T, lexopt::Error> {
    arguments.value()?.parse_with(|text| {
        let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("it is {}", known()))
    })
}
