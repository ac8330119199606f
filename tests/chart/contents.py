"""Contents of the files that a user's Secrets would give, by what the broker takes them for."""

import base64
import json
import re
from pathlib import Path, PurePosixPath

from broker.callers import key_digest
from tests.chart.kubelet import MakeUp
from tests.chart.rendered import Object
from tests.redis.certificates import LOOPBACK, Authority

CONSUMER = "c0" * 32
SECRET_KEY = "00000000-0000-4000-8000-00000000c0de"
ISSUER = "https://kubernetes.default.svc"
REDIS_URL = "rediss://broker@redis.example:6380/0"
PROXY = "http://user:password@proxy.example:3128"
PASSWORD = "a-password-that-was-made-up"
REDIS_FILES = re.compile(r"(ssl_(?:ca_certs|certfile|keyfile))=([^&]+)")


def token() -> bytes:
    """Return what has the form of a service-account token; nobody signed it."""
    parts = ({"alg": "RS256", "kid": "1"}, {"iss": ISSUER, "sub": "made-up"}, "signature")
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b".".join(encoded)


def callers(name: str) -> bytes:
    """Return a callers file with one caller, which no file of another name has."""
    return f'[callers.{name}]\nkey_sha256 = "{key_digest(name)}"\norganizations = ["*"]\n'.encode()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file by the variable, or option of a URL, that names it."""
    folder.mkdir()
    authority = Authority(folder, "made-up-authority")
    pair = authority.server(LOOPBACK)
    ca, certificate, key = (
        file.read_bytes() for file in (authority.file, pair.certificate, pair.key)
    )
    return {
        "BROKER_CANVAS_CA_FILE": ca,
        "BROKER_CANVAS_PROXY_FILE": PROXY.encode(),
        "BROKER_KUBERNETES_CA_FILE": ca,
        "BROKER_KUBERNETES_TOKEN_FILE": token(),
        "BROKER_REDIS_PASSWORD_FILE": PASSWORD.encode(),
        "BROKER_REDIS_SENTINEL_PASSWORD_FILE": PASSWORD.encode(),
        "BROKER_REDIS_URL_FILE": REDIS_URL.encode(),
        "BROKER_TLS_CERT_FILE": certificate,
        "BROKER_TLS_CLIENT_CA_FILE": ca,
        "BROKER_TLS_KEY_FILE": key,
        "ssl_ca_certs": ca,
        "ssl_certfile": certificate,
        "ssl_keyfile": key,
    }


def named_files(container: Object) -> dict[str, str]:
    """Return which variable, or option of the Redis URL, names which path."""
    plain = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    named = {path: name for name, path in plain.items() if name.endswith("_FILE")}
    options = REDIS_FILES.findall(plain.get("BROKER_REDIS_URL", ""))
    return named | {path: option for option, path in options}


def make_up_for(container: Object, folder: Path) -> MakeUp:
    """Return what makes up the files of a container; ``folder`` must not be there yet."""
    known, named = contents(folder), named_files(container)

    def make_up(path: str) -> bytes:
        if path.endswith("/consumer"):
            return CONSUMER.encode()
        if path.endswith("/secret-key"):
            return SECRET_KEY.encode()
        if path.endswith(".toml"):
            return callers(PurePosixPath(path).stem)
        return known[named[path]] if path in named else b"nobody asks for this file"

    return make_up
