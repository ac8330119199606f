"""The settings decide whether gunicorn serves TLS; what it serves is replaced while it runs."""

import ssl
from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.files.tls import TlsContext
from broker.files.watch import Watched
from broker.settings import Settings, load, load_inputs
from broker.web.tls import tls_options
from tests.redis.certificates import LOOPBACK, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Found one."""
    return Authority(tmp_path, "authority")


@pytest.fixture
def settings(environ: dict[str, str], authority: Authority) -> Settings:
    """Give settings that ask for TLS and for client certificates."""
    pair = authority.server(LOOPBACK)
    tls = {"CERT": pair.certificate, "KEY": pair.key, "CLIENT_CA": authority.file}
    return load(environ | {f"BROKER_TLS_{name}_FILE": str(file) for name, file in tls.items()})


def watched(settings: Settings) -> Watched[TlsContext]:
    """Return the certificates of settings that have some."""
    certificates = load_inputs(settings).certificates
    assert certificates is not None
    return certificates


def test_without_files_it_is_plain_http(environ: dict[str, str]) -> None:
    """And gunicorn is told nothing."""
    plain = load(environ)
    assert load_inputs(plain).certificates is None
    assert tls_options(plain, None) == {}


@pytest.mark.parametrize(
    ("word", "mode"),
    [(None, ssl.CERT_REQUIRED), ("required", ssl.CERT_REQUIRED), ("optional", ssl.CERT_OPTIONAL)],
)
def test_client_certificates(
    settings: Settings, environ: dict[str, str], word: str | None, mode: ssl.VerifyMode
) -> None:
    """Required where their authorities are given and nothing else is said."""
    chosen = environ | {
        "BROKER_TLS_CERT_FILE": str(settings.tls_cert_file),
        "BROKER_TLS_KEY_FILE": str(settings.tls_key_file),
        "BROKER_TLS_CLIENT_CA_FILE": str(settings.tls_client_ca_file),
    }
    chosen |= {"BROKER_TLS_CLIENT_CERTS": word} if word else {}
    assert watched(load(chosen)).current.context.verify_mode is mode


def test_files_that_broke_since_the_settings_were_checked(settings: Settings) -> None:
    """The process does not start."""
    assert settings.tls_key_file
    settings.tls_key_file.write_text("canary")
    with pytest.raises(SettingsError, match="BROKER_TLS_KEY_FILE"):
        load_inputs(settings)


def test_each_connection_asks_for_the_present_certificates(
    settings: Settings, authority: Authority
) -> None:
    """The files named to gunicorn only make it serve TLS."""
    certificates = watched(settings)
    options = tls_options(settings, certificates)
    first = options["ssl_context"](None, None)
    assert options["ssl_context"](None, None) is first
    assert settings.tls_cert_file
    assert settings.tls_key_file
    pair = authority.server(LOOPBACK)
    settings.tls_cert_file.write_bytes(pair.certificate.read_bytes())
    settings.tls_key_file.write_bytes(pair.key.read_bytes())
    certificates.poll()
    assert options["ssl_context"](None, None) is not first
