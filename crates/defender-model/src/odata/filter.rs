//! What is asked for of a list.

use std::{fmt, marker::PhantomData, ops::Not};

/// A `$filter` over the resource `R`: which of a list are wanted. Built from the properties of the resource, with
/// every value quoted as it must be, so that no name or comment can change what is asked.
///
/// ```
/// use defender_model::{ActionStatus::Pending, Filter, MachineAction};
/// use jiff::Timestamp;
///
/// let (status, created) = (MachineAction::STATUS, MachineAction::CREATION_DATE_TIME_UTC);
/// let since: Timestamp = "2026-11-20T00:00:00Z".parse()?;
///
/// let filter: Filter<MachineAction> = status.eq(Pending).and(created.ge(since));
/// assert_eq!(filter.to_string(), "status eq 'Pending' and creationDateTimeUtc ge 2026-11-20T00:00:00Z");
/// # Ok::<(), jiff::Error>(())
/// ```
///
/// What was built first stays together: parentheses are put where they are needed, and nowhere else.
///
/// ```
/// # use defender_model::{ActionType, MachineAction};
/// let kind = MachineAction::ACTION_TYPE;
/// let ours = MachineAction::REQUESTOR.eq("o'hara@contoso.com");
///
/// let filter = kind.eq(ActionType::Isolate).or(kind.eq(ActionType::Unisolate)).and(ours);
/// assert_eq!(filter.to_string(), "(type eq 'Isolate' or type eq 'Unisolate') and requestor eq 'o''hara@contoso.com'");
/// ```
///
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples>, and for how tightly
/// each operator binds <https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html>.
#[must_use = "a filter is a description, and changes nothing until a list is asked for with it"]
pub struct Filter<R> {
    text: String,
    binds: Binds,
    of: PhantomData<fn() -> R>,
}

/// How tightly the outermost operator binds, from the loosest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    /// What is in it is not known.
    Raw,
    Or,
    And,
    Comparison,
    Not,
    Call,
}

impl<R> Filter<R> {
    /// A filter of your own, for what has no method here. It is written as it is, in parentheses where it is combined,
    /// and nothing of it is checked: quote values yourself (a quote inside a text is doubled), and let no text of others
    /// into it.
    ///
    /// ```
    /// use defender_model::{ActionStatus, Filter, MachineAction};
    ///
    /// let filter = Filter::raw("type eq 'Isolate' or type eq 'Unisolate'")
    ///     .and(MachineAction::STATUS.eq(ActionStatus::Pending));
    /// assert_eq!(filter.to_string(), "(type eq 'Isolate' or type eq 'Unisolate') and status eq 'Pending'");
    /// ```
    pub fn raw(text: impl Into<String>) -> Self {
        Self::new(text.into(), Binds::Raw)
    }

    pub(crate) fn comparison(text: String) -> Self {
        Self::new(text, Binds::Comparison)
    }

    pub(crate) fn call(text: String) -> Self {
        Self::new(text, Binds::Call)
    }

    /// Those that are in both.
    pub fn and(self, other: Self) -> Self {
        self.combined(" and ", other, Binds::And)
    }

    /// Those that are in either.
    pub fn or(self, other: Self) -> Self {
        self.combined(" or ", other, Binds::Or)
    }

    /// Those that are not in it. The same as `!filter`.
    #[expect(clippy::should_implement_trait, reason = "it is implemented; a method goes on with the sentence")]
    pub fn not(self) -> Self {
        Self::new(format!("not {}", self.that_binds(Binds::Not)), Binds::Not)
    }

    fn new(text: String, binds: Binds) -> Self {
        Self { text, binds, of: PhantomData }
    }

    /// Two of the same operator need no parentheses on either side, since it does not matter which is done first.
    fn combined(self, operator: &str, other: Self, binds: Binds) -> Self {
        let mut text = self.that_binds(binds);
        text.push_str(operator);
        text.push_str(&other.that_binds(binds));
        Self::new(text, binds)
    }

    fn that_binds(self, at_least: Binds) -> String {
        if self.binds >= at_least { self.text } else { format!("({})", self.text) }
    }
}

impl<R> Not for Filter<R> {
    type Output = Self;

    fn not(self) -> Self {
        Self::not(self)
    }
}

/// The filter as it is before it is encoded for a URL.
impl<R> fmt::Display for Filter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// By hand, since a derive would ask it of `R` too.
impl<R> Clone for Filter<R> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone(), self.binds)
    }
}

impl<R> fmt::Debug for Filter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}
