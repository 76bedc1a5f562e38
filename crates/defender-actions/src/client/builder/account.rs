//! Application and tenant of a client, and what its processes share.

use std::sync::Arc;

use defender_auth::CredentialIdentity;
use defender_transport::QuotaStore;

use crate::{
    Error, ErrorKind, ExternalIds, Journal, JournalBody, client::stack::SharedQuota,
    journal::hashed_bodies::HashedBodies,
};

/// Application and tenant, and what their processes share.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) application_id: Option<String>,
    pub(super) tenant_id: Option<String>,
    /// Ids that the credential names.
    pub(super) identity: CredentialIdentity,
    pub(super) quota_store: Option<Arc<dyn QuotaStore>>,
    pub(super) journal: Option<Arc<dyn Journal>>,
    pub(super) journal_body: JournalBody,
    pub(super) actor: Option<String>,
}

impl Account {
    /// Returns the store of the quota and the first part of its keys.
    pub(super) fn quota(&self) -> Result<Option<SharedQuota>, Error> {
        let Some(store) = &self.quota_store else { return Ok(None) };
        let needed_by = "quota store";
        let application = self.application_id.as_ref().or(self.identity.client_id.as_ref());
        let application = checked(application, needed_by, "application", "application_id")?;
        let owner = format!("{application}/{}", self.needed_tenant(needed_by)?);
        Ok(Some(SharedQuota { store: Arc::clone(store), owner }))
    }

    /// Returns the id of the tenant, if it is known. A journal needs it.
    pub(super) fn tenant(&self) -> Result<Option<String>, Error> {
        if self.journal.is_some() {
            self.needed_tenant("journal").map(Some)
        } else {
            Ok(self.named_tenant().and_then(|id| guid(id)))
        }
    }

    /// Returns the journal, in the form that the caller wants.
    pub(super) fn journal(&self, external_ids: ExternalIds) -> Result<Option<Arc<dyn Journal>>, Error> {
        let Some(journal) = self.journal.clone() else { return Ok(None) };
        if self.journal_body == JournalBody::Full {
            return Ok(Some(journal));
        }
        if external_ids != ExternalIds::Generated {
            let why =
                "a journal with hashes of the bodies recovers by generated external ids; leave out `.external_ids(..)`";
            return Err(Error::new(ErrorKind::Configuration).context(why));
        }
        Ok(Some(Arc::new(HashedBodies(journal))))
    }

    fn needed_tenant(&self, needed_by: &str) -> Result<String, Error> {
        let named = |id: &Option<String>| id.as_deref().and_then(guid);
        if let (Some(set), Some(named)) = (named(&self.tenant_id), named(&self.identity.tenant))
            && set != named
        {
            let why =
                format!("`.tenant_id(..)` is {set}, and the credential is of tenant {named}; leave out one of them");
            return Err(Error::new(ErrorKind::Configuration).context(why));
        }
        checked(self.named_tenant(), needed_by, "tenant", "tenant_id")
    }

    fn named_tenant(&self) -> Option<&String> {
        self.tenant_id.as_ref().or(self.identity.tenant.as_ref())
    }
}

/// Returns the id in lower case. A domain is not accepted: two processes with two names of one tenant would count apart.
fn checked(id: Option<&String>, needed_by: &str, name: &str, setting: &str) -> Result<String, Error> {
    let why = match id {
        None => "the credential does not name it".to_owned(),
        Some(id) => match guid(id) {
            Some(guid) => return Ok(guid),
            None => format!("`{}` is not a GUID", id.trim()),
        },
    };
    let context = format!("the {needed_by} needs the id of the {name}, and {why}; set it with `.{setting}(..)`");
    Err(Error::new(ErrorKind::Configuration).context(context))
}

/// Returns the GUID in lower case.
fn guid(text: &str) -> Option<String> {
    let is_of_guid = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let text = text.trim();
    (text.len() == 36 && text.bytes().enumerate().all(is_of_guid)).then(|| text.to_ascii_lowercase())
}
