"""The addresses to listen on, the networks of proxies, and where the audit goes."""

from ipaddress import ip_network

from marshmallow import ValidationError

from broker.settings.urls import parse_address

_SOCKET = "unix:/"
_LOOPBACK = "127.0.0.1"
_ANY_4 = "0.0.0.0"  # noqa: S104  # compared, not bound
_ANY_6 = "[::]"
"""IPv4 included, unless the host is set otherwise."""


def bind_address(text: str) -> str:
    """Return an address as gunicorn takes it; raise ``ValidationError`` if it is none."""
    if is_unix(text):
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


def network(text: str) -> str:
    """Return a network as it is usually written; raise ``ValidationError`` if it is none."""
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValidationError(
            "must be a comma-separated list of networks, such as 10.0.0.0/8, or addresses"
        ) from None


def overlap(one: str, other: str) -> bool:
    """Tell whether two bind addresses cannot both be listened on.

    Names are not looked up, but for ``localhost``.
    """
    if is_unix(one) or is_unix(other):
        return one == other
    first, second = parse_address(one), parse_address(other)
    hosts = {_LOOPBACK if host == "localhost" else host for host in (first.host, second.host)}
    if first.port != second.port or not first.port:
        return False
    if len(hosts) == 1 or _ANY_6 in hosts:
        return True
    return _ANY_4 in hosts and not any(host.startswith("[") for host in hosts)


def audit_log(text: str) -> str:
    """Return a word for a stream or an absolute path; raise ``ValidationError`` if it is none."""
    if text in {"stdout", "stderr", "none"} or (text.startswith("/") and "\0" not in text):
        return text
    raise ValidationError("must be stdout, stderr, none or an absolute path")


def is_unix(address: str) -> bool:
    """Tell whether a bind address is a Unix socket."""
    return address.startswith(_SOCKET)


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach what listens on a bind address."""
    return is_unix(address) or parse_address(address).loopback
