//! The client without features, over the emulator in process.

use defender_actions::auth::ClientSecretCredential;
use defender_emulator::Emulator;
use facade_bare::client;

#[tokio::test]
async fn client_without_features_restricts_a_machine() {
    let emulator = Emulator::builder().in_process().unwrap();
    let credential = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
    let defender = client(emulator.transport(), credential, emulator.base_url()).unwrap();
    let machine = defender.machine(emulator.machine_ids()[0].parse().unwrap());
    let submitted = machine.restrict_code_execution("Suspicious sign-ins").await.unwrap();
    assert_eq!(submitted.action().machine_id.as_ref().unwrap().as_str(), emulator.machine_ids()[0]);
}
