//! The model alone: requests and records, and curl in the place of an HTTP library.

use std::{env, error::Error, process::Command};

use defender_model::{Action, Isolate, IsolationType, MachineAction, MachineId, Problem};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let base = env::var("DEFENDER_BASE_URL")?;
    let machine: MachineId = env::var("DEFENDER_MACHINE_ID")?.parse()?;
    let authorization = format!("Authorization: Bearer {}", token()?);

    let isolate = Isolate::new("Suspicious sign-ins", IsolationType::Full)?;
    let url = format!("{base}/api/machines/{machine}/{}", Isolate::SEGMENT);
    let body = serde_json::to_string(&isolate)?;
    let response =
        curl(&["--header", &authorization, "--header", "Content-Type: application/json", "--data", &body, &url])?;

    let action: MachineAction =
        serde_json::from_slice(&response).map_err(|_| Problem::parse(400, &response).to_string())?;
    println!("{} {} is {}", action.action_type, action.id, action.status);
    Ok(())
}

fn token() -> Result<String, Box<dyn Error>> {
    let url = format!("{}/{}/oauth2/v2.0/token", env::var("AZURE_AUTHORITY_HOST")?, env::var("AZURE_TENANT_ID")?);
    let id = format!("client_id={}", env::var("AZURE_CLIENT_ID")?);
    let secret = format!("client_secret={}", env::var("AZURE_CLIENT_SECRET")?);
    let scope = "scope=https://api.securitycenter.microsoft.com/.default";
    let response = curl(&[
        "--data",
        "grant_type=client_credentials",
        "--data",
        &id,
        "--data-urlencode",
        &secret,
        "--data",
        scope,
        &url,
    ])?;
    let response: Value = serde_json::from_slice(&response)?;
    Ok(response["access_token"].as_str().ok_or("there is no token in the response")?.to_owned())
}

fn curl(arguments: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let output = Command::new("curl").args(["--silent", "--show-error"]).args(arguments).output()?;
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}
