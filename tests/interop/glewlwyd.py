"""Glewlwyd, Debian's package, on a free loopback port: a server in C of its own making, with its OpenID Connect plugin.

Prints READY and one JSON object once it accepts, then obeys lines on its standard input: `add` signs with a new key and publishes
the old one as well, `replace` publishes the new one alone. It ends with its standard input.
"""
import base64
import http.cookiejar
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

API = "https://api.example.com"
SCHEMA = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
SAMPLE = "/etc/glewlwyd/glewlwyd.conf"

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]
ROOT = f"http://127.0.0.1:{PORT}"
ISSUER = f"{ROOT}/api/oidc"
folder = tempfile.mkdtemp(prefix="tower-bearer-glewlwyd-")


def new_key(name):
    """A private JWK. What stands before a member in the DER of a P-256 key is the same in each of its formats."""
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER"]
    der = subprocess.run(command, check=True, capture_output=True).stdout

    def member(before, skip=0):
        start = der.index(bytes.fromhex(before)) + len(before) // 2 + skip
        return base64.urlsafe_b64encode(der[start:start + 32]).rstrip(b"=").decode()

    private = {"d": member("0201010420"), "x": member("03420004"), "y": member("03420004", 32)}
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": name, **private}


def configuration():
    database = f"{folder}/database"
    connection = sqlite3.connect(database)
    with open(SCHEMA) as schema:
        connection.executescript(schema.read())
    connection.commit()
    connection.close()
    with open(SAMPLE) as sample:
        text = sample.read()
    for line, replacement in [
        (r"^port=.*", f"port={PORT}"),
        (r"^#?\s*bind_address=.*", 'bind_address="127.0.0.1"'),
        (r"^external_url=.*", f'external_url="{ROOT}"'),
        (r"^log_mode=.*", 'log_mode="console"'),
        (r"^@include.*", f'database = {{ type = "sqlite3"; path = "{database}"; }};'),
    ]:
        text = re.sub(line, replacement, text, flags=re.MULTILINE)
    with open(f"{folder}/glewlwyd.conf", "w") as file:
        file.write(text)
    return file.name


session = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ROOT}/api/{path}", data, {"content-type": "application/json"}, method=method)
    try:
        with session.open(request, timeout=10) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")


def accepts():
    try:
        urllib.request.urlopen(ROOT, timeout=1)
    except urllib.error.HTTPError:
        pass
    except OSError:
        return False
    return True


def plugin(keys):
    on = dict.fromkeys([
        "jwks-show", "refresh-token-rolling", "allow-non-oidc", "auth-type-code-enabled", "auth-type-code-revoke-replayed",
        "auth-type-client-enabled", "auth-type-refresh-enabled", "auth-type-id-token-enabled", "pkce-allowed", "pkce-required",
        "introspection-revocation-allowed", "introspection-revocation-allow-target-client", "oauth-dpop-allowed", "resource-allowed",
        "resource-change-allowed", "oauth-as-iss-id",
    ], True)
    off = dict.fromkeys([
        "auth-type-token-enabled", "auth-type-none-enabled", "auth-type-password-enabled", "auth-type-device-enabled",
        "pkce-method-plain-allowed", "register-client-allowed", "session-management-allowed",
        "oauth-dpop-nonce-mandatory", "resource-scope-and-client-property", "oauth-rar-allowed", "oauth-par-allowed", "oauth-ciba-allowed",
    ], False)
    empty = dict.fromkeys(["scope", "additional-parameters", "claims", "jwks-x5c", "pkce-scopes"], [])
    none = dict.fromkeys(["name-claim", "email-claim", "scope-claim"], "no")
    parameters = {
        "iss": ISSUER, "jwks-private": json.dumps({"keys": keys}), "default-kid": keys[0]["kid"], "subject-type": "public",
        "access-token-duration": 300, "refresh-token-duration": 3600, "code-duration": 60, "refresh-token-one-use": "always",
        "address-claim": {"type": "no"}, "allowed-scope": ["openid", "read"], "resource-client-property": "resource",
        "introspection-revocation-auth-scope": ["introspect"], "oauth-dpop-iat-duration": 60, "oauth-dpop-iat-gap-duration": 10,
        "oauth-dpop-nonce-counter": 10, "resource-scope": {"read": [API, f"{API}/other"]},
    }
    parameters.update({**on, **off, **empty, **none})
    return {"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True, "parameters": parameters}


def client(name, scopes):
    call("POST", "client/", {
        "client_id": name, "name": name, "confidential": True, "enabled": True, "scope": scopes, "client_secret": f"{name}-secret",
        "authorization_type": ["client_credentials"], "token_endpoint_auth_method": ["client_secret_basic"], "redirect_uri": [],
    })


def say(**members):
    print(f"READY {json.dumps(members)}", flush=True)


server = subprocess.Popen(
    ["glewlwyd", f"--config-file={configuration()}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while not accepts():
        if server.poll() is not None:
            sys.exit("glewlwyd ended")
        time.sleep(0.05)
    call("POST", "auth/", {"username": "admin", "password": "password"})
    for scope in ["read", "introspect"]:
        call("POST", "scope/", {"name": scope, "display_name": scope, "password_required": False, "scheme": {}})
    keys = [new_key("key-1")]
    call("POST", "mod/plugin/", plugin(keys))
    client("shop", ["read"])
    client("api", ["introspect"])
    say(issuer=ISSUER)
    for number, line in enumerate(sys.stdin, 2):
        fresh = new_key(f"key-{number}")
        keys = [fresh, *keys] if line.strip() == "add" else [fresh]
        call("PUT", "mod/plugin/oidc", plugin(keys))
        call("PUT", "mod/plugin/oidc/reset")
        say(keys=[key["kid"] for key in keys])
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
