"""TLS to a server whose certificate comes from an authority of the test's own."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.errors import NotSentError
from broker.upstream.route import Contexts
from tests.redis.certificates import key_usage
from tests.servers import PATIENCE
from tests.upstream.conftest import MakeClient
from tests.upstream.samples import CREDENTIALS, DATE, HASTY, body, http
from tests.upstream.scripted import ScriptedServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("no_carrier_left")]

GOOD = http(body(), f"Date: {DATE}")


def certificate(folder: Path, *names: x509.GeneralName) -> Path:
    """Write a certificate that is its own authority, with its key; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return file


def trusting(file: Path) -> Contexts:
    """Return what verifies servers by this authority."""
    context = ssl.create_default_context(cafile=file)
    return lambda: context


@pytest.fixture
def loopback(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1."""
    return certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


def server_context(file: Path) -> ssl.SSLContext:
    """Return the server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_certificate_from_the_given_authority_is_trusted(
    make_client: MakeClient, loopback: Path
) -> None:
    """With its authority the call goes through."""
    with ScriptedServer(GOOD, tls=server_context(loopback)) as server:
        pair = make_client(server.url, tls=trusting(loopback)).authenticate(CREDENTIALS)
    assert pair.lifetime == 899


def test_a_certificate_from_nobody_is_definite(make_client: MakeClient, loopback: Path) -> None:
    """Without it the certificate does not verify, and no key is sent."""
    with (
        ScriptedServer(GOOD, tls=server_context(loopback)) as server,
        pytest.raises(NotSentError) as found,
    ):
        make_client(server.url).authenticate(CREDENTIALS)
    assert found.value.kind == "tls"
    assert not any(server.received)


def test_a_certificate_for_another_host_is_definite(
    make_client: MakeClient, tmp_path: Path
) -> None:
    """The name is verified, not only the authority."""
    other = certificate(tmp_path, x509.DNSName("canvas.example"))
    with (
        ScriptedServer(GOOD, tls=server_context(other)) as server,
        pytest.raises(NotSentError) as found,
    ):
        make_client(server.url, tls=trusting(other)).authenticate(CREDENTIALS)
    assert found.value.kind == "tls"
    assert not any(server.received)


def test_a_proxys_tunnel_leads_to_the_verified_host(
    make_client: MakeClient, tmp_path: Path
) -> None:
    """TLS is spoken with Canvas through the proxy, which sees only CONNECT."""
    file = certificate(tmp_path, x509.DNSName("canvas.example"))
    with ScriptedServer(GOOD, tls=server_context(file), tunnel=True) as proxy:
        client = make_client(
            "https://canvas.example/api", proxy=f"http://127.0.0.1:{proxy.port}", tls=trusting(file)
        )
        assert client.authenticate(CREDENTIALS).lifetime == 899
    tunnel, request = proxy.received
    assert tunnel.startswith(b"CONNECT canvas.example:443 ")
    assert CREDENTIALS.consumer.reveal().encode() not in tunnel
    assert request.startswith(b"GET /api/Authenticate ")
    assert b"\r\nHost: canvas.example\r\n" in request


def test_the_deadline_hangs_up_on_tls_that_drips(make_client: MakeClient, loopback: Path) -> None:
    """Giving up ends the connection below TLS, too."""
    drip = [part for _ in range(100) for part in (b"a", 0.1)]
    with ScriptedServer(b"HTTP/1.1 200 OK\r\n", *drip, tls=server_context(loopback)) as server:
        with pytest.raises(Exception, match="timeout"):
            make_client(server.url, HASTY, tls=trusting(loopback)).authenticate(CREDENTIALS)
        assert server.hung_up.wait(PATIENCE)
