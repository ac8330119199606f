"""The addresses to listen on."""

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


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach what listens on a bind address."""
    return address.startswith(_SOCKET) or parse_address(address).loopback
