//! The properties of a resource, for filters and orders.

use std::{fmt, marker::PhantomData};

use jiff::Timestamp;

use crate::{Filter, Literal};

/// A property of the resource `R` with the type `T`. A [`Filter`] is built from properties.
///
/// The properties that the service documents are constants of the resource, such as
/// [`MachineAction::STATUS`](crate::MachineAction::STATUS). A filter over the properties of one resource does not compile in a
/// query for another resource, and a property compares only with values of its own type:
///
/// ```compile_fail,E0271
/// # use defender_model::{ActionStatus, MachineAction};
/// MachineAction::ACTION_TYPE.eq(ActionStatus::Pending);
/// ```
pub struct Property<R, T> {
    name: &'static str,
    of: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Property<R, T> {
    /// Creates a property by name, for a property that has no constant here. The name is written unchanged.
    ///
    /// ```
    /// use defender_model::{MachineAction, Property};
    /// use jiff::Timestamp;
    ///
    /// // Not on a page of the service; another client sends it, and it works.
    /// const UPDATED: Property<MachineAction, Timestamp> = Property::named("lastUpdateDateTimeUtc");
    ///
    /// let filter = UPDATED.gt("2026-11-01T00:00:00Z".parse::<Timestamp>()?);
    /// assert_eq!(filter.to_string(), "lastUpdateDateTimeUtc gt 2026-11-01T00:00:00Z");
    /// # Ok::<(), jiff::Error>(())
    /// ```
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// Returns the name in the service's JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Matches rows with a property equal to `value`.
    pub fn eq(self, value: impl Literal<Of = T>) -> Filter<R> {
        self.compared("eq", &value)
    }

    /// Matches rows with a property not equal to `value`.
    pub fn ne(self, value: impl Literal<Of = T>) -> Filter<R> {
        self.compared("ne", &value)
    }

    /// Sorts by this property, lowest first; for a date, oldest first.
    #[must_use]
    pub const fn ascending(self) -> Order<R> {
        Order { property: self.name, direction: "asc", of: PhantomData }
    }

    /// Sorts by this property, highest first; for a date, newest first.
    #[must_use]
    pub const fn descending(self) -> Order<R> {
        Order { property: self.name, direction: "desc", of: PhantomData }
    }

    fn compared(self, operator: &str, value: &dyn Literal<Of = T>) -> Filter<R> {
        Filter::comparison(format!("{} {operator} {}", self.name, value.operand()))
    }
}

/// Comparisons by order. The service documents them only for dates.
impl<R> Property<R, Timestamp> {
    /// Matches rows with a date later than `date`.
    pub fn gt(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("gt", &date)
    }

    /// Matches rows with a date equal to `date` or later.
    pub fn ge(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("ge", &date)
    }

    /// Matches rows with a date earlier than `date`.
    pub fn lt(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("lt", &date)
    }

    /// Matches rows with a date equal to `date` or earlier.
    pub fn le(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("le", &date)
    }
}

impl<R> Property<R, String> {
    /// Matches rows with a property that starts with `text`. The filter may match more machines than intended: `ws-04` also
    /// matches `ws-042`.
    ///
    /// The service's page shows it for a machine's `computerDnsName` only
    /// (<https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples>, example 8).
    pub fn starts_with(self, text: impl Literal<Of = String>) -> Filter<R> {
        Filter::call(format!("startswith({},{})", self.name, text.operand()))
    }
}

impl<R> Property<R, Vec<String>> {
    /// Matches rows with a list that contains `text`.
    ///
    /// The filter is written as `machineTags/any(tag: tag eq 'ExampleTag')`, the form of example 1 on the page of 2020
    /// (`MicrosoftDocs/windows-itpro-docs`). Today's page names `machineTags` and has no example.
    pub fn contains(self, text: impl Literal<Of = String>) -> Filter<R> {
        Filter::call(format!("{}/any(tag: tag eq {})", self.name, text.operand()))
    }
}

// By hand, since a derive would require it of `R` and `T` too.
impl<R, T> Clone for Property<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Property<R, T> {}

impl<R, T> fmt::Debug for Property<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Property").field(&self.name).finish()
    }
}

/// A property and a sort direction, for [`Query::order_by`](crate::Query::order_by).
pub struct Order<R> {
    property: &'static str,
    direction: &'static str,
    of: PhantomData<fn() -> R>,
}

impl<R> Clone for Order<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Order<R> {}

impl<R> fmt::Display for Order<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.property, self.direction)
    }
}

impl<R> fmt::Debug for Order<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Order").field(&format_args!("{self}")).finish()
    }
}
