"""The certificate, key and client authorities that TLS is served with, read again on change.

In a mounted Kubernetes Secret the files are links that are swapped together, and a reader may see
the old certificate and the new key: they are therefore read until nothing moved meanwhile.
"""

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from broker.errors import SettingsError
from broker.files.reading import UnreadableError, read_text, signature
from broker.files.watch import Reading, Watched

CERT = "BROKER_TLS_CERT_FILE"
KEY = "BROKER_TLS_KEY_FILE"
CLIENT_CA = "BROKER_TLS_CLIENT_CA_FILE"
_ATTEMPTS = 3
_NOT_OF_ONE_PAIR = frozenset(
    {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
)
_WEAK = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"})


class UnusableError(Exception):
    """These files cannot serve TLS; the message says why and holds no path and no content."""


class EncryptedKeyError(Exception):
    """The key asks for a passphrase."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """What TLS is served with; two are equal when the files behind them were."""

    fingerprint: str = field(repr=False)
    context: ssl.SSLContext = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CertificatesSource:
    """The files as something to watch; without ``client_ca`` no client certificate is asked for."""

    cert: Path
    key: Path
    client_ca: Path | None = None
    required: bool = True

    def signature(self) -> object:
        """Return what changes when any of the files does."""
        paths = (self.cert, self.key, self.client_ca)
        return tuple(signature(path) for path in paths if path is not None)

    def read(self, current: Certificates) -> Reading[Certificates]:
        """Return the certificates of the files; ``current`` if they are broken, or the same."""
        for _ in range(_ATTEMPTS):
            before = self.signature()
            reading = self._read_once(current)
            if before == self.signature():
                return reading
        return Reading(current, (f"{CERT} changed each of the {_ATTEMPTS} times it was read",))

    def _read_once(self, current: Certificates) -> Reading[Certificates]:
        try:
            texts = self._texts()
            fingerprint = hashlib.sha256("\0".join(texts).encode()).hexdigest()
            if fingerprint == current.fingerprint:
                return Reading(current)
            return Reading(Certificates(fingerprint, self._context(texts)))
        except UnusableError as error:
            return Reading(current, (str(error),))

    def _texts(self) -> list[str]:
        named = [(CERT, self.cert), (KEY, self.key)]
        if self.client_ca is not None:
            named.append((CLIENT_CA, self.client_ca))
        return [_text(name, path) for name, path in named]

    def _context(self, texts: list[str]) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), CERT, texts[0])
        _load_pair(context, self.cert, self.key)
        if self.client_ca is not None:
            _load_authorities(context, CLIENT_CA, texts[-1])
            context.verify_mode = ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL
        return context


def certificate_problems(cert: Path, key: Path, client_ca: Path | None) -> list[str]:
    """Return a sentence for what keeps these files from serving TLS; none if nothing does."""
    return list(Watched(CertificatesSource(cert, key, client_ca), _nothing()).problems)


def watch_certificates(
    cert: Path, key: Path, client_ca: Path | None, *, required: bool
) -> Watched[Certificates]:
    """Read the files, to be polled from now on; raises :class:`SettingsError` if they are broken.

    ``required`` says whether a client must show a certificate; it counts only with ``client_ca``.
    """
    watched = Watched(CertificatesSource(cert, key, client_ca, required), _nothing())
    if watched.problems:
        raise SettingsError(list(watched.problems))
    return watched


def _nothing() -> Certificates:
    return Certificates("", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def _text(name: str, path: Path) -> str:
    try:
        return read_text(path)
    except UnreadableError as error:
        raise UnusableError(f"{name} {error}") from None


def _load_authorities(context: ssl.SSLContext, name: str, text: str) -> None:
    plain = text.encode("ascii", "replace").decode()  # a comment may be in any language
    try:
        context.load_verify_locations(cadata=plain)
    except (ssl.SSLError, ValueError):
        raise UnusableError(f"{name} must hold certificates in PEM") from None


def _load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except EncryptedKeyError:
        raise UnusableError(f"{KEY} must hold a private key without a passphrase") from None
    except ssl.SSLError as error:
        raise UnusableError(_refused(error.reason)) from None
    except (OSError, ValueError):
        raise UnusableError(f"{CERT} or {KEY} cannot be read") from None


def _refused(reason: str | None) -> str:
    if reason in _NOT_OF_ONE_PAIR:
        return f"{KEY} is not the private key of the certificate in {CERT}"
    if reason in _WEAK:
        return f"{CERT} holds a certificate that is too weak to be used"
    return f"{KEY} must hold a private key in PEM"


def _no_passphrase() -> NoReturn:
    # Without this OpenSSL asks at the terminal, and the process hangs there.
    raise EncryptedKeyError
