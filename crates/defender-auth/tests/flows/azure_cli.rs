//! The Azure CLI, for which a script stands.

use std::{path::Path, sync::Arc, time::Duration};

use defender_auth::{AccessToken, AzureCliCredential, Error, ErrorKind, IntoCredential, TokenCredential, TokenRequest};
use defender_transport::{
    Clock,
    testing::{Capture, ManualClock},
};

use crate::support::{all_of, answering, context};

fn script() -> AzureCliCredential {
    AzureCliCredential::new().program(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/az/az"))
}

fn transport() -> Capture {
    answering(500, "nothing is sent")
}

async fn got(credential: AzureCliCredential) -> Result<AccessToken, Error> {
    let credential = credential.into_credential(&context(&transport(), &ManualClock::new())).unwrap();
    credential.token(&TokenRequest::new()).await
}

#[tokio::test]
async fn cli_token_expiry_uses_epoch_field() {
    for tenant in ["fine", "much", "both", "noticed", "marked"] {
        let token = got(script().tenant(tenant)).await.unwrap();
        assert_eq!((token.secret(), token.expires_on().as_second()), ("the-token", 1_767_272_400));
    }
}

#[tokio::test]
async fn cli_runs_in_neutral_folder() {
    let error = got(script().tenant("contoso.com").subscription("arguments")).await.unwrap_err();
    let expected = "exit code 3: /bin true account get-access-token --output json --scope \
                    https://api.securitycenter.microsoft.com/.default --tenant contoso.com --subscription arguments";
    let shown = error.to_string().replace("/usr/bin", "/bin");
    assert!(shown.ends_with(expected), "{error}");
}

#[tokio::test]
async fn cli_has_empty_stdin() {
    let error = got(script().tenant("stdin")).await.unwrap_err();
    assert!(error.to_string().ends_with("it was given nothing"), "{error}");
}

#[tokio::test]
async fn cli_failure_is_reported_without_token() {
    for (tenant, kind, words) in [
        ("old", ErrorKind::Configuration, "2.54"),
        ("ended", ErrorKind::Response, "ended already"),
        ("html", ErrorKind::Response, "not what is known"),
        ("out", ErrorKind::SignIn, "az login"),
        ("mfa", ErrorKind::SignIn, "multi-factor authentication"),
        ("mfa", ErrorKind::SignIn, "az login --scope https://api.securitycenter.microsoft.com/.default"),
        ("broken", ErrorKind::Other, "it failed, <redacted>"),
        ("gone", ErrorKind::Configuration, "install-azure-cli"),
        ("nothing", ErrorKind::Response, "not what is known"),
    ] {
        let error = got(script().tenant(tenant)).await.unwrap_err();
        let shown = all_of(&error);
        assert!(error.kind() == kind && shown.contains(words), "{tenant}: {shown}");
        assert!(!shown.contains("the-token"), "{tenant}: {shown}");
    }
    for program in ["/nonexistent/az", "az"] {
        assert_eq!(got(script().program(program)).await.unwrap_err().kind(), ErrorKind::Configuration);
    }
}

#[tokio::test]
async fn hanging_cli_is_killed() {
    for tenant in ["slow", "endless"] {
        let clock = ManualClock::new();
        let credential: Arc<dyn TokenCredential> =
            script().tenant(tenant).into_credential(&context(&transport(), &clock)).unwrap();
        let time_passes = async {
            while clock.sleeping() == 0 {
                tokio::task::yield_now().await;
            }
            clock.advance(Duration::from_secs(10));
        };
        let ask = TokenRequest::new();
        let (outcome, ()) = tokio::join!(credential.token(&ask), time_passes);
        let shown = outcome.unwrap_err().to_string();
        assert!(shown.contains("took longer than 10s"), "{shown}");
        assert_eq!(clock.elapsed(), Duration::from_secs(10));
    }
}

#[tokio::test]
async fn claims_cannot_be_handed_on() {
    let credential = script().tenant("fine").into_credential(&context(&transport(), &ManualClock::new())).unwrap();
    let error = credential.token(&TokenRequest::new().claims("{}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignIn);
}

#[test]
fn call_outside_runtime_is_clear_error() {
    use futures_util::FutureExt;
    let error = got(script().tenant("fine")).now_or_never().unwrap().unwrap_err();
    assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("tokio runtime"), "{error}");
}

#[test]
fn shell_metacharacters_are_refused() {
    let context = context(&transport(), &ManualClock::new());
    for credential in [
        script().tenant("a b"),
        script().tenant("a&calc"),
        script().tenant("--debug"),
        script().tenant(""),
        script().subscription("a\"b"),
        script().subscription("$(x)"),
    ] {
        assert_eq!(credential.into_credential(&context).unwrap_err().kind(), ErrorKind::Configuration);
    }
    let context = context.audience("https://x y");
    assert!(script().into_credential(&context).is_err());
}
