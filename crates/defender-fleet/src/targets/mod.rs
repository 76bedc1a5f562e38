//! Targets of a plan: machines by id, name, tag or filter, and lists of them in files.

mod csv_file;
mod lines;
mod target;

use std::{fs::File, io::Read, path::Path};

use defender_actions::model::{Filter, Machine};

pub(crate) use self::target::{Item, Meaning, Target};
use crate::{Error, ErrorKind};

/// Machines of a plan, before they are read.
///
/// | from | constructor |
/// |---|---|
/// | ids | [`ids`](Self::ids) |
/// | exact names, in any letter case | [`names`](Self::names) |
/// | a list, ids or names by content | [`by_content`](Self::by_content) |
/// | a column of a CSV file, ids or names by content | [`csv`](Self::csv) |
/// | lines of a file or of standard input, ids or names by content | [`lines`](Self::lines) |
/// | a tag | [`tag`](Self::tag) |
/// | a filter of the service | [`filter`](Self::filter) |
///
/// A text of 40 or 32 hexadecimal digits is an id by content, and any other text is a name.
///
/// A text that is no id and no name, a name that no machine has, and a name that several machines have are rows of the plan, in
/// [`left_out`](crate::Plan::left_out), and no errors.
///
/// ```
/// use defender_fleet::Targets;
///
/// let targets = Targets::names(["ws-eng-04.contoso.com"]).and(Targets::tag("wave-2"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Targets {
    pub(crate) items: Vec<Item>,
}

impl Targets {
    /// Machines by their ids.
    pub fn ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::of(ids.into_iter().map(|text| {
            let text = text.into();
            let meaning = match text.trim().parse() {
                Ok(id) => Meaning::Id(id),
                Err(error) => Meaning::Invalid(error.to_string()),
            };
            Target { text, source: None, meaning }
        }))
    }

    /// Machines by their exact names, in any letter case. None or several machines of a name leave it out.
    pub fn names<I: Into<String>>(names: impl IntoIterator<Item = I>) -> Self {
        Self::of(names.into_iter().map(|text| {
            let text = text.into();
            Target { meaning: Meaning::name(&text), text, source: None }
        }))
    }

    /// Machines of a list in the program, each an id or a name by its content. A blank text is left out of the plan. `name` is the first part
    /// of the place of a text, such as `argument:2`.
    pub fn by_content<T: AsRef<str>>(name: &str, texts: impl IntoIterator<Item = T>) -> Self {
        let texts = (1_u64..).zip(texts);
        Self::of(texts.map(|(number, text)| Target::by_content(text.as_ref(), format!("{name}:{number}"))))
    }

    /// Machines of a column of a CSV file, each an id or a name by its content.
    ///
    /// The first line has the names of the columns. The fields are separated by commas, semicolons or tabs, whichever the first line
    /// has most of, or by the character that a line `sep=;` above it states, and may be quoted. A byte order mark is skipped. A row without a valid id or name is left out of the plan with
    /// its line, such as `hosts.csv:17`, and so is a row with a line break in a field: a quote that is not closed hides the rows below.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if the file cannot be read, is UTF-16, or does not have the column exactly once; the
    /// message lists the columns of the file.
    pub fn csv(path: impl AsRef<Path>, column: &str) -> Result<Self, Error> {
        let path = path.as_ref();
        csv_file::read(&name_of(path), &contents(path)?, column).map(Self::of)
    }

    /// As [`csv`](Self::csv), from any reader. `name` stands in place of the name of the file.
    ///
    /// # Errors
    ///
    /// As [`csv`](Self::csv).
    pub fn csv_from(name: &str, reader: impl Read, column: &str) -> Result<Self, Error> {
        csv_file::read(name, &all_of(name, reader)?, column).map(Self::of)
    }

    /// Machines of a file or of standard input, one a line, each an id or a name by its content. Blank lines and lines that begin with `#`
    /// are skipped. `name` is the first part of the place of a line, such as `hosts.txt:17`.
    ///
    /// ```
    /// # fn example() -> Result<(), defender_fleet::Error> {
    /// let targets = defender_fleet::Targets::lines("stdin", std::io::stdin())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if the reader fails, the text is UTF-16, or its first line has the names of columns, as that
    /// of a CSV file.
    pub fn lines(name: &str, reader: impl Read) -> Result<Self, Error> {
        lines::read(name, &all_of(name, reader)?).map(Self::of)
    }

    /// As [`lines`](Self::lines), from a file.
    ///
    /// # Errors
    ///
    /// As [`lines`](Self::lines), and if the file cannot be opened.
    pub fn lines_of(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        lines::read(&name_of(path), &contents(path)?).map(Self::of)
    }

    /// Machines with exactly this tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self { items: vec![Item::Tag(tag.into())] }
    }

    /// Machines that match this filter of the service.
    ///
    /// ```
    /// use defender_actions::model::{Machine, RiskScore};
    ///
    /// let targets = defender_fleet::Targets::filter(Machine::RISK_SCORE.eq(RiskScore::High));
    /// ```
    pub fn filter(filter: Filter<Machine>) -> Self {
        Self { items: vec![Item::Filter(filter)] }
    }

    /// Adds other targets. A machine that is a target twice is in the plan once.
    pub fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self
    }

    /// Returns true if there is no target.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn of(targets: impl IntoIterator<Item = Target>) -> Self {
        Self { items: targets.into_iter().map(Item::One).collect() }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(|error| unreadable(&path.display().to_string(), error))?;
    all_of(&path.display().to_string(), file)
}

fn all_of(name: &str, mut reader: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|error| unreadable(name, error))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let why = format!("`{name}` is text in UTF-16; save it as UTF-8 (in Excel: `CSV UTF-8`)");
        return Err(Error::new(ErrorKind::Configuration, why));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

fn unreadable(name: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Configuration, format!("the targets in `{name}` cannot be read: {error}")).caused_by(error)
}
