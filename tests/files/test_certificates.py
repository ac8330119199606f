"""The files of TLS are taken whole or not at all, and told about without a word of them."""

import datetime as dt
import itertools
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from broker.files import tls
from broker.files.certificates import watch_certificates
from broker.files.reading import read_text
from broker.files.tls import TlsContext
from broker.files.watch import Polled, Watched
from tests.redis.certificates import DAY, LOOPBACK, Authority, Pair

HOSTS = [x509.DNSName(f"{letter}.example") for letter in "ab"]
OLD, NEW = 0, 1


class Files:
    """A certificate, a key and client authorities where the settings say; two versions of them."""

    def __init__(self, root: Path) -> None:
        self.cert, self.key, self.client_ca = root / "tls.crt", root / "tls.key", root / "ca.crt"
        self.authority = Authority(root, "authority")
        self.versions = [self.authority.server(host) for host in HOSTS]
        self.write(OLD)

    def write(self, version: int) -> None:
        """Put one version in place."""
        pair: Pair = self.versions[version]
        self.cert.write_bytes(pair.certificate.read_bytes())
        self.key.write_bytes(pair.key.read_bytes())
        self.client_ca.write_bytes(self.authority.file.read_bytes())

    def problems(self) -> list[str]:
        """Return what is wrong with them."""
        return list(watched(self, self.client_ca).problems)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Good files."""
    return Files(tmp_path)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, passphrase: bytes = b"") -> bytes:
    """Return a private key as it is kept in a file."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def handshake(context: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Shake hands in memory; return the host of the certificate that was served."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server)
    far = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (near, far, near, far):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    shown = near.getpeercert()
    assert shown
    return str(shown["subjectAltName"][0][1])


def client_of(authority: Authority, shown: Pair | None = None) -> ssl.SSLContext:
    """Return a client that trusts an authority, and shows a certificate if it has one."""
    client = ssl.create_default_context(cafile=authority.file)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 and later do
    client.check_hostname = False
    if shown:
        client.load_cert_chain(shown.certificate, shown.key)
    return client


def watched(files: Files, client_ca: Path | None = None) -> Watched[TlsContext]:
    """Watch the files."""
    return watch_certificates(files.cert, files.key, client_ca, required=True)


def test_good_files(files: Files) -> None:
    """Nothing is wrong, and they serve TLS 1.2 at least, without asking for a certificate."""
    assert files.problems() == []
    context = watched(files).current.context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE
    assert handshake(context, client_of(files.authority)) == HOSTS[OLD].value


@pytest.mark.parametrize(
    ("required", "mode"), [(True, ssl.CERT_REQUIRED), (False, ssl.CERT_OPTIONAL)]
)
def test_client_certificates(files: Files, mode: ssl.VerifyMode, *, required: bool) -> None:
    """Asked for where their authorities are given; those of others are refused."""
    context = watch_certificates(
        files.cert, files.key, files.client_ca, required=required
    ).current.context
    assert context.verify_mode is mode
    handshake(context, client_of(files.authority, files.versions[NEW]))
    stranger = Authority(files.cert.parent, "stranger").server(LOOPBACK)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, client_of(files.authority, stranger))


def _weak(files: Files) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # to be refused
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + DAY)
    signed = builder.sign(key, hashes.SHA256())
    files.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(pem(key))


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOT_ITS_KEY = (
    "BROKER_TLS_KEY_FILE is not the private key of the certificate in BROKER_TLS_CERT_FILE"
)
BREAKAGES: dict[str, tuple[Callable[[Files], object], str]] = {
    "no certificate": (lambda f: f.cert.unlink(), "BROKER_TLS_CERT_FILE does not exist"),
    "no key": (lambda f: f.key.unlink(), "BROKER_TLS_KEY_FILE does not exist"),
    "no authorities": (lambda f: f.client_ca.unlink(), "BROKER_TLS_CLIENT_CA_FILE does not exist"),
    "folder": (lambda f: _folder(f.key), "BROKER_TLS_KEY_FILE is not a file"),
    "binary": (lambda f: f.cert.write_bytes(b"\xff"), "BROKER_TLS_CERT_FILE is not UTF-8 text"),
    "empty certificate": (
        lambda f: f.cert.write_text(""),
        "BROKER_TLS_CERT_FILE must hold certificates in PEM",
    ),
    "no PEM": (
        lambda f: f.cert.write_text("certificate"),
        "BROKER_TLS_CERT_FILE must hold certificates in PEM",
    ),
    "key for certificate": (
        lambda f: f.cert.write_bytes(f.key.read_bytes()),
        "BROKER_TLS_CERT_FILE must hold certificates in PEM",
    ),
    "cut certificate": (
        lambda f: f.cert.write_text(f.cert.read_text()[:200]),
        "BROKER_TLS_CERT_FILE must hold certificates in PEM",
    ),
    "empty key": (
        lambda f: f.key.write_text(""),
        "BROKER_TLS_KEY_FILE must hold a private key in PEM",
    ),
    "certificate for key": (
        lambda f: f.key.write_bytes(f.cert.read_bytes()),
        "BROKER_TLS_KEY_FILE must hold a private key in PEM",
    ),
    "passphrase": (
        lambda f: f.key.write_bytes(pem(EC, b"secret")),
        "BROKER_TLS_KEY_FILE must hold a private key without a passphrase",
    ),
    "another key": (lambda f: f.key.write_bytes(pem(EC)), NOT_ITS_KEY),
    "key of another kind": (lambda f: f.key.write_bytes(pem(RSA)), NOT_ITS_KEY),
    "authorities not PEM": (
        lambda f: f.client_ca.write_text("authority"),
        "BROKER_TLS_CLIENT_CA_FILE must hold certificates in PEM",
    ),
    "weak": (_weak, "BROKER_TLS_CERT_FILE holds a certificate that is too weak to be used"),
}


