"""Asks a running broker for its health."""

import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions as theirs

PATH = "/health"
TIMEOUT = 5.0
"""Longest wait for the connection, and for each piece of the answer, in seconds."""
LIMIT = 10.0
"""Longest whole answer in seconds."""
LARGEST = 16 << 20


class UnreachableError(Exception):
    """Nobody answers; the message says why, in a sentence."""


class UnusableOptionError(Exception):
    """The URL or a TLS file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS with the broker."""

    insecure: bool = False
    ca_file: Path | None = None
    cert: Path | None = None
    key: Path | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext:
        """Return the context; raises UnusableOptionError."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError:
            raise UnusableOptionError("--ca-file must name certificates in PEM.") from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            urllib3.disable_warnings(theirs.InsecureRequestWarning)  # it was asked for
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key, password=_no_passphrase)
            except (OSError, ValueError):
                raise UnusableOptionError(
                    "--cert and --key must name a certificate and its key in PEM, without a "
                    "passphrase."
                ) from None
        return context


def address_of(text: str) -> str:
    """Return the URL of the health of the broker at ``text``: a URL, or just ``host:port``.

    Raises UnusableOptionError.
    """
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    else:
        if usable and not (parts.username or parts.query or parts.fragment):
            path = parts.path.rstrip("/").removesuffix(PATH)
            return f"{parts.scheme}://{parts.netloc}{path}{PATH}"
    raise UnusableOptionError("URL must be http://host:port or https://host:port.")


def address_from(setting: str, bind: str, *, tls: bool) -> str:
    """Return the URL of the health of a broker on this machine, from a setting that says where.

    Raises UnusableOptionError.
    """
    networked = [each.strip() for each in bind.split(",") if "unix:" not in each]
    if not networked:
        raise UnusableOptionError(f"{setting} names no host and port: name a URL.")
    host, _, port = networked[0].rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104  # read, not bound
    return address_of(f"{'https' if tls else 'http'}://{host}:{port}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)

    @property
    def outage(self) -> bool:
        """Whether it tells of an outage, whoever sent it."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def fetch(address: str, tls: Tls) -> Answer:
    """Return what ``address`` answers; raises UnreachableError."""
    problem = ""
    context = tls.context()
    try:
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT, ssl_context=context) as http:
            answer = http.request("GET", address, preload_content=False, redirect=False)
            return Answer(answer.status, answer.read(LARGEST))
    except theirs.HTTPError as error:
        problem = _reason(error)
    raise UnreachableError(problem)


def _reason(error: BaseException) -> str:
    """Return a sentence for an error of urllib3, whose own text is not for people."""
    for kind, sentence in _REASONS:
        if isinstance(error, kind):
            return sentence
    return f"The connection failed ({type(error).__name__})."


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (theirs.NameResolutionError, "The host name cannot be resolved."),
    (theirs.NewConnectionError, "Nobody takes the connection: is the broker running there?"),
    (theirs.TimeoutError, f"No answer within {TIMEOUT:g} s."),
    (
        theirs.SSLError,
        "TLS fails: is its certificate trusted (--ca-file), does it want one (--cert, --key)?",
    ),
    (theirs.ProtocolError, "The connection was closed: does it speak TLS (https://)?"),
)


def _no_passphrase() -> NoReturn:
    # Without this OpenSSL asks at the terminal.
    raise ValueError
