//! The transport alone, for another API: Entra ID. A form that is not sent twice, and a document that may be.

use std::{env, error::Error};

use bytes::Bytes;
use defender_transport::{HyperTransport, SystemClock, Transport, TransportExt, extensions::Idempotency};
use http::Request;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = SystemClock::new();
    let transport = HyperTransport::new()?.redirected().decompressed().deadline(clock).buffered().retrying(clock);
    let tenant = format!("{}/{}", env::var("AZURE_AUTHORITY_HOST")?, env::var("AZURE_TENANT_ID")?);

    let document = Request::get(format!("{tenant}/v2.0/.well-known/openid-configuration")).body(Bytes::new())?;
    let document = transport.send(document).await?;
    println!("discovery: {}, {} bytes", document.status(), document.into_body().collect(1 << 20).await?.len());

    let form = Request::post(format!("{tenant}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(Idempotency::NonIdempotent)
        .body(Bytes::from_static(
            b"grant_type=client_credentials&client_id=nobody&client_secret=none&scope=a/.default",
        ))?;
    match transport.send(form).await {
        Ok(response) => println!("token endpoint: {}", response.status()),
        Err(error) if error.never_sent() => println!("certainly not sent: {error}"),
        Err(error) => println!("the outcome is unknown: {error}"),
    }
    Ok(())
}
