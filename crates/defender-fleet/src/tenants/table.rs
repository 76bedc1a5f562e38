//! Tables of a TOML file, whose fields are taken by their names. No value is ever part of an error: it may be a secret in the wrong place.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{Error, ErrorKind};

/// Text of a file, and its name.
#[derive(Debug)]
pub(super) struct Source<'t> {
    name: &'t str,
    text: &'t str,
    /// Places of the line ends.
    line_ends: Vec<usize>,
}

/// Table whose fields have not been taken yet.
#[derive(Debug)]
pub(super) struct Table<'t> {
    source: &'t Source<'t>,
    /// Place of the table.
    line: usize,
    /// Beginning of an error about the table.
    pub(super) of: String,
    fields: BTreeMap<String, (usize, DeValue<'t>)>,
}

impl<'t> Source<'t> {
    pub(super) fn new(name: &'t str, text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { name, text, line_ends: text.match_indices('\n').map(|(place, _)| place).collect() }
    }

    /// Reads the outermost table.
    pub(super) fn table(&'t self) -> Result<Table<'t>, Error> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            self.error(self.line(place), error.message())
        })?;
        Ok(self.of_fields(1, String::new(), table.into_inner()))
    }

    fn of_fields(&'t self, line: usize, of: String, fields: DeTable<'t>) -> Table<'t> {
        let fields = fields.into_iter().map(|(name, value)| {
            let line = self.line(name.span().start);
            (name.into_inner().into_owned(), (line, value.into_inner()))
        });
        Table { source: self, line, of, fields: fields.collect() }
    }

    fn line(&self, place: usize) -> usize {
        self.line_ends.partition_point(|end| *end < place) + 1
    }

    fn error(&self, line: usize, why: &str) -> Error {
        Error::new(ErrorKind::Configuration, format!("{}:{line}: {why}", self.name))
    }
}

impl<'t> Table<'t> {
    /// Error about the table itself.
    pub(super) fn error(&self, why: &str) -> Error {
        self.source.error(self.line, &format!("{}{why}", self.of))
    }

    /// Place of the table, such as `tenants.toml:3`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.source.name, self.line)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.checked_text(name, |_| None)
    }

    /// Takes a text that `fault` accepts. The fault is a sentence that follows the name of the field.
    pub(super) fn checked_text(
        &mut self,
        name: &str,
        fault: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Option<String>, Error> {
        let Some((line, value)) = self.fields.remove(name) else { return Ok(None) };
        let fault = match value.as_str() {
            None => Some("is not a text in quotes"),
            Some(text) if text.trim().is_empty() => Some("is blank"),
            Some(text) => fault(text.trim()),
        };
        match (fault, value.as_str()) {
            (None, Some(text)) => Ok(Some(text.trim().to_owned())),
            (fault, _) => {
                let fault = fault.unwrap_or("is not a text in quotes");
                Err(self.source.error(line, &format!("{}`{name}` {fault}", self.of)))
            }
        }
    }

    /// Takes a text that must be there.
    pub(super) fn required(
        &mut self,
        name: &str,
        fault: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<String, Error> {
        let text = self.checked_text(name, fault)?;
        text.ok_or_else(|| self.error(&format!("`{name}` is missing")))
    }

    /// Takes `true` or `false`. A missing field is `false`.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Error> {
        let Some((line, value)) = self.fields.remove(name) else { return Ok(false) };
        value
            .as_bool()
            .ok_or_else(|| self.source.error(line, &format!("{}`{name}` is neither true nor false", self.of)))
    }

    /// Takes a list of texts, with the line of the list.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<(usize, Vec<String>)>, Error> {
        let Some((line, value)) = self.fields.remove(name) else { return Ok(None) };
        let items = value.as_array().map(|items| items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)));
        let texts: Option<Vec<_>> = items.and_then(Iterator::collect);
        match texts {
            Some(texts) => Ok(Some((line, texts))),
            None => Err(self.source.error(line, &format!("{}`{name}` is not a list of texts", self.of))),
        }
    }

    /// Takes the tables in a table, by their names.
    pub(super) fn tables(&mut self, name: &str) -> Result<Vec<(String, Table<'t>)>, Error> {
        let Some((line, value)) = self.fields.remove(name) else { return Ok(Vec::new()) };
        let DeValue::Table(tables) = value else {
            return Err(self.source.error(line, &format!("`{name}` is not a table; write `[{name}.NAME]`")));
        };
        let of_table = |(key, value): (Spanned<_>, Spanned<DeValue<'t>>)| {
            let line = self.source.line(key.span().start);
            let key = std::borrow::Cow::<str>::into_owned(key.into_inner());
            match value.into_inner() {
                DeValue::Table(fields) => {
                    let of = format!("tenant `{}`: ", defender_actions::model::sanitize_line(&key, 100));
                    Ok((key, self.source.of_fields(line, of, fields)))
                }
                _ => {
                    Err(self.source.error(line, &format!("a field in `{name}` is not a table; write `[{name}.NAME]`")))
                }
            }
        };
        tables.into_iter().map(of_table).collect()
    }

    /// Refuses the fields that were not taken.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), Error> {
        let Some((name, (line, _))) = self.fields.iter().min_by_key(|(_, (line, _))| *line) else { return Ok(()) };
        let shown = defender_actions::model::sanitize_line(name, 100);
        let lower = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let of = &self.of;
        let why = if known.contains(&name.as_str()) {
            format!("{of}`{shown}` has no effect with this credential; remove it")
        } else if has(&["password", "passphrase", "pwd"]) {
            format!(
                "{of}`{shown}`: a secret may not stand in this file; put the password into an environment variable and name it with \
                 `password_env`, or into a file that only its owner can read and name it with `password_file`"
            )
        } else if has(&["secret", "token", "key"]) {
            format!(
                "{of}`{shown}`: a secret may not stand in this file; put the secret into an environment variable and name it with \
                 `secret_env`, or into a file that only its owner can read and name it with `secret_file`"
            )
        } else {
            format!("{of}`{shown}` is not a known field; known are: {}", known.join(", "))
        };
        Err(self.source.error(*line, &why))
    }

    /// Error about a line of the table.
    pub(super) fn error_at(&self, line: usize, why: &str) -> Error {
        self.source.error(line, why)
    }
}
