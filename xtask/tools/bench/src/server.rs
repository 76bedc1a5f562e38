//! The server of the benches, in a process of its own.

#[path = "../../../../crates/defender-model/benches/page/mod.rs"]
#[allow(dead_code, reason = "the bench of the model uses all of it")]
mod page;
#[path = "../../../../crates/defender-transport/benches/wire/server.rs"]
#[allow(dead_code, reason = "the bench of the transport uses all of it")]
mod wire;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Method, Uri};
use jiff::Timestamp;

pub(crate) use self::wire::{Protocol, Server};

pub(crate) type Anything = Box<dyn std::error::Error + Send + Sync>;

/// Is the server, if this process was started to be one, and returns whether it was. A list is a full page. A POST creates an action.
pub(crate) fn serve_if_asked() -> Result<bool, Anything> {
    wire::serve_if_asked(|| {
        let (page, next) = (Bytes::from(page::page(page::ROWS)), Arc::new(AtomicU64::new(0)));
        move |method: &Method, uri: &Uri| {
            if method == Method::GET {
                return page.clone();
            }
            let machine = uri.path().split('/').nth(3).unwrap_or_default();
            action(next.fetch_add(1, Ordering::Relaxed), machine).into()
        }
    })
}

/// Record of a new action, as the service sends it. The requestor is the name of an application.
#[expect(clippy::disallowed_methods, reason = "the server of a bench has the time of the machine")]
fn action(number: u64, machine: &str) -> String {
    let now = format!("{:.7}", Timestamp::now());
    format!(
        concat!(
            r#"{{"@odata.context":"https://api.security.microsoft.com/api/$metadata#MachineActions/$entity","#,
            r#""id":"44cffc15-0e3d-4cbf-96aa-{number:012x}","type":"UnrestrictCodeExecution","title":null,"#,
            r#""requestor":"Contoso Response","requestorComment":"Machine was cleaned and validated","status":"Pending","#,
            r#""machineId":"{machine}","computerDnsName":"desktop-39g9tgl.emea.contoso.com","#,
            r#""creationDateTimeUtc":"{now}","lastUpdateDateTimeUtc":"{now}","cancellationRequestor":null,"#,
            r#""cancellationComment":null,"cancellationDateTimeUtc":null,"errorHResult":0,"scope":null,"#,
            r#""externalId":null,"requestSource":"PublicApi","relatedFileInfo":null,"commands":[],"#,
            r#""troubleshootInfo":null}}"#,
        ),
        number = number,
        machine = machine,
        now = now,
    )
}
