//! The links that actions lead to, with a signature in them in the place of a token.

use http::StatusCode;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::{
    http::{problem::Problem, response::ApiResponse},
    odata::pairs,
    service::Service,
    store::live_response::CommandKind,
};

/// The reason why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It was not made here, or was changed.
    Forged,
    /// Its time is over.
    Expired,
}

/// Handles `getPackageUri`: a link inside quotes, as the page's sample has it; a 404 until the action has
/// succeeded: <https://learn.microsoft.com/defender-endpoint/api/get-package-sas-uri>.
pub(crate) fn package(service: &Service, id: &str) -> Result<ApiResponse, Problem> {
    let world = service.world();
    let elapsed = service.clock.elapsed();
    let action = world.actions.get(id).filter(|action| action.is_visible(elapsed, service.settings.read_lag));
    let action = action.ok_or_else(|| Problem::no_such("MachineAction", id))?;
    if action.type_name.as_str() != "CollectInvestigationPackage" {
        // The response for another action's id is unknown.
        return Err(Problem::bad("BadRequest", "The action is not of type CollectInvestigationPackage"));
    }
    if action.status(elapsed) != "Succeeded" {
        return Err(Problem::no_such("The package of action", id));
    }
    Ok(text(service, &format!("\"{}\"", service.sign_link(&format!("{}.zip", action.id)))))
}

/// Handles `GetLiveResponseResultDownloadLink(index=n)`: a link without quotes.
///
/// Source: <https://learn.microsoft.com/defender-endpoint/api/get-live-response-result>. That a command without a result,
/// or none yet, is a 404 is inferred.
pub(crate) fn result(service: &Service, id: &str, argument: &str) -> Result<ApiResponse, Problem> {
    let index = argument.trim().strip_prefix("index=").and_then(|index| index.trim().parse::<usize>().ok());
    let index = index.ok_or_else(|| Problem::bad("InvalidInput", "The argument is index={number}"))?;
    let world = service.world();
    let elapsed = service.clock.elapsed();
    let action = world.actions.get(id).filter(|action| action.is_visible(elapsed, service.settings.read_lag));
    let action = action.ok_or_else(|| Problem::no_such("MachineAction", id))?;
    let none = || Problem::no_such("The result of command", &index.to_string());
    let command = action.commands.get(index).filter(|command| command.kind != CommandKind::PutFile).ok_or_else(none)?;
    if !command.has_completed(&action.life, (index, &action.commands), elapsed) {
        return Err(none());
    }
    let suffix = if command.kind == CommandKind::GetFile { "gz" } else { "json" };
    Ok(text(service, &service.sign_link(&format!("{}-{index}.{suffix}", action.id))))
}

fn text(service: &Service, value: &str) -> ApiResponse {
    let context = format!("{}/api/$metadata#Edm.String", service.base_url);
    ApiResponse::entity(StatusCode::OK, &json!({ "@odata.context": context, "value": value }))
}

impl Service {
    /// A link to a blob. Its host is another than the API's, so that a client has no reason to send its token there.
    fn sign_link(&self, name: &str) -> String {
        let ends = self.clock.now().checked_add(self.settings.link_lifetime).unwrap_or(Timestamp::MAX);
        let ends = format!("{ends:.0}");
        let signature = self.key.stamp(&format!("{name}\n{ends}"));
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        format!(
            "{}/blobs/{name}?sv=2019-07-07&sr=b&sp=r&se={}&sig={}",
            self.blob_url,
            encoded(&ends),
            encoded(&signature)
        )
    }

    /// Checks the query of a link to the blob of this name.
    pub(crate) fn check_link(&self, name: &str, query: &str) -> Result<(), Closed> {
        let value = |wanted| pairs(query).find(|(name, _)| name == wanted).map(|(_, value)| value).unwrap_or_default();
        let (ends, signature) = (value("se"), value("sig"));
        if signature != self.key.stamp(&format!("{name}\n{ends}")) {
            return Err(Closed::Forged);
        }
        match ends.parse::<Timestamp>() {
            Ok(ends) if self.clock.now() < ends => Ok(()),
            _ => Err(Closed::Expired),
        }
    }
}
