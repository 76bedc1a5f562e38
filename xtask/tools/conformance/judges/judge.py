"""What the Python judges share: the emulator's start line, its control endpoint, and a place within the second."""

import base64
import datetime
import json
import os
import time

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SAID = json.load(open(os.environ["JUDGE_STARTED"]))
CA = SAID["ca_file"]
BASE = SAID["base_url"]
AUTHORITY = f"{SAID['authority']}/{SAID['tenant_id']}"
SCOPE = SAID["audience"] + "/.default"
CLIENT, SECRET, TENANT = SAID["client_id"], SAID["client_secret"], SAID["tenant_id"]
KEYS = os.environ["JUDGE_KEYS"]
PLACE = float(os.environ.get("JUDGE_PLACE", "0"))

WEB = requests.Session()
WEB.trust_env, WEB.verify = False, CA


def at_place():
    """Waits until the clock shows the wanted fraction of a second."""
    time.sleep((PLACE - time.time()) % 1)


def tell(path, order):
    answer = WEB.post(f"{BASE}/emulator/{path}", json=order)
    assert answer.ok, answer.text
    return answer.json()


def user_token():
    return WEB.get(f"{BASE}/emulator/userToken").json()["token"]


def works(token):
    """Whether the API takes the token."""
    answer = WEB.get(f"{BASE}/api/machines", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text


def check(name, run):
    at_place()
    run()
    print(f"ok {name}", flush=True)


def keys():
    """A key and a certificate of the application, and the key of another issuer; made once, for Node too."""
    names = {name: os.path.join(KEYS, name) for name in ("app.key", "app.crt", "issuer.key")}
    if not all(os.path.exists(path) for path in names.values()):
        make(names)
    return {name: open(path).read() for name, path in names.items()}


def make(names):
    plain = serialization.NoEncryption()
    for name in ("app.key", "issuer.key"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        open(names[name], "wb").write(pem)
        if name == "app.key":
            subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "judge")])
            now = datetime.datetime.now(datetime.timezone.utc)
            certificate = (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(subject)
                .public_key(key.public_key())
                .serial_number(7)
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=365))
                .sign(key, hashes.SHA256())
            )
            open(names["app.crt"], "wb").write(certificate.public_bytes(serialization.Encoding.PEM))


def trust():
    """Lets the emulator trust both."""
    made = keys()
    tell("certificates", {"certificate": made["app.crt"]})
    key = serialization.load_pem_private_key(made["issuer.key"].encode(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    tell("federations", {"issuer": "https://oidc.example", "subject": "judge", "publicKey": public.decode()})


def federated():
    """A token of the other issuer."""
    key = serialization.load_pem_private_key(keys()["issuer.key"].encode(), None)
    now = int(time.time())
    claims = {"iss": "https://oidc.example", "sub": "judge", "aud": "api://AzureADTokenExchange", "iat": now, "exp": now + 600}
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    signed = part({"alg": "RS256", "typ": "JWT"}) + b"." + part(claims)
    signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def browser(url, form_post=False):
    """What a browser is sent back with, after somebody has signed in."""
    answer = WEB.get(url, allow_redirects=False)
    if form_post:
        import html
        import re

        assert answer.status_code == 200, answer.text
        return {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', answer.text)}
    assert answer.status_code == 302, answer.text
    from urllib.parse import parse_qs, urlparse

    query = parse_qs(urlparse(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}
