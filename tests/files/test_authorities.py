"""A file of authorities replaces those of the system, in its last good version."""

import ssl
from pathlib import Path

from broker.files.authorities import watch_authorities
from broker.files.tls import contexts
from broker.files.watch import Polled
from tests.redis.certificates import Authority

SETTING = "BROKER_CANVAS_CA_FILE"


def names(context: ssl.SSLContext) -> set[str]:
    """Return the common names of the authorities that a context trusts."""
    return {str(found["subject"][0][0][1]) for found in context.get_ca_certs()}


def test_only_those_of_the_file_are_trusted(tmp_path: Path) -> None:
    """And names are verified."""
    watched = watch_authorities(SETTING, Authority(tmp_path, "one").file)
    context = watched.current.context
    assert names(context) == {"one"}
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_renewed_file_is_trusted_and_a_broken_one_is_not_read_into_use(tmp_path: Path) -> None:
    """Whoever asks for the context gets the last good one."""
    file = Authority(tmp_path, "one").file
    watched = watch_authorities(SETTING, file)
    current = contexts(watched)
    assert current is not None
    file.write_bytes(Authority(tmp_path, "two").file.read_bytes())
    assert watched.poll() == Polled(reloaded=True)
    assert names(current()) == {"two"}
    file.write_text("")
    assert watched.poll().problems == (f"{SETTING} must hold certificates in PEM",)
    file.unlink()
    assert watched.poll().problems == (f"{SETTING} does not exist",)
    assert names(current()) == {"two"}


def test_without_a_file_there_is_no_context() -> None:
    """Whoever verifies takes the authorities of the system then."""
    assert contexts(None) is None


def test_a_first_version_that_is_broken_trusts_nobody(tmp_path: Path) -> None:
    """It is a problem at the start; a check that goes on must not trust the system instead."""
    (tmp_path / "ca.pem").write_text("")
    assert names(watch_authorities(SETTING, tmp_path / "ca.pem").current.context) == set()
