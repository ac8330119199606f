"""The addresses to listen on, and where the audit goes."""

from marshmallow import ValidationError

from broker.settings.urls import parse_address

_SOCKET = "unix:/"


def bind_address(text: str) -> str:
    """Return an address as gunicorn takes it; raise ``ValidationError`` if it is none."""
    if text.startswith(_SOCKET):
        if text.rstrip("/") == "unix:":
            raise ValidationError("must name a socket after unix:/")
        return text
    try:
        has_port = parse_address(text).port is not None
    except ValidationError:
        has_port = False
    if not has_port:
        raise ValidationError("must be a comma-separated list of host:port or unix:/path")
    return text


def audit_log(text: str) -> str:
    """Return a word for a stream or an absolute path; raise ``ValidationError`` if it is none."""
    if text in {"stdout", "stderr", "none"} or (text.startswith("/") and "\0" not in text):
        return text
    raise ValidationError("must be stdout, stderr, none or an absolute path")


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach what listens on a bind address."""
    return address.startswith(_SOCKET) or parse_address(address).loopback