@pytest.mark.parametrize(("damage", "sentence"), BREAKAGES.values(), ids=BREAKAGES.keys())
def test_broken_files(files: Files, damage: Callable[[Files], object], sentence: str) -> None:
    """One plain sentence without path or content."""
    damage(files)
    assert files.problems() == [sentence]


def test_comments_of_any_language(files: Files) -> None:
    """PEM may hold text between the certificates."""
    for file in (files.cert, files.client_ca):
        file.write_text(f"# Autorität\n{file.read_text()}")
    assert files.problems() == []


def test_what_was_read_counts(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that breaks after its text was read changes nothing."""
    texts = {path: path.read_text() for path in (files.cert, files.key, files.client_ca)}
    monkeypatch.setattr(tls, "read_text", texts.__getitem__)
    files.key.unlink()
    assert files.problems() == []


@pytest.mark.parametrize("name", ["cert", "key", "client_ca"])
def test_a_byte_order_mark_is_dropped(files: Files, name: str) -> None:
    """As some editors write it."""
    path: Path = getattr(files, name)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert files.problems() == []


def test_new_version_is_taken(files: Files) -> None:
    """Once; the context stays while the files do, so that sessions can be resumed."""
    watching = watched(files)
    files.write(NEW)
    assert watching.poll() == Polled(reloaded=True)
    new = watching.current.context
    assert handshake(new, client_of(files.authority)) == HOSTS[NEW].value
    files.write(NEW)
    assert [watching.poll() for _ in range(3)] == [Polled()] * 3
    assert watching.current.context is new


def test_broken_version_leaves_the_old_one_in_force(files: Files) -> None:
    """It is told once, and the repair too."""
    watching = watched(files)
    old = watching.current
    files.key.write_bytes(pem(EC))
    assert watching.poll() == Polled(problems=(NOT_ITS_KEY,))
    assert watching.poll() == Polled()
    assert watching.current is old
    files.write(NEW)
    assert watching.poll() == Polled(reloaded=True)
    assert watching.problems == ()


class Swapped:
    """The files as links of a mounted Secret, swapped at a chosen moment."""

    def __init__(self, files: Files) -> None:
        self.root = files.cert.parent
        for version, pair in enumerate(files.versions):
            folder = self.root / f"..{version}"
            folder.mkdir()
            (folder / "tls.crt").write_bytes(pair.certificate.read_bytes())
            (folder / "tls.key").write_bytes(pair.key.read_bytes())
        self.swap(OLD)
        for file in (files.cert, files.key):
            file.unlink()
            file.symlink_to(f"..data/{file.name}")

    def swap(self, version: int) -> None:
        """Put a version in place by one rename."""
        link = self.root / "..data_tmp"
        link.symlink_to(f"..{version}")
        link.replace(self.root / "..data")


def test_swapped_while_it_is_read(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old certificate with the new key is no mismatch: both are read again."""
    mount = Swapped(files)
    watching = watched(files)
    reads = []

    def swap_after_the_first(path: Path) -> str:
        text = read_text(path)
        reads.append(path)
        if len(reads) == 1:
            mount.swap(NEW)
        return text

    monkeypatch.setattr(tls, "read_text", swap_after_the_first)
    mount.swap(OLD)
    files.key.parent.joinpath("..0/tls.key").touch()
    assert watching.poll() == Polled(reloaded=True)
    assert handshake(watching.current.context, client_of(files.authority)) == HOSTS[NEW].value


def test_swapped_all_the_time(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up, keeps the old version, and says so."""
    mount = Swapped(files)
    watching = watched(files)
    turns = itertools.count()

    def swap(path: Path) -> str:
        if path == files.cert:
            mount.swap(next(turns) % 2)
        return read_text(path)

    monkeypatch.setattr(tls, "read_text", swap)
    mount.swap(NEW)
    problem = "BROKER_TLS_CERT_FILE changed each of the 3 times it was read"
    assert watching.poll() == Polled(problems=(problem,))


def test_nothing_shows_itself(files: Files) -> None:
    """A fingerprint of a key is not for logs."""
    assert repr(watched(files).current) == "TlsContext()"
