//! Names of the principal, as a record's requestor may state them.

use defender_auth::Claims;

/// Names of the principal of a token: addresses of a user, ids of an application, lower case.
///
/// The service writes an application's display name into `requestor`, and no claim has this name. So an equal name confirms, and
/// another name excludes only if both have one form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>);

/// Form of a name. Names of one form can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Guid,
    Address,
    Other,
}

impl Names {
    pub(crate) fn of(claims: &Claims) -> Self {
        Self::new(&claims.names)
    }

    pub(crate) fn new<S: AsRef<str>>(names: &[S]) -> Self {
        Self(names.iter().map(|name| normalized(name.as_ref())).filter(|name| !name.is_empty()).collect())
    }

    /// Returns whether one of the names is `requestor`.
    pub(crate) fn has(&self, requestor: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&normalized(requestor))
    }

    /// Returns whether `requestor` is certainly another principal: it has the form of one of the names and equals no name.
    pub(crate) fn exclude(&self, requestor: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let requestor = normalized(requestor);
        let form = form(&requestor);
        form != Form::Other && self.0.iter().any(|name| self::form(name) == form) && !self.0.contains(&requestor)
    }
}

/// Returns whether a requestor of this form can be excluded.
pub(crate) fn can_exclude(requestor: &str) -> bool {
    // The name of an application is mostly neither, and is not copied then.
    let name = requestor.trim();
    (name.len() == 36 || name.contains(['@', '#'])) && form(&normalized(requestor)) != Form::Other
}

/// Converts a name to lower case without blanks, and a guest's name to its own address: Entra writes `live.com#ann@contoso.com`
/// and `ann_contoso.com#EXT#@fabrikam.onmicrosoft.com` for `ann@contoso.com`.
fn normalized(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let name = name.rsplit_once("live.com#").map_or(name.as_str(), |(_, own)| own);
    match name.split_once("#ext#") {
        Some((own, _)) => match own.rsplit_once('_') {
            Some((user, domain)) if !own.contains('@') => format!("{user}@{domain}"),
            _ => own.to_owned(),
        },
        None => name.to_owned(),
    }
}

fn form(name: &str) -> Form {
    let is_guid = name.len() == 36
        && name.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    match name.split_once('@') {
        _ if is_guid => Form::Guid,
        Some((user, domain)) if !user.is_empty() && !name.contains(char::is_whitespace) && domain.contains('.') => {
            Form::Address
        }
        _ => Form::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "0d1e2f3a-0000-4000-8000-000000000001";
    const OTHER_APP: &str = "0d1e2f3a-0000-4000-8000-000000000002";

    #[test]
    fn names_exclude_within_one_form() {
        let application = Names::new(&[APP]);
        let user = Names::new(&[APP, "ann@contoso.com"]);
        for (names, requestor, has, excludes) in [
            (&application, "Contoso Response", false, false),
            (&application, " 0D1E2F3A-0000-4000-8000-000000000001 ", true, false),
            (&application, OTHER_APP, false, true),
            (&application, "bob@contoso.com", false, false),
            (&user, "Ann@Contoso.com ", true, false),
            (&user, "bob@contoso.com", false, true),
            (&user, "Ann", false, false),
            (&user, OTHER_APP, false, true),
            (&user, "", false, false),
            (&Names::default(), "bob@contoso.com", false, false),
            (&Names::default(), OTHER_APP, false, false),
        ] {
            assert_eq!((names.has(requestor), names.exclude(requestor)), (has, excludes), "{names:?} {requestor}");
        }
    }

    #[test]
    fn three_names_exclude_like_one() {
        let names = Names::new(&[APP, "0d1e2f3a-0000-4000-8000-000000000003", "ann@contoso.com"]);
        assert!(names.has(APP) && names.has("ann@contoso.com"));
        assert!(names.exclude(OTHER_APP), "another application");
        assert!(names.exclude("bob@contoso.com"), "another user");
    }

    #[test]
    fn guest_forms_are_normalized() {
        let guest = Names::new(&["live.com#ann@contoso.com"]);
        assert!(guest.has("ann@contoso.com"));
        let guest = Names::new(&["ann_lee_contoso.com#EXT#@fabrikam.onmicrosoft.com"]);
        assert!(guest.has("Ann_Lee@contoso.com") && !guest.exclude("ann_lee@contoso.com"));
        assert!(guest.exclude("bob@contoso.com"));
        let member = Names::new(&["ann@contoso.com"]);
        assert!(member.has("ann_contoso.com#EXT#@fabrikam.onmicrosoft.com"));
    }
}
