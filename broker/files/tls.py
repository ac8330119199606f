"""The PEM files of TLS as something to watch: texts in, one ``SSLContext`` out.

A context is made from the texts that were read, never from the files behind them: what breaks later
changes nothing. In a mounted Kubernetes Secret the files are links that are swapped together, and a
reader may see the old certificate and the new key: all are read until nothing moved meanwhile.
"""

import hashlib
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from broker.errors import SettingsError
from broker.files.reading import UnreadableError, read_text
from broker.files.watch import FilesSource, Watched

_NOT_OF_ONE_PAIR = frozenset(
    {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
)
_WEAK = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"})

Texts = Mapping[str, str]
"""What the files hold, by the names that problems call them."""


class UnusableError(SettingsError):
    """These files cannot serve TLS; the message says why and holds no path and no content."""

    def __init__(self, problem: str) -> None:
        super().__init__([problem])


class EncryptedKeyError(Exception):
    """The key asks for a passphrase."""


@dataclass(frozen=True, slots=True)
class TlsContext:
    """A context for connections; two are equal when the files behind them were."""

    fingerprint: str = field(repr=False)
    context: ssl.SSLContext = field(compare=False, repr=False)


_NO_CONTEXT = TlsContext("", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
"""What stands before the first reading; no files have its fingerprint."""


def watch_tls(
    files: Mapping[str, Path], build: Callable[[Texts], ssl.SSLContext]
) -> Watched[TlsContext]:
    """Read files, by the names that problems call them, to be polled from now on.

    ``build`` makes a context of their texts, and raises :class:`UnusableError` for texts that are
    of no use.
    """

    def make(current: TlsContext) -> TlsContext:
        texts = {name: _text(name, path) for name, path in files.items()}
        fingerprint = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()
        if fingerprint == current.fingerprint:
            return current
        return TlsContext(fingerprint, build(texts))

    return Watched(FilesSource(files, make), _NO_CONTEXT)


def contexts(watched: Watched[TlsContext] | None) -> Callable[[], ssl.SSLContext] | None:
    """Return what gives the context in use at each call; None where no files were named."""
    return None if watched is None else lambda: watched.current.context


def load_authorities(context: ssl.SSLContext, texts: Texts, name: str) -> None:
    """Let ``context`` trust the certificates in a text, too; raise :class:`UnusableError`."""
    try:
        context.load_verify_locations(cadata=_ascii(texts[name]))
    except (ssl.SSLError, ValueError):
        raise UnusableError(f"{name} must hold certificates in PEM") from None


def client_context(texts: Texts, name: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a text, and not those of the system.

    Raises :class:`UnusableError`.
    """
    load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), texts, name)
    return ssl.create_default_context(cadata=_ascii(texts[name]))


def load_pair(
    context: ssl.SSLContext, texts: Texts, cert: str, key: str, password: str | None = None
) -> None:
    """Let ``context`` show a certificate with its key; raise :class:`UnusableError`.

    ``cert`` and ``key`` are names of texts, and may be the same. Without ``password`` the key must
    have no passphrase.
    """
    load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), texts, cert)
    try:
        with _as_file(texts[cert]) as cert_file, _as_file(texts[key]) as key_file:
            context.load_cert_chain(cert_file, key_file, password=password or _no_passphrase)
    except EncryptedKeyError:
        raise UnusableError(f"{key} must hold a private key without a passphrase") from None
    except ssl.SSLError as error:
        raise UnusableError(_refused(error.reason, cert, key)) from None
    except (OSError, ValueError):
        raise UnusableError(f"{cert} or {key} cannot be read") from None


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give a text a path for a moment, in memory: OpenSSL reads pairs from files alone."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
        file.flush()
        yield f"/dev/fd/{descriptor}"


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()  # a comment may be in any language


def _text(name: str, path: Path) -> str:
    try:
        return read_text(path)
    except UnreadableError as error:
        raise UnusableError(f"{name} {error}") from None


def _refused(reason: str | None, cert: str, key: str) -> str:
    if reason in _NOT_OF_ONE_PAIR:
        return f"{key} is not the private key of the certificate in {cert}"
    if reason in _WEAK:
        return f"{cert} holds a certificate that is too weak to be used"
    return f"{key} must hold a private key in PEM"


def _no_passphrase() -> str:
    # Without this OpenSSL asks at the terminal, and the process hangs there.
    raise EncryptedKeyError
