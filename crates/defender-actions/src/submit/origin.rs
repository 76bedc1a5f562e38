//! The evidence of an accepted action.

/// Evidence that the service has accepted an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The response has the record of a new action: it has the submission's comment or generated external id, it was created in
    /// the time of the submission, nothing in it is different, and no earlier response had shown it.
    ///
    /// The service may respond with an existing action. An action of another process with the same comment that was created
    /// within the last seconds cannot be distinguished from a new one, unless the external ids are
    /// [generated](crate::ExternalIds::Generated). No two submissions of one client are `Created` with the same action. Two
    /// concurrent submissions of the same action with the same comment may each get the record of the other.
    Created,
    /// An action of this type with these particulars is in progress. The service responded with it, or refused the request because
    /// of this action. It may belong to another caller or to another submission of yours, and may be younger than a refusal.
    Joined,
    /// The response was lost, and the service's list has the action: by its generated external id, or as the only action that can
    /// be the submission's. Without generated ids it may be the same action with the same comment that another process submitted
    /// at the same time. No two submissions of one client get the same action.
    Recovered,
}
