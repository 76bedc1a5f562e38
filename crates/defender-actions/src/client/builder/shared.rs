//! The settings of what several processes share: the quota, and the journal.

use std::sync::Arc;

use defender_transport::QuotaStore;

use super::DefenderClientBuilder;
use crate::{Journal, JournalBody};

/// Settings of what several processes share. Without a store, the client counts its own calls only; without a journal, the caller
/// stores the intents.
impl DefenderClientBuilder {
    /// Sets the store in which all processes of an application count their calls in a tenant.
    ///
    /// The service counts the calls of an application in a tenant, and not those of a process. With a common store the processes
    /// keep to the quota together. If the store does not respond, nothing is sent: [`ErrorKind::QuotaStore`](crate::ErrorKind::QuotaStore).
    /// `defender-store` has stores on SQLite and PostgreSQL; [`MemoryQuotaStore`](defender_transport::MemoryQuotaStore) is for
    /// several clients of one process.
    ///
    /// The store needs the ids of application and tenant. They come from the credential, as far as it names them, or from
    /// [`application_id`](Self::application_id) and [`tenant_id`](Self::tenant_id).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use defender_actions::{
    ///     DefenderClient, Error,
    ///     auth::ClientSecretCredential,
    ///     transport::{MemoryQuotaStore, QuotaStore, SystemClock},
    /// };
    ///
    /// fn client(secret: ClientSecretCredential, store: Arc<dyn QuotaStore>) -> Result<DefenderClient, Error> {
    ///     DefenderClient::builder().credential(secret).quota_store(store).build()
    /// }
    ///
    /// // All clients with this store keep to one quota.
    /// let store = Arc::new(MemoryQuotaStore::new(SystemClock::new()));
    /// ```
    pub fn quota_store(mut self, store: Arc<dyn QuotaStore>) -> Self {
        self.account.quota_store = Some(store);
        self
    }

    /// Sets the journal of the actions. The client writes the intent of each action to it right before the request, and the outcome
    /// after it. If the journal does not take the intent, nothing is sent: [`ErrorKind::Journal`](crate::ErrorKind::Journal).
    ///
    /// After a crash, [`recover_pending`](crate::DefenderClient::recover_pending) finds the outcomes that are missing. External ids
    /// are [generated](crate::ExternalIds::Generated), unless [`external_ids`](Self::external_ids) is set. The journal needs the id of the tenant, which
    /// comes from the credential or from [`tenant_id`](Self::tenant_id).
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.account.journal = Some(journal);
        self
    }

    /// Sets what the journal keeps of the bodies of requests. Default: [`JournalBody::Full`]. Parameters of a live response script may be
    /// secret: use [`JournalBody::Hash`] then.
    pub fn journal_body(mut self, journal_body: JournalBody) -> Self {
        self.account.journal_body = journal_body;
        self
    }

    /// Sets the person or program that requests the actions, as their intents name it. It is not sent.
    /// [`ActionRequest::actor`](crate::ActionRequest::actor) sets another for one action.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.account.actor = Some(actor.into());
        self
    }

    /// Sets the client id of the application, if the credential does not name it, as with a managed identity. It is the key of a
    /// [shared quota](Self::quota_store), and is not sent.
    pub fn application_id(mut self, application_id: impl Into<String>) -> Self {
        self.account.application_id = Some(application_id.into());
        self
    }

    /// Sets the id of the tenant, if the credential does not name it or names a domain. It is the key of a
    /// [shared quota](Self::quota_store) and of a [journal](Self::journal), and is not sent.
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.account.tenant_id = Some(tenant_id.into());
        self
    }
}
