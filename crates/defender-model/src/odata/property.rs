//! A property of a resource, to filter and to sort by.

use std::{fmt, marker::PhantomData};

use jiff::Timestamp;

use crate::{Filter, Literal};

/// A property of the resource `R` that holds a `T`: what a [`Filter`] is built from.
///
/// The properties that the service documents are constants of the resource, such as
/// [`MachineAction::STATUS`](crate::MachineAction::STATUS). A filter of one resource's properties is not taken for
/// another's, and a property is compared with values of its own type only:
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
    /// The property of that name, for one that has no constant here. The name is written as it is.
    ///
    /// ```
    /// use defender_model::{MachineAction, Property};
    /// use jiff::Timestamp;
    ///
    /// // On no page of the service, but seen to work in another client.
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

    /// Its name in the service's JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Those where it is `value`.
    pub fn eq(self, value: impl Literal<Of = T>) -> Filter<R> {
        self.compared("eq", &value)
    }

    /// Those where it is not `value`.
    pub fn ne(self, value: impl Literal<Of = T>) -> Filter<R> {
        self.compared("ne", &value)
    }

    /// Sorts by it, the least first: the oldest, where it is a date.
    #[must_use]
    pub const fn ascending(self) -> Order<R> {
        Order { property: self.name, direction: "asc", of: PhantomData }
    }

    /// Sorts by it, the greatest first: the newest, where it is a date.
    #[must_use]
    pub const fn descending(self) -> Order<R> {
        Order { property: self.name, direction: "desc", of: PhantomData }
    }

    fn compared(self, operator: &str, value: &dyn Literal<Of = T>) -> Filter<R> {
        Filter::comparison(format!("{} {operator} {}", self.name, value.operand()))
    }
}

/// Only dates have an order that the service documents.
impl<R> Property<R, Timestamp> {
    /// Those where it is later than `date`.
    pub fn gt(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("gt", &date)
    }

    /// Those where it is `date` or later.
    pub fn ge(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("ge", &date)
    }

    /// Those where it is earlier than `date`.
    pub fn lt(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("lt", &date)
    }

    /// Those where it is `date` or earlier.
    pub fn le(self, date: impl Literal<Of = Timestamp>) -> Filter<R> {
        self.compared("le", &date)
    }
}

impl<R> Property<R, String> {
    /// Those where it starts with `text`. It takes in more than one machine where the name of one begins another's:
    /// `ws-04` finds `ws-042` too.
    ///
    /// The service's page shows it for a machine's `computerDnsName` only
    /// (<https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples>, example 8).
    pub fn starts_with(self, text: impl Literal<Of = String>) -> Filter<R> {
        Filter::call(format!("startswith({},{})", self.name, text.operand()))
    }
}

impl<R> Property<R, Vec<String>> {
    /// Those where `text` is one of its elements.
    ///
    /// Written as `machineTags/any(tag: tag eq 'ExampleTag')`, the form of example 1 on the page of 2020
    /// (`MicrosoftDocs/windows-itpro-docs`); the page of today names `machineTags` and shows no example.
    pub fn contains(self, text: impl Literal<Of = String>) -> Filter<R> {
        Filter::call(format!("{}/any(tag: tag eq {})", self.name, text.operand()))
    }
}

// By hand, since a derive would ask it of `R` and `T` too.
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

/// A property and a direction to sort in, for [`Query::order_by`](crate::Query::order_by).
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
