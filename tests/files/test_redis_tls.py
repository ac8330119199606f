"""The options of a URL of Redis become one context, made again when a file behind it changes."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.files.redis_tls import watch_redis_tls
from broker.files.watch import Polled
from tests.files.test_certificates import pem
from tests.redis.certificates import ELSEWHERE, LOOPBACK, Authority


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    """Name an authority, a certificate and its key."""
    authority = Authority(tmp_path, "authority")
    pair = authority.server(LOOPBACK)
    return {
        "ssl_ca_certs": str(authority.file),
        "ssl_certfile": str(pair.certificate),
        "ssl_keyfile": str(pair.key),
        "db": "3",
    }


def test_by_default_certificate_and_name_are_verified() -> None:
    """By the authorities of the system; there is no file to watch."""
    watched = watch_redis_tls({})
    context = watched.current.context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert watched.poll() == Polled()


@pytest.mark.parametrize(
    ("changes", "mode", "checks"),
    [
        ({"ssl_cert_reqs": "none"}, ssl.CERT_NONE, False),
        ({"ssl_cert_reqs": "optional"}, ssl.CERT_OPTIONAL, True),
        ({"ssl_check_hostname": "False"}, ssl.CERT_REQUIRED, False),
        ({"ssl_check_hostname": "true"}, ssl.CERT_REQUIRED, True),
    ],
)
def test_what_is_verified_may_be_chosen(
    changes: dict[str, str], mode: ssl.VerifyMode, *, checks: bool
) -> None:
    """As redis-py reads these options."""
    context = watch_redis_tls(changes).current.context
    assert (context.verify_mode, context.check_hostname) == (mode, checks)


def test_authorities_are_added_to_those_of_the_system(options: dict[str, str]) -> None:
    """As redis-py does."""
    more = watch_redis_tls(options).current.context.cert_store_stats()["x509_ca"]
    assert more == watch_redis_tls({}).current.context.cert_store_stats()["x509_ca"] + 1


def test_a_passphrase_opens_the_key(options: dict[str, str]) -> None:
    """It stands in the URL."""
    authority = Authority(Path(options["ssl_keyfile"]).parent, "other")
    pair = authority.server(ELSEWHERE)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    key = load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(pem(key, b"word"))  # type: ignore[arg-type]  # it is such a key
    options |= {"ssl_certfile": str(pair.certificate), "ssl_keyfile": str(pair.key)}
    assert watch_redis_tls(options | {"ssl_password": "word"}).problems == ()
    (problem,) = watch_redis_tls(options).problems
    assert problem == "BROKER_REDIS_URL's ssl_keyfile must hold a private key without a passphrase"


BREAKAGES: dict[str, tuple[Callable[[dict[str, str]], object], str]] = {
    "no authority": (
        lambda options: Path(options["ssl_ca_certs"]).unlink(),
        "BROKER_REDIS_URL's ssl_ca_certs does not exist",
    ),
    "empty": (
        lambda options: Path(options["ssl_ca_certs"]).write_text(""),
        "BROKER_REDIS_URL's ssl_ca_certs must hold certificates in PEM",
    ),
    "no key": (
        lambda options: options.pop("ssl_keyfile"),
        "BROKER_REDIS_URL's ssl_certfile must hold a private key in PEM",
    ),
    "no certificate": (
        lambda options: options.pop("ssl_certfile"),
        "BROKER_REDIS_URL's ssl_keyfile needs ssl_certfile beside it",
    ),
    "word": (
        lambda options: options.update(ssl_cert_reqs="canary"),
        "BROKER_REDIS_URL's ssl_cert_reqs must be one of none, optional, required",
    ),
}


@pytest.mark.parametrize(("damage", "sentence"), BREAKAGES.values(), ids=BREAKAGES.keys())
def test_what_cannot_be_used_is_said(
    options: dict[str, str], damage: Callable[[dict[str, str]], object], sentence: str
) -> None:
    """One sentence, without path or content."""
    damage(options)
    assert watch_redis_tls(options).problems == (sentence,)


def test_a_renewed_authority_makes_a_new_context(options: dict[str, str], tmp_path: Path) -> None:
    """A broken one leaves the last good one in use."""
    watched = watch_redis_tls(options)
    old = watched.current
    file = Path(options["ssl_ca_certs"])
    file.write_text("no certificate")
    assert watched.poll().problems
    assert watched.current is old
    file.write_bytes(Authority(tmp_path, "renewed").file.read_bytes())
    assert watched.poll() == Polled(reloaded=True)
    assert watched.current.context is not old.context
