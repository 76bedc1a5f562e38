//! A managed identity over the client's own wire: plain http on this machine, whatever the proxy.

use defender_actions::{
    DefenderClient, ErrorKind,
    auth::ManagedIdentityCredential,
    transport::{Proxy, Roots, SystemClock},
};
use defender_emulator::Emulator;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[tokio::test]
async fn the_identity_of_a_machine_is_asked_for_without_the_proxy_and_the_api_through_it() {
    let metadata = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It hangs up on whoever comes.
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = Proxy::http(format!("http://{}", proxy.local_addr().unwrap())).unwrap();
    let base = format!("http://{}", metadata.local_addr().unwrap());
    let client = DefenderClient::builder()
        .credential(ManagedIdentityCredential::system_assigned().at_imds(base))
        .clock(SystemClock::new())
        .proxy(through)
        .attempts(1)
        .build()
        .unwrap();
    let call = client.action("a1".parse().unwrap());
    let (outcome, asked, ()) = tokio::join!(
        call.get().send(),
        async {
            let mut stream = metadata.accept().await.unwrap().0;
            let mut asked = Vec::with_capacity(1 << 12);
            stream.read_buf(&mut asked).await.unwrap();
            let body = r#"{"access_token":"t","expires_in":"3600","token_type":"Bearer","resource":"r"}"#;
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        },
        async { drop(proxy.accept().await.unwrap()) }
    );
    assert!(asked.starts_with("GET /metadata/identity/oauth2/token?"), "{asked}");
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed, "{error:?}");
    assert!(format!("{error:?}").contains("the proxy 127.0.0.1:"), "{error:?}");
}

#[tokio::test]
async fn either_host_gives_a_token_that_the_api_takes() {
    let emulator = Emulator::start().await.unwrap();
    let here = ManagedIdentityCredential::system_assigned;
    for (credential, comment) in [
        (here().at_imds(emulator.imds_endpoint()), "one"),
        (here().at_app_service(emulator.identity_endpoint(), emulator.identity_header()), "two"),
    ] {
        let client = DefenderClient::builder()
            .credential(credential)
            .roots(Roots::pem(emulator.ca_pem()).unwrap())
            .base_url(emulator.base_url())
            .build()
            .unwrap();
        let machine = emulator.machine_ids()[usize::from(comment == "two")].parse().unwrap();
        client.machine(machine).isolate(comment).await.unwrap();
    }
}
