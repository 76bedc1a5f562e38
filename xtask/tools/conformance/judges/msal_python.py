"""MSAL for Python."""

import os

import msal
import requests

from judge import (
    AUTHORITY, CA, CLIENT, SAID, SCOPE, SECRET, browser, check, federated, keys, tell, trust, user_token, works,
)

COMMON = {"authority": AUTHORITY, "instance_discovery": False, "verify": CA}


def token(answer):
    assert "access_token" in answer, answer
    works(answer["access_token"])
    return answer


def twice(credential):
    """Two tokens from the endpoint; the library sends the same assertion again where it has one."""
    app = msal.ConfidentialClientApplication(CLIENT, client_credential=credential, **COMMON)
    for _ in range(2):
        answer = token(app.acquire_token_for_client([SCOPE]))
        assert answer["token_source"] == "identity_provider", answer
        app.remove_tokens_for_client()


def signed_in(app, answer):
    """A second token by the refresh token that came with the first."""
    token(answer)
    account = app.get_accounts()[0]
    assert account["username"] == "analyst@contoso.example", account
    again = token(app.acquire_token_silent([SCOPE], account=account, force_refresh=True))
    assert again["token_source"] == "identity_provider", again


def device_code():
    app = msal.PublicClientApplication(CLIENT, **COMMON)
    flow = app.initiate_device_flow([SCOPE])
    tell("deviceCodes", {"userCode": flow["user_code"]})
    signed_in(app, app.acquire_token_by_device_flow(flow))


def code(app, form_post):
    mode = "form_post" if form_post else None
    flow = app.initiate_auth_code_flow([SCOPE], redirect_uri="http://localhost:5000", response_mode=mode)
    signed_in(app, app.acquire_token_by_auth_code_flow(flow, browser(flow["auth_uri"], form_post)))


def on_behalf_of():
    app = msal.ConfidentialClientApplication(CLIENT, client_credential=SECRET, **COMMON)
    for _ in range(2):
        token(app.acquire_token_on_behalf_of(user_token(), [SCOPE]))


def managed_identity(environment):
    os.environ.update(environment)
    session = requests.Session()
    session.trust_env = False
    app = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=session)
    token(app.acquire_token_for_client(resource=SAID["audience"]))
    # A second request to the endpoint: for another audience nothing is in the cache.
    again = app.acquire_token_for_client(resource="https://graph.microsoft.com")
    assert again.get("token_source") == "identity_provider", again
    for name in environment:
        del os.environ[name]


trust()
key = keys()["app.key"]
certificate = keys()["app.crt"]


def sha1():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    return x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1()).hex()


check("client secret", lambda: twice(SECRET))
check("certificate, PS256", lambda: twice({"private_key": key, "public_certificate": certificate}))
check("certificate, RS256", lambda: twice({"private_key": key, "thumbprint": sha1()}))
check("workload identity", lambda: twice({"client_assertion": federated}))
check("device code", device_code)
check("authorization code, public", lambda: code(msal.PublicClientApplication(CLIENT, **COMMON), False))
confidential = msal.ConfidentialClientApplication(CLIENT, client_credential=SECRET, **COMMON)
check("authorization code, confidential, form_post", lambda: code(confidential, True))
check("on behalf of", on_behalf_of)
check("managed identity, IMDS", lambda: managed_identity({"AZURE_POD_IDENTITY_AUTHORITY_HOST": SAID["imds_endpoint"]}))
service = {"IDENTITY_ENDPOINT": SAID["identity_endpoint"], "IDENTITY_HEADER": SAID["identity_header"]}
check("managed identity, App Service", lambda: managed_identity(service))
