//! Worlds: a service, the submissions of one client, actions of others, and earlier reads of the client.

use super::{
    rules::Principal,
    service::{Comment, ExternalId, Kind, Machine, Ms, Request, SECOND, Scope, Service, TypeName},
};

/// Fate of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// Its response is received.
    Received,
    /// The request is lost.
    LostBefore,
    /// The response is lost.
    LostAfter,
    /// The request arrives after its loss was noticed.
    Late,
}

/// External id that a submission sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    None,
    Given,
    Generated,
}

/// A submission of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) at: Ms,
    pub(super) scope: Scope,
    pub(super) comment: Comment,
    pub(super) ids: Ids,
    /// The submission calls `.resend_if_lost()`.
    pub(super) resends: bool,
    pub(super) network: [Network; 2],
    /// Time after which an attempt is given up.
    pub(super) lost_after: Ms,
    /// Travel time of a late request.
    pub(super) delay: Ms,
    /// The process ends with the first attempt; a new one recovers the intent.
    pub(super) crashes: bool,
}

impl Default for Submission {
    fn default() -> Self {
        Self {
            at: 0,
            scope: Scope::Full,
            comment: Comment::Short,
            ids: Ids::None,
            resends: true,
            network: [Network::LostAfter, Network::Received],
            lost_after: 30 * SECOND,
            delay: 0,
            crashes: false,
        }
    }
}

impl Submission {
    pub(super) fn external_id(&self, number: usize) -> Option<ExternalId> {
        match self.ids {
            Ids::None => None,
            Ids::Given => Some(ExternalId::Given),
            Ids::Generated => Some(ExternalId::Generated(u8::try_from(number).unwrap())),
        }
    }
}

/// Action of another caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) at: Ms,
    pub(super) request: Request,
    pub(super) lasts: Ms,
}

impl Default for Other {
    fn default() -> Self {
        Self {
            at: 0,
            request: Request {
                machine: Machine::Ours,
                type_name: TypeName::Ours,
                scope: Scope::Full,
                comment: Comment::Other,
                external_id: None,
            },
            lasts: 4_000 * SECOND,
        }
    }
}

/// One scenario for the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct World {
    pub(super) kind: Kind,
    pub(super) service: Service,
    /// Time by which the client's clock is ahead.
    pub(super) clock_ahead: Ms,
    pub(super) principal: Principal,
    pub(super) submissions: Vec<Submission>,
    pub(super) others: Vec<Other>,
    /// Times at which the client reads the list for any reason.
    pub(super) reads: Vec<Ms>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            kind: Kind::Scoped,
            service: Service::default(),
            clock_ahead: 0,
            principal: Principal::GuidAndMail,
            submissions: vec![Submission::default()],
            others: Vec::new(),
            reads: Vec::new(),
        }
    }
}
