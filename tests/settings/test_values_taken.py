"""Every good value comes out as it was meant."""

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from broker.settings import CallerAuth, is_loopback, load, redacted


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://canvas.example/api/", "https://canvas.example/api"),
        ("https://canvas.example:8443", "https://canvas.example:8443"),
        ("http://127.0.0.1:9000/api", "http://127.0.0.1:9000/api"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
    ],
)
def test_the_url_of_canvas_loses_its_last_slash(
    environ: dict[str, str], text: str, url: str
) -> None:
    """Plain http is fine on this machine."""
    assert load(environ | {"BROKER_CANVAS_URL": text}).canvas_url == url


@pytest.mark.parametrize("text", ["0600", "600"])
def test_a_mode_is_octal_and_shown_so(environ: dict[str, str], text: str) -> None:
    """With or without the zero in front."""
    settings = load(environ | {"BROKER_SOCKET_MODE": text})
    assert settings.socket_mode == stat.S_IRUSR | stat.S_IWUSR
    assert redacted(settings)["BROKER_SOCKET_MODE"] == "0600"


def test_plain_http_elsewhere_must_be_allowed(environ: dict[str, str]) -> None:
    """By a setting that says so."""
    allowed = {
        "BROKER_CANVAS_URL": "http://canvas.example",
        "BROKER_CANVAS_ALLOW_HTTP": "true",
    }
    assert load(environ | allowed).canvas_url == "http://canvas.example"


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://:p%40ss@redis:6379/3",
        "redis://redis:6379/",
        "rediss://me:pass@redis:6380/0?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem",
        "unix:///run/redis.sock",
        "unix://me:pass@/run/redis.sock?db=1",
        "redis+sentinel://a:26379,b:26379/service",
        "redis+sentinel://me:pass@a:26379/service/2",
        "redis+sentinel://a:26379,[::1]:26379/service?sentinel_password=p%40ss",
        "rediss+sentinel://a:26379/service?ssl_ca_certs=/ca.pem&sentinel_username=me",
        "redis+cluster://me:pass@a:6379",
        "redis+cluster://a:6379,[::1]:6379,c",
        "rediss+cluster://a:6379,b:6379?ssl_ca_certs=/ca.pem",
        "redis+cluster://[::1]:6379/0",
    ],
)
def test_each_kind_of_redis_is_taken_as_it_is(
    environ: dict[str, str], tmp_path: Path, url: str
) -> None:
    """The store reads the rest."""
    (tmp_path / "ca.pem").write_bytes(_certificate())
    url = url.replace("/ca.pem", str(tmp_path / "ca.pem"))
    assert load(environ | {"BROKER_REDIS_URL": url}).redis_url.reveal() == url


@pytest.mark.parametrize("url", ["http://proxy:3128", "http://me:p%40ss@proxy:3128/"])
def test_a_proxy_is_taken_as_it_is(environ: dict[str, str], url: str) -> None:
    """With or without a password."""
    proxy = load(environ | {"BROKER_CANVAS_PROXY": url}).canvas_proxy
    assert proxy
    assert proxy.reveal() == url


def test_a_list_of_addresses_is_split(environ: dict[str, str]) -> None:
    """Blanks around the commas do not matter."""
    bind = "0.0.0.0:8080, [::]:8080,unix:/run/broker.sock"
    assert load(environ | {"BROKER_BIND": bind}).bind == (
        "0.0.0.0:8080",
        "[::]:8080",
        "unix:/run/broker.sock",
    )


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "LOCALHOST:80", "unix:/run/broker.sock"],
)
def test_loopback_is_what_only_this_machine_reaches(address: str) -> None:
    """A socket in the file system is as good."""
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:80", "[::]:80", "127.0.0.1.example:80", "2130706433:80", "[::ffff:10.0.0.1]:80"],
)
def test_when_in_doubt_it_is_not_loopback(address: str) -> None:
    """Names are not looked up and odd spellings are not read."""
    assert not is_loopback(address)


@pytest.mark.parametrize("bind", ["127.0.0.1:80,[::1]:80", "unix:/run/broker.sock"])
def test_nobody_need_be_asked_on_loopback(environ: dict[str, str], bind: str) -> None:
    """For development."""
    environ.pop("BROKER_CALLERS_FILE")
    settings = load(environ | {"BROKER_CALLER_AUTH": "none", "BROKER_BIND": bind})
    assert settings.caller_auth is CallerAuth.NONE


@pytest.mark.parametrize(("text", "value"), [("2", 2.0), ("0.25", 0.25), ("007", 7.0)])
def test_durations_are_seconds(environ: dict[str, str], text: str, value: float) -> None:
    """Whole or with a decimal point."""
    assert load(environ | {"BROKER_RELOAD_INTERVAL": text}).reload_interval == value


def test_a_file_of_authorities_is_taken(environ: dict[str, str], tmp_path: Path) -> None:
    """It holds at least one certificate in PEM."""
    file = tmp_path / "ca.pem"
    file.write_bytes(_certificate())
    assert load(environ | {"BROKER_CANVAS_CA_FILE": str(file)}).canvas_ca_file == file


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + dt.timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
