//! The call that is measured: a small POST and the response of the size that the service gives it, and our adapters.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use defender_transport::{
    SystemClock, Transport, TransportExt,
    extensions::{RateLimit, RateLimitScope},
};
use http::{Request, header::CONTENT_TYPE};

/// A bench does not tell one failure from another; it says what it was, and ends.
pub(crate) type Anything = Box<dyn Error + Send + Sync>;

/// Response of the service to a POST.
pub(crate) const ANSWER: &str = concat!(
    r#"{"@odata.context":"https://api.security.microsoft.com/api/$metadata#MachineActions/$entity","#,
    r#""id":"44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e","type":"UnrestrictCodeExecution","title":null,"#,
    r#""requestor":"0f6a2b1e-93c5-4f0e-8d2b-6f3f0c9a7e11","#,
    r#""requestorComment":"Machine was cleaned and validated by the response team, see INC0012345","#,
    r#""status":"Pending","machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","#,
    r#""computerDnsName":"desktop-39g9tgl.emea.contoso.com","creationDateTimeUtc":"2025-02-05T14:17:33.4823562Z","#,
    r#""lastUpdateDateTimeUtc":"2025-02-05T14:17:33.4823562Z","cancellationRequestor":null,"#,
    r#""cancellationComment":null,"cancellationDateTimeUtc":null,"errorHResult":0,"scope":null,"#,
    r#""externalId":"b1a6b5f0-5f0e-4c3e-9d39-2f1c66a7c0aa","requestSource":"PublicApi","relatedFileInfo":null,"#,
    r#""commands":[],"troubleshootInfo":null}"#,
);

/// Two windows of as many calls as the service has them, and so short that nobody waits.
const LIMITS: &[RateLimit] = &[
    RateLimit { calls: 100, per: Duration::from_micros(1) },
    RateLimit { calls: 1_500, per: Duration::from_micros(10) },
];

/// The request about the machine with this number, as anybody would send it.
pub(crate) fn request(authority: &str, machine: usize) -> Result<Request<Bytes>, http::Error> {
    Request::post(format!("https://{authority}/api/machines/{machine:040x}/unrestrictCodeExecution"))
        .header(CONTENT_TYPE, "application/json")
        .body(Bytes::from_static(br#"{"Comment":"Machine was cleaned and validated"}"#))
}

/// Says to our layers what they cannot know by themselves: the queue. A POST that says no more is never sent twice, and what
/// traces say is off here.
pub(crate) fn told(mut request: Request<Bytes>) -> Request<Bytes> {
    request.extensions_mut().insert(RateLimitScope { key: "actions".into(), limits: LIMITS.into() });
    request
}

/// Every adapter, each with its defaults; nobody listens to what the tracing one tells, which is left out without its feature.
pub(crate) fn adapted(transport: impl Transport + 'static) -> impl Transport + 'static {
    let clock = SystemClock::new();
    let transport = transport.redirected().decompressed().deadline(clock);
    #[cfg(feature = "tracing")]
    let transport = transport.traced(clock);
    transport.buffered().paced(clock).retrying(clock)
}
