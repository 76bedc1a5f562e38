"""Strict TLS of Python, and HTTP/2 of curl."""

import socket
import ssl
import subprocess

from judge import BASE, CA, check


def strict():
    context = ssl.create_default_context(cafile=CA)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    port = int(BASE.rsplit(":", 1)[1])
    for name in ("127.0.0.1", "localhost"):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as tls:
                assert tls.version() in ("TLSv1.2", "TLSv1.3"), tls.version()


def curl(*arguments):
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", CA, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, timeout=20).stdout


def versions():
    assert curl("--http2", f"{BASE}/emulator/health") == "2 200"
    assert curl("--http1.1", f"{BASE}/emulator/health") == "1.1 200"
    assert curl("--http2", "--head", f"{BASE}/api/machines") == "2 401"


check("strict TLS", strict)
check("curl over HTTP/2", versions)
