//! The emulator's program, as the exchanges need it.

use serde_json::Value;
use xtask::{Failure, emulator::Program};

use super::{
    curl::{self, Filled},
    variables::Variables,
};

/// Values that the program prints of itself, and a token.
pub(super) fn variables(program: &Program) -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    for (name, pointer) in [
        ("base", "/base_url"),
        ("tenant", "/tenant_id"),
        ("client", "/client_id"),
        ("application", "/application_name"),
        ("secret", "/client_secret"),
        ("audience", "/audience"),
        ("machine", "/machine_ids/0"),
        ("machine2", "/machine_ids/1"),
        ("machine3", "/machine_ids/2"),
        ("imds", "/imds_endpoint"),
        ("identity", "/identity_endpoint"),
        ("identity_header", "/identity_header"),
    ] {
        if let Some(value) = program.line().pointer(pointer).and_then(Value::as_str) {
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    let machines = program.line().pointer("/machine_ids").and_then(Value::as_array);
    for (index, machine) in machines.into_iter().flatten().enumerate() {
        variables.insert(format!("machine_at_{index}"), machine.as_str().unwrap_or_default().to_owned());
    }
    let said = |name: &str| variables.get(name).cloned().unwrap_or_default();
    let secret = encoded(&said("secret"));
    let scope = encoded(&format!("{}/.default", said("audience")));
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={secret}&scope={scope}", said("client"));
    let request = Filled {
        method: "POST".to_owned(),
        url: format!("{}/{}/oauth2/v2.0/token", said("base"), said("tenant")),
        headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
        body: Some(form),
    };
    let response = curl::send(&request, Some(&program.ca_file().display().to_string())).map_err(Failure::Check)?;
    let token = serde_json::from_slice::<Value>(&response.body).ok();
    let token = token.as_ref().and_then(|body| body.get("access_token")).and_then(Value::as_str);
    let token = token.ok_or_else(|| Failure::Check("the emulator gave no token".to_owned()))?;
    variables.insert("token".to_owned(), token.to_owned());
    variables.insert("encoded_secret".to_owned(), secret);
    variables.insert("encoded_scope".to_owned(), scope);
    Ok(variables)
}

/// As a form has it.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .flat_map(|byte| if plain(&byte) { vec![char::from(byte)] } else { format!("%{byte:02X}").chars().collect() })
        .collect()
}
