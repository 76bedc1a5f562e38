//! Tenants from a file.

use std::{collections::HashMap, ffi::OsString, sync::Arc};

use defender_actions::{
    EntryKey, Journal, MemoryJournal,
    model::{LiveResponse, LiveResponseCommand},
};
use defender_emulator::{Fault, Operation};
use defender_fleet::{Error, ErrorKind, Fleet, RowOrigin, Stores, Targets, Tenants, TenantsFile};
use defender_store::MemoryRunStore;
use defender_transport::MemoryQuotaStore;

use crate::{
    folder::Folder,
    world::{World, unrestrict},
};

const CANARY: &str = "8Q~canary~of~a~secret";
const IDS: &str =
    "tenant_id = \"7e4a47d0-0000-4000-8000-000000000001\"\nclient_id = \"c11e47d0-0000-4000-8000-000000000002\"\n";

/// File with one tenant, whose fields begin in line 4.
fn contoso(fields: &str) -> String {
    format!("[tenants.contoso]\n{IDS}{fields}")
}

fn tenants_of(text: &str) -> Result<Tenants, Error> {
    TenantsFile::new().read_text("tenants.toml", text)
}

fn refused(text: &str) -> String {
    let error = tenants_of(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary"), "{shown}");
    error.to_string()
}

/// Error of the client of the tenant `contoso`.
fn no_client(file: &TenantsFile, text: &str) -> String {
    let tenants = file.read_text("tenants.toml", text).unwrap();
    let error = Fleet::new(tenants, Stores::memory(defender_transport::testing::AutoClock::new()))
        .client("contoso")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary"), "{shown}");
    error.to_string()
}

#[test]
fn wrong_file_error_has_line() {
    for (text, why) in [
        ("[tenants.a", "tenants.toml:1: "),
        ("\n\ntenants = 5", "tenants.toml:3: `tenants` is not a table; write `[tenants.NAME]`"),
        ("tenant = {}", "tenants.toml:1: `tenant` is not a known field; known are: allow, tenants"),
        ("[tenants]\ncontoso = 5", "tenants.toml:2: a field in `tenants` is not a table"),
        ("\n[tenants.contoso]\n", "tenants.toml:2: tenant `contoso`: `tenant_id` is missing"),
        (&contoso(""), "tenants.toml:1: tenant `contoso`: `credential` is missing"),
        (
            &contoso("credential = \"password\""),
            "tenants.toml:4: tenant `contoso`: `credential` is not a credential; use client-secret",
        ),
        (&contoso("credential = \"client-secret\""), "`secret_env`, `secret_file` or `secret_name` is missing"),
        (&contoso("credential = \"client-secret\"\nsecret_env = \"A\"\nsecret_file = \"b\""), "only one of"),
        (
            &contoso("credential = \"azure-cli\"\nsecret_env = \"A\""),
            "tenants.toml:5: tenant `contoso`: `secret_env` has no effect with this credential",
        ),
        (
            &contoso("credential = \"azure-cli\"\nclould = \"gcc\""),
            "tenants.toml:5: tenant `contoso`: `clould` is not a known field",
        ),
        (
            &contoso("credential = \"azure-cli\"\njournal_body = \"sha256\""),
            "tenants.toml:5: tenant `contoso`: `journal_body` is not a part of a body; use full or hash",
        ),
        (
            &contoso("credential = \"azure-cli\"\ncloud = \"china\""),
            "tenants.toml:5: tenant `contoso`: `cloud` is not a cloud",
        ),
        (&contoso("credential = \"azure-cli\"\ncloud = \"gcc\"\nregion = \"eu\""), "`region` needs the public cloud"),
        (&contoso("credential = \"managed-identity\"\nsystem_assigned = \"yes\""), "is neither true nor false"),
        (&contoso("credential = 5"), "tenants.toml:4: tenant `contoso`: `credential` is not a text in quotes"),
        (
            &contoso("credential = \"azure-cli\"").replace("7e4a", "7e4x"),
            "tenants.toml:2: tenant `contoso`: `tenant_id` is not a GUID",
        ),
        (
            &format!("allow = [\"fabrikam\"]\n{}", contoso("credential = \"azure-cli\"")),
            "tenants.toml:1: `allow`: there is no tenant `fabrikam`",
        ),
        (&format!("{0}\n{0}", contoso("credential = \"azure-cli\"")), "tenants.toml:"),
    ] {
        let error = refused(text);
        assert!(error.contains(why), "{error}\nhas no {why}\n{text}");
    }
}

#[test]
fn secret_in_file_is_refused() {
    for (field, advice) in [
        ("client_secret", "with `secret_env`"),
        ("secret", "with `secret_file`"),
        ("password", "with `password_env`"),
        ("certificate_password", "with `password_file`"),
        ("api_key", "with `secret_env`"),
    ] {
        let error =
            refused(&contoso(&format!("credential = \"client-secret\"\nsecret_env = \"A\"\n{field} = \"{CANARY}\"")));
        let expected = format!("tenants.toml:6: tenant `contoso`: `{field}`: a secret may not stand in this file");
        assert!(error.contains(&expected) && error.contains(advice), "{error}");
    }
    // A secret in the place of another text, and broken lines with a secret.
    for field in ["secret_env", "credential", "cloud", "region", "client_id", "unknown", "system_assigned"] {
        refused(&contoso(&format!("{field} = \"{CANARY}\"")));
        refused(&contoso(&format!("credential = \"managed-identity\"\n{field} = [\"{CANARY}\"]\n")));
    }
    for broken in [
        format!("secret = {CANARY}"),
        format!("secret = \"{CANARY}"),
        format!("secret \"{CANARY}\""),
        format!("secret = '{CANARY}' x"),
        format!("secret = \"\\{CANARY}\""),
        format!("secret_env = \"A\"\nsecret_env = \"{CANARY}\""),
    ] {
        refused(&contoso(&broken));
    }
}

#[test]
fn missing_secret_error_names_place() {
    let folder = Folder::new();
    let shared = folder.file("contoso.secret", CANARY);
    let by = |place: &str| contoso(&format!("credential = \"client-secret\"\n{place}"));
    let file = TenantsFile::new()
        .variables(|name| (name == "BLANK").then(|| OsString::from(" ")))
        .secret_source(|name| if name == "blank" { Ok("\n".to_owned()) } else { Err("the keyring is locked".into()) });
    for (place, why) in [
        ("secret_env = \"CONTOSO\"".to_owned(), "the environment variable `CONTOSO` is not set"),
        ("secret_env = \"BLANK\"".to_owned(), "the environment variable `BLANK` is blank"),
        ("secret_name = \"contoso\"".to_owned(), "the secret `contoso` cannot be read: the keyring is locked"),
        ("secret_name = \"blank\"".to_owned(), "the secret `blank` is blank"),
        (format!("secret_file = '{}'", folder.path().join("none").display()), "none` cannot be read"),
        #[cfg(unix)]
        (format!("secret_file = '{}'", shared.display()), "run `chmod 600"),
    ] {
        let error = no_client(&file, &by(&place));
        assert!(error.contains(why) && error.contains("tenant `contoso` (tenants.toml:1)"), "{error}");
    }
    let _ = shared;
    let error = no_client(&TenantsFile::new(), &by("secret_name = \"contoso\""));
    assert!(error.contains("no source for the secret `contoso`; use `secret_env`"), "{error}");
    let error = no_client(&TenantsFile::new(), &contoso("credential = \"device-code\""));
    assert!(error.contains("cannot show a device code"), "{error}");
    let error = no_client(&TenantsFile::new(), &contoso("credential = \"browser\""));
    assert!(error.contains("browser"), "{error}");
}

#[tokio::test]
async fn tenant_of_file_is_used() {
    let world = World::machines(3);
    let emulator = &world.emulator;
    let folder = Folder::new();
    let secret = folder.file("contoso.secret", format!("{}\n", emulator.client_secret()));
    #[cfg(unix)]
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let _ = secret;
    let tenant = |place: &str| {
        let (tenant, client) = (emulator.tenant_id(), emulator.client_id());
        let (base, authority) = (emulator.base_url(), emulator.authority());
        format!(
            "tenant_id = \"{}\"\nclient_id = \"{client}\"\ncredential = \"client-secret\"\n{place}\nbase_url = \"{base}\"\nauthority = \"{authority}\"\n",
            tenant.to_uppercase()
        )
    };
    let text = [
        ("by-variable", "secret_env = \"CONTOSO\""),
        ("by-file", "secret_file = \"contoso.secret\""),
        ("by-name", "secret_name = \"contoso\""),
    ]
    .map(|(name, place)| format!("[tenants.{name}]\n{}", tenant(place)))
    .concat();
    let path = folder.file("tenants.toml", format!("\u{feff}{text}"));
    let variables = HashMap::from([("CONTOSO".to_owned(), OsString::from(emulator.client_secret()))]);
    let (clock, secret) = (world.clock.clone(), emulator.client_secret().to_owned());
    let file = TenantsFile::new()
        .variables(move |name| variables.get(name).cloned())
        .secret_source(move |_| Ok(secret.clone()))
        .transport(emulator.transport())
        .client_settings(move |builder| builder.clock(clock.clone()));
    assert!(!format!("{file:?}").contains(emulator.client_secret()));
    let tenants = file.read(&path).unwrap();
    assert!(!format!("{tenants:?}").contains(emulator.client_secret()));
    let fleet = Fleet::new(tenants, Stores::memory(world.clock.clone()));
    for name in ["by-variable", "by-file", "by-name"] {
        let plan = fleet.plan(name).unwrap().targets(Targets::ids(emulator.machine_ids())).action(unrestrict());
        let plan = plan.resolve().await.unwrap();
        assert_eq!((&*plan.tenant, &*plan.tenant_id, plan.rows.len()), (name, emulator.tenant_id(), 2));
    }
}

/// A script's arguments are in the plan, which sends them, and not in the journal, also if the action was found by a search.
#[tokio::test]
async fn journal_of_hashes_has_no_body() {
    let world = World::machines(2);
    let emulator = &world.emulator;
    let secret = emulator.client_secret().to_owned();
    let text = format!(
        "[tenants.contoso]\ntenant_id = \"{}\"\nclient_id = \"{}\"\ncredential = \"client-secret\"\nsecret_name = \"contoso\"\n\
         base_url = \"{}\"\nauthority = \"{}\"\njournal_body = \"hash\"\n",
        emulator.tenant_id(),
        emulator.client_id(),
        emulator.base_url(),
        emulator.authority()
    );
    let clock = world.clock.clone();
    let tenants = TenantsFile::new()
        .secret_source(move |_| Ok(secret.clone()))
        .transport(emulator.transport())
        .client_settings(move |builder| builder.clock(clock.clone()));
    let tenants = tenants.read_text("tenants.toml", &text).unwrap();
    let journal = Arc::new(MemoryJournal::new(world.clock.clone()));
    let (quota, runs) = (MemoryQuotaStore::new(world.clock.clone()), MemoryRunStore::new(world.clock.clone()));
    let fleet =
        Fleet::new(tenants, Stores::new(Arc::<MemoryJournal>::clone(&journal), Arc::new(quota), Arc::new(runs)));
    emulator.fault(Fault::ResetAfterEffect).on(Operation::RunLiveResponse).times(1);
    let script = LiveResponseCommand::run_script("collect.ps1").args("canary");
    let action = LiveResponse::new("INC-4711", [script]).unwrap();
    let plan = fleet.plan("contoso").unwrap().targets(Targets::ids(emulator.machine_ids())).action(action);
    let plan = plan.resolve().await.unwrap();
    assert!(plan.to_json().contains("canary"));
    let report = fleet.start(&plan.approved_by("jo", "INC-4711").unwrap()).await.unwrap().finish().await.unwrap();
    assert!(report.rows.iter().any(|row| row.origin == Some(RowOrigin::Recovered)), "{report}");
    for row in &report.rows {
        let key = EntryKey::new(row.key.as_deref().unwrap()).unwrap();
        let entry = journal.entry(&key).await.unwrap().unwrap();
        assert!(entry.outcome.is_some(), "{entry:?}");
        assert!(!format!("{entry:?}").contains("canary"), "{entry:?}");
    }
}

#[test]
fn each_credential_builds_a_client() {
    let folder = Folder::new();
    let tenants = [
        ("client-secret", "secret_env = \"A\""),
        ("managed-identity", "system_assigned = true"),
        ("managed-identity", ""),
        ("workload-identity", "token_file = \"token\""),
        ("azure-cli", ""),
        ("device-code", "cloud = \"gcc-high\""),
        ("azure-cli", "region = \"eu\""),
    ]
    .map(|(kind, fields)| contoso(&format!("credential = \"{kind}\"\n{fields}\n")));
    for text in tenants {
        let file = TenantsFile::new().variables(|_| Some("secret".into())).device_code_prompt(|_| {});
        let tenants = file.read(folder.file("tenants.toml", &text)).unwrap();
        let fleet = Fleet::new(tenants, Stores::memory(defender_transport::testing::AutoClock::new()));
        let client = fleet.client("contoso").unwrap_or_else(|error| panic!("{error}\n{text}"));
        let base = match text.split_once("\ncredential").unwrap().1 {
            fields if fields.contains("gcc-high") => "https://api-gov.securitycenter.microsoft.us/api",
            fields if fields.contains("eu") => "https://eu.api.security.microsoft.com/api",
            _ => "https://api.security.microsoft.com/api",
        };
        assert_eq!(client.base_url(), base);
    }
    // The Azure CLI is an application of its own.
    let text = contoso("credential = \"azure-cli\"").replace("client_id", "# client_id");
    Fleet::new(tenants_of(&text).unwrap(), Stores::memory(defender_transport::testing::AutoClock::new()))
        .client("contoso")
        .unwrap();
}

#[test]
fn names_are_exact_and_allowed() {
    let cli = "credential = \"azure-cli\"\n";
    let text = format!("allow = [\"contoso\"]\n[tenants.fabrikam]\n{IDS}{cli}[tenants.contoso]\n{IDS}{cli}");
    let tenants = tenants_of(&text).unwrap();
    assert_eq!(tenants.iter().map(defender_fleet::Tenant::name).collect::<Vec<_>>(), ["contoso"]);
    for (name, why) in [
        ("Contoso", "there is no tenant `Contoso`; the tenants are: contoso"),
        ("conto", "there is no tenant `conto`"),
        ("", "there is no tenant ``"),
        ("fabrikam", "tenant `fabrikam` is not among the allowed tenants; the tenants are: contoso"),
    ] {
        let error = tenants.get(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownTenant);
        assert!(error.to_string().contains(why), "{error}");
    }
    let nobody = tenants_of(&text.replace("[\"contoso\"]", "[]")).unwrap();
    assert!(nobody.get("contoso").is_err());
}

#[cfg(feature = "certificate")]
#[test]
fn certificate_file_is_private() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = Folder::new();
    let pem = folder.file("contoso.pem", certificate.pem() + &key.serialize_pem());
    let text = contoso("credential = \"certificate\"\ncertificate_file = \"contoso.pem\"\nsend_chain = true\n");
    let path = folder.file("tenants.toml", text);
    let client = || {
        let tenants = Tenants::from_toml(&path).unwrap();
        Fleet::new(tenants, Stores::memory(defender_transport::testing::AutoClock::new())).client("contoso")
    };
    #[cfg(unix)]
    {
        let mode = |mode| {
            std::fs::set_permissions(&pem, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        mode(0o640);
        let error = client().unwrap_err();
        assert!(error.to_string().contains("contoso.pem` (mode 640); run `chmod 600"), "{error}");
        mode(0o600);
    }
    client().unwrap();
    std::fs::write(&pem, CANARY).unwrap();
    let error = client().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    std::fs::remove_file(&pem).unwrap();
    assert!(client().unwrap_err().to_string().contains("contoso.pem` cannot be read"));
}
