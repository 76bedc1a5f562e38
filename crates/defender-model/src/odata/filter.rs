//! The `$filter` of a list.

use std::{fmt, marker::PhantomData, ops::Not};

/// A `$filter` over the resource `R`. It is built from the properties of the resource. Every value is quoted, so that no name
/// and no comment can change the meaning of the filter.
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
/// A filter keeps its meaning inside another one: parentheses are added where they are required, and only there.
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
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples>, and for the precedence of the
/// operators <https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html>.
#[must_use = "a filter has no effect until it is part of the query of a list"]
pub struct Filter<R> {
    text: String,
    binds: Binds,
    of: PhantomData<fn() -> R>,
}

/// Precedence of the outermost operator, from low to high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    /// Unknown text.
    Raw,
    Or,
    And,
    Comparison,
    Not,
    Call,
}

impl<R> Filter<R> {
    /// Creates a filter from OData text, for a condition that has no method here. The text is written unchanged, in parentheses
    /// if the filter is combined. It is not checked: quote values (double a quote inside a text), and do not insert text from
    /// others.
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

    /// Matches rows that match both filters.
    pub fn and(self, other: Self) -> Self {
        self.combined(" and ", other, Binds::And)
    }

    /// Matches rows that match at least one of the filters.
    pub fn or(self, other: Self) -> Self {
        self.combined(" or ", other, Binds::Or)
    }

    /// Matches rows that do not match this filter. The same as `!filter`.
    #[expect(clippy::should_implement_trait, reason = "it is implemented; the method can be chained")]
    pub fn not(self) -> Self {
        Self::new(format!("not {}", self.that_binds(Binds::Not)), Binds::Not)
    }

    fn new(text: String, binds: Binds) -> Self {
        Self { text, binds, of: PhantomData }
    }

    /// Joins two filters. Two equal operators need no parentheses, since both are associative.
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

/// Writes the filter without percent-encoding.
impl<R> fmt::Display for Filter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// By hand, since a derive would require it of `R` too.
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
