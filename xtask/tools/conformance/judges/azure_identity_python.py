"""azure-identity for Python."""

import os
import tempfile

from azure.identity import (
    AuthorizationCodeCredential, CertificateCredential, ClientSecretCredential, DeviceCodeCredential,
    ManagedIdentityCredential, OnBehalfOfCredential, WorkloadIdentityCredential,
)

from judge import (
    AUTHORITY, CA, CLIENT, SAID, SCOPE, SECRET, TENANT, browser, check, federated, keys, tell, trust, user_token, works,
)

COMMON = {"authority": SAID["authority"], "disable_instance_discovery": True, "connection_verify": CA}
OTHER = "https://graph.microsoft.com/.default"


def twice(credential):
    """A token for the API, and a second request to the endpoint: for another audience nothing is in the cache."""
    works(credential.get_token(SCOPE).token)
    assert credential.get_token(OTHER).token


def workload():
    with tempfile.NamedTemporaryFile("w", suffix=".jwt") as file:
        file.write(federated())
        file.flush()
        twice(WorkloadIdentityCredential(tenant_id=TENANT, client_id=CLIENT, token_file_path=file.name, **COMMON))


def device_code():
    entered = lambda uri, code, ends: tell("deviceCodes", {"userCode": code})
    twice(DeviceCodeCredential(CLIENT, tenant_id=TENANT, prompt_callback=entered, **COMMON))


def code():
    redirect = "http://localhost:5000"
    url = f"{AUTHORITY}/oauth2/v2.0/authorize?client_id={CLIENT}&response_type=code&redirect_uri={redirect}&scope={SCOPE}%20offline_access"
    credential = AuthorizationCodeCredential(
        TENANT, CLIENT, browser(url)["code"], redirect, client_secret=SECRET, **COMMON
    )
    works(credential.get_token(SCOPE).token)
    # The library uses a refresh token for the scope of the first request alone, and so the access token must be gone.
    cache = credential._client._get_cache()
    for token in list(cache.search("AccessToken")):
        cache.remove_at(token)
    works(credential.get_token(SCOPE).token)


def managed_identity(environment):
    os.environ.update(environment)
    twice(ManagedIdentityCredential())
    for name in environment:
        del os.environ[name]


trust()
pem = (keys()["app.key"] + keys()["app.crt"]).encode()
check("client secret", lambda: twice(ClientSecretCredential(TENANT, CLIENT, SECRET, **COMMON)))
check("certificate", lambda: twice(CertificateCredential(TENANT, CLIENT, certificate_data=pem, **COMMON)))
check("workload identity", workload)
check("device code", device_code)
check("authorization code", code)
behalf = lambda: OnBehalfOfCredential(TENANT, CLIENT, client_secret=SECRET, user_assertion=user_token(), **COMMON)
check("on behalf of", lambda: twice(behalf()))
check("managed identity, IMDS", lambda: managed_identity({"AZURE_POD_IDENTITY_AUTHORITY_HOST": SAID["imds_endpoint"]}))
service = {"IDENTITY_ENDPOINT": SAID["identity_endpoint"], "IDENTITY_HEADER": SAID["identity_header"]}
check("managed identity, App Service", lambda: managed_identity(service))
