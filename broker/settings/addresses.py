"""The URLs and addresses of the settings: what is allowed in them."""

from collections.abc import Callable
from ipaddress import ip_network

from marshmallow import ValidationError

from broker.redis_address import parse_redis_address
from broker.settings.kinds import Kind
from broker.urls import AddressError, parse_host, parse_url

_SOCKET = "unix:/"
_LOOPBACK = "127.0.0.1"
_ANY_4 = "0.0.0.0"  # noqa: S104  # compared, not bound
_ANY_6 = "::"
"""IPv4 included, unless the host is set otherwise."""


def _kind(accept: Callable[[str], str]) -> Kind[str]:
    def parse(text: str) -> str:
        try:
            return accept(text)
        except AddressError as error:
            raise ValidationError(str(error)) from None

    return Kind(parse)


def _url(text: str) -> str:
    """Return a URL of HTTP without a trailing slash."""
    url = parse_url(text)
    if url.scheme not in {"http", "https"}:
        raise AddressError("must begin with https:// (or http://)")
    if url.userinfo is not None or url.query is not None:
        raise AddressError("must have no user name, password or query")
    url.host()
    return text.rstrip("/")


def is_plain(url: str) -> bool:
    """Tell whether what is sent to a URL travels in the clear to another machine."""
    parts = parse_url(url)
    return parts.scheme == "http" and not parts.host().loopback


def _jwks_url(text: str) -> str:
    _url(text)
    if is_plain(text):
        raise AddressError("must begin with https:// unless its host is loopback")
    return text


def _proxy(text: str) -> str:
    url = parse_url(text)
    if url.scheme != "http":
        raise AddressError("must begin with http:// (what travels through it to Canvas is TLS)")
    if url.path not in {"", "/"} or url.query is not None:
        raise AddressError("must end after host and port")
    url.host()
    return text


def _redis(text: str) -> str:
    parse_redis_address(text)
    return text


def _host(text: str) -> str:
    """Return a host as a URL has it, an IPv6 address without its brackets."""
    host = parse_host(text)
    if host.port is not None:
        raise AddressError("must be a host without a port")
    return host.name


def _bind(text: str) -> str:
    """Return an address as gunicorn takes it."""
    if is_unix(text):
        if text.rstrip("/") == "unix:":
            raise AddressError("must name a socket after unix:/")
        return text
    try:
        has_port = parse_host(text).port is not None
    except AddressError:
        has_port = False
    if not has_port:
        raise AddressError("must be a comma-separated list of host:port or unix:/path")
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise AddressError(
            "must be a comma-separated list of networks, such as 10.0.0.0/8, or addresses"
        ) from None


URL, JWKS_URL, PROXY, REDIS = map(_kind, (_url, _jwks_url, _proxy, _redis))
HOST, BIND, NETWORK = map(_kind, (_host, _bind, _network))


def is_unix(address: str) -> bool:
    """Tell whether a bind address is a Unix socket."""
    return address.startswith(_SOCKET)


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach what listens on a bind address."""
    return is_unix(address) or parse_host(address).loopback


def overlap(one: str, other: str) -> bool:
    """Tell whether two bind addresses cannot both be listened on.

    Names are not looked up, but for ``localhost``.
    """
    if is_unix(one) or is_unix(other):
        return one == other
    first, second = parse_host(one), parse_host(other)
    if first.port != second.port or not first.port:
        return False
    hosts = {_LOOPBACK if name == "localhost" else name for name in (first.name, second.name)}
    if len(hosts) == 1 or _ANY_6 in hosts:
        return True
    return _ANY_4 in hosts and not any(":" in host for host in hosts)
