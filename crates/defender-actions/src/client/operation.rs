//! The operations of the API: everything about a call except its ids and its body.

use std::{borrow::Cow, time::Duration};

use defender_model::{Action, ActionInfo, CancelMachineAction, Limit};
use defender_transport::extensions::Idempotency;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::{client::limits::BodyLimit, observe::OTHER, permissions::Needs};

/// Operation of the API. Typed and raw calls of an operation share its quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Path below the prefix, with placeholders.
    pub(crate) template: Cow<'static, str>,
    pub(crate) quota: &'static [Limit],
    pub(crate) idempotency: Idempotency,
    /// Size limit of its responses.
    pub(crate) read: BodyLimit,
    /// Required permissions, if its page names them.
    pub(crate) needs: Option<Needs>,
    /// False for the operation of a raw call that is in no table. Its template has parts of the caller's path.
    pub(crate) is_known: bool,
}

/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>.
const PACKAGE_LINKS: &[Limit] = &[Limit::new(2, Duration::from_secs(60)), Limit::new(120, Duration::from_secs(3_600))];

impl Operation {
    pub(crate) const LIST_ACTIONS: Self = Self::read("/machineactions", BodyLimit::Page, Needs::READING);
    pub(crate) const GET_ACTION: Self = Self::read("/machineactions/{id}", BodyLimit::Entity, Needs::READING);
    pub(crate) const CANCEL: Self = Self {
        method: Method::POST,
        template: Cow::Borrowed("/machineactions/{id}/cancel"),
        quota: Limit::GENERAL,
        idempotency: Idempotency::NonIdempotent,
        read: BodyLimit::Entity,
        needs: Some(Needs::any_of(CancelMachineAction::PERMISSIONS)),
        is_known: true,
    };
    pub(crate) const PACKAGE_LINK: Self = Self {
        method: Method::GET,
        template: Cow::Borrowed("/machineactions/{id}/getPackageUri"),
        quota: PACKAGE_LINKS,
        idempotency: Idempotency::Idempotent,
        read: BodyLimit::Entity,
        needs: Some(Needs::PACKAGE_LINK),
        is_known: true,
    };
    pub(crate) const RESULT_LINK: Self = Self::read(
        "/machineactions/{id}/GetLiveResponseResultDownloadLink(index={index})",
        BodyLimit::Entity,
        Needs::RESULT_LINK,
    );

    pub(crate) const LIST_MACHINES: Self = Self::read("/machines", BodyLimit::Page, Needs::READING);
    pub(crate) const FIND_BY_IP: Self =
        Self::read("/machines/findbyip(ip={ip},timestamp={timestamp})", BodyLimit::Page, Needs::READING);
    pub(crate) const FIND_BY_TAG: Self = Self::read("/machines/findbytag", BodyLimit::Page, Needs::READING);
    pub(crate) const GET_MACHINE: Self = Self::read("/machines/{id}", BodyLimit::Entity, Needs::READING);
    pub(crate) const UPDATE_MACHINE: Self = Self::change(Method::PATCH, "/machines/{id}", BodyLimit::Entity);
    pub(crate) const TAG_MACHINE: Self = Self::change(Method::POST, "/machines/{id}/tags", BodyLimit::Entity);
    pub(crate) const SET_DEVICE_VALUE: Self =
        Self::change(Method::POST, "/machines/{id}/setDeviceValue", BodyLimit::Entity);
    /// The response has the records of up to 500 machines.
    pub(crate) const TAG_MACHINES: Self =
        Self::change(Method::POST, "/machines/AddOrRemoveTagForMultipleMachines", BodyLimit::Fixed(16 << 20));

    pub(crate) const LIST_LIBRARY: Self = Self::read("/libraryfiles", BodyLimit::Page, Needs::LIBRARY);
    pub(crate) const UPLOAD: Self = Self {
        method: Method::POST,
        template: Cow::Borrowed("/libraryfiles"),
        quota: Limit::GENERAL,
        idempotency: Idempotency::NonIdempotent,
        read: BodyLimit::Fixed(1 << 20),
        needs: Some(Needs::LIBRARY),
        is_known: true,
    };
    /// Idempotent: a second deletion changes nothing.
    pub(crate) const DELETE_FILE: Self = Self {
        method: Method::DELETE,
        template: Cow::Borrowed("/libraryfiles/{fileName}"),
        quota: Limit::GENERAL,
        idempotency: Idempotency::Idempotent,
        read: BodyLimit::Entity,
        needs: Some(Needs::LIBRARY),
        is_known: true,
    };

    /// All operations except the actions on a machine, which [`Inner::actions`](super::Inner::actions) returns.
    const OTHERS: &'static [Self] = &[
        Self::LIST_ACTIONS,
        Self::GET_ACTION,
        Self::CANCEL,
        Self::PACKAGE_LINK,
        Self::RESULT_LINK,
        Self::LIST_MACHINES,
        Self::FIND_BY_IP,
        Self::FIND_BY_TAG,
        Self::GET_MACHINE,
        Self::UPDATE_MACHINE,
        Self::TAG_MACHINE,
        Self::SET_DEVICE_VALUE,
        Self::TAG_MACHINES,
        Self::LIST_LIBRARY,
        Self::UPLOAD,
        Self::DELETE_FILE,
    ];

    const fn read(template: &'static str, read: BodyLimit, needs: Needs) -> Self {
        Self {
            method: Method::GET,
            template: Cow::Borrowed(template),
            quota: Limit::GENERAL,
            idempotency: Idempotency::Idempotent,
            read,
            needs: Some(needs),
            is_known: true,
        }
    }

    /// Returns an operation that changes the record of a machine. It is idempotent: a tag is present or absent.
    const fn change(method: Method, template: &'static str, read: BodyLimit) -> Self {
        Self {
            method,
            template: Cow::Borrowed(template),
            quota: Limit::GENERAL,
            idempotency: Idempotency::Idempotent,
            read,
            needs: Some(Needs::CHANGING),
            is_known: true,
        }
    }

    /// Returns the operation of the action `A` on a machine.
    pub(crate) fn of_action<A: Action>() -> Self {
        let needs = Needs { application: A::PERMISSIONS, delegated: A::DELEGATED_PERMISSIONS, role: A::ROLE };
        Self::on_machine(A::SEGMENT, A::QUOTA, needs)
    }

    fn of_info(action: &ActionInfo) -> Self {
        let needs =
            Needs { application: action.permissions, delegated: action.delegated_permissions, role: action.role };
        Self::on_machine(action.segment, action.quota, needs)
    }

    fn on_machine(segment: &str, quota: &'static [Limit], needs: Needs) -> Self {
        Self {
            method: Method::POST,
            template: Cow::Owned(format!("/machines/{{id}}/{segment}")),
            quota,
            idempotency: Idempotency::NonIdempotent,
            read: BodyLimit::Entity,
            needs: Some(needs),
            is_known: true,
        }
    }

    /// Returns the operation of a path below the prefix, in any spelling that the service accepts: any letter case, with a version
    /// prefix, percent-encoded.
    ///
    /// A path with another method than its operation is a separate operation with the same quota. An unknown operation has the
    /// general quota.
    pub(crate) fn at<'a>(method: &Method, path: &str, actions: impl Iterator<Item = &'a ActionInfo>) -> Self {
        let segments: Vec<_> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
            .skip_while(|segment| segment.eq_ignore_ascii_case("v1.0"))
            .collect();
        let known = Self::OTHERS.iter().cloned().chain(actions.map(Self::of_info));
        let fits = known.filter(|known| is_at(&known.template, &segments));
        // A literal segment wins over a placeholder.
        let found = fits.min_by_key(|known| (placeholders(&known.template), known.method != *method));
        let idempotency = if method.is_safe() { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
        match found {
            Some(found) if found.method == *method => found,
            Some(found) => Self { method: method.clone(), idempotency, ..found },
            None => Self {
                method: method.clone(),
                template: Cow::Owned(unknown(&segments)),
                quota: Limit::GENERAL,
                idempotency,
                read: BodyLimit::Entity,
                needs: collection_needs(&segments),
                is_known: false,
            },
        }
    }

    /// Returns the template for metrics, which has no part of a caller's path.
    pub(crate) fn observed_template(&self) -> Cow<'static, str> {
        if self.is_known { self.template.clone() } else { OTHER.into() }
    }

    /// Returns the name of the queue. The service accepts paths in any letter case, so all must lead to the same queue.
    pub(crate) fn queue(&self) -> String {
        format!("{} {}", self.method, self.template.to_ascii_lowercase())
    }
}

/// Returns a segment without the arguments of a function.
fn name(segment: &str) -> &str {
    segment.split('(').next().unwrap_or_default()
}

fn is_at(template: &str, segments: &[Cow<'_, str>]) -> bool {
    let own = template.split('/').skip(1);
    // An OData segment, such as `$count`, is not an id.
    let fits = |(own, segment): (&str, &Cow<'_, str>)| {
        if own.starts_with('{') { !segment.starts_with('$') } else { name(own).eq_ignore_ascii_case(name(segment)) }
    };
    own.clone().count() == segments.len() && own.zip(segments).all(fits)
}

fn placeholders(template: &str) -> usize {
    template.matches("/{").count()
}

/// Returns the template of an unknown operation. The segment after a collection is an id, unless it is `$count`.
fn unknown(segments: &[Cow<'_, str>]) -> String {
    let collection = |first: &str| {
        let own = Operation::OTHERS.iter().filter_map(|known| known.template.split('/').nth(1));
        own.clone().find(|own| own.eq_ignore_ascii_case(first)).map_or_else(|| first.to_owned(), ToOwned::to_owned)
    };
    segments.iter().enumerate().fold(String::new(), |template, (place, segment)| {
        let shown = match (place, name(segment)) {
            (0, first) => collection(first),
            (1, second) if second.eq_ignore_ascii_case("$count") => "$count".to_owned(),
            (1, _) => "{id}".to_owned(),
            (_, further) => further.to_owned(),
        };
        template + "/" + &shown
    })
}

/// Returns the permissions of the collection, for an operation without a page of its own.
fn collection_needs(segments: &[Cow<'_, str>]) -> Option<Needs> {
    let first = segments.first()?;
    let lists = [Operation::LIST_ACTIONS, Operation::LIST_MACHINES, Operation::LIST_LIBRARY];
    lists.into_iter().find(|list| is_at(&list.template, &[Cow::Borrowed(name(first))]))?.needs
}

#[cfg(test)]
mod tests;
