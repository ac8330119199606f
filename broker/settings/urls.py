"""The URLs of the settings: what is allowed in them, and the part that may be shown."""

import ipaddress
import re
from dataclasses import dataclass, field

from marshmallow import ValidationError

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z+]*)://"
    r"(?:(?P<userinfo>[A-Za-z0-9._~!$&'()*+,;=:%-]*)@)?"
    r"(?P<hosts>[A-Za-z0-9._:,\[\]-]*)"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
    r"(?:\?(?P<query>[A-Za-z0-9._~!$&'()*+,;=:%/-]*))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host with its port, where one is written."""

    host: str
    port: int | None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can be behind it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in parts. The user name and password are left out; the query may hold one, too."""

    scheme: str
    has_userinfo: bool
    hosts: str
    path: str
    query: str | None = field(repr=False)

    @property
    def addresses(self) -> list[Address]:
        """The comma-separated hosts; raises ``ValidationError`` for one that is none."""
        return [parse_address(text) for text in self.hosts.split(",")]


def parse_url(text: str) -> Url:
    """Return the parts of ``text``; raise ``ValidationError``, which does not repeat it."""
    match = _URL.fullmatch(text)
    if match is None:
        raise ValidationError(
            "must be a URL scheme://host:port/path, without a fragment, and with any special "
            "character of a user name or password percent-encoded"
        )
    return Url(
        scheme=match["scheme"],
        has_userinfo=match["userinfo"] is not None,
        hosts=match["hosts"],
        path=match["path"] or "",
        query=match["query"],
    )


def parse_address(text: str) -> Address:
    """Return ``host``, ``host:port`` or ``[IPv6]:port`` as an address, else ``ValidationError``."""
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > _HIGHEST_PORT:
        raise ValidationError("must name each host as host, host:port or [IPv6 address]:port")
    host = match["host"]
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValidationError("holds brackets around what is no IPv6 address") from None
    return Address(host.lower(), None if match["port"] is None else int(match["port"]))


def canvas_url(text: str) -> str:
    """Return the base URL of Canvas without a trailing slash."""
    url = parse_url(text)
    if url.scheme not in {"http", "https"}:
        raise ValidationError("must begin with https:// (or http://)")
    if url.has_userinfo or url.query is not None:
        raise ValidationError("must have no user name, password or query")
    _one(url.addresses)
    return text.rstrip("/")


def public_url(text: str) -> str:
    """Return the broker's own URL without a trailing slash."""
    return canvas_url(text)


def jwks_url(text: str) -> str:
    """Return the URL of a cluster's keys; plain ``http`` only to a loopback host."""
    canvas_url(text)
    url = parse_url(text)
    if url.scheme == "http" and not url.addresses[0].loopback:
        raise ValidationError("must begin with https:// unless its host is loopback")
    return text


def host_name(text: str) -> str:
    """Return a host without a port as a URL has it, an IPv6 address without its brackets."""
    address = parse_address(text)
    if address.port is not None:
        raise ValidationError("must be a host without a port")
    return address.host.strip("[]")


def proxy_url(text: str) -> str:
    """Return the URL of an HTTP proxy as it is."""
    url = parse_url(text)
    if url.scheme != "http":
        raise ValidationError("must begin with http:// (what travels through it to Canvas is TLS)")
    if url.path not in {"", "/"} or url.query is not None:
        raise ValidationError("must end after host and port")
    _one(url.addresses)
    return text


def redis_url(text: str) -> str:
    """Return the URL of Redis as it is; its hosts, path and query must suit its scheme."""
    url = parse_url(text)
    shape = _REDIS.get(url.scheme)
    if shape is None:
        schemes = ", ".join(f"{scheme}://" for scheme in _REDIS)
        raise ValidationError(f"must begin with one of {schemes}")
    if not (shape.fits_hosts(url) and shape.path.fullmatch(url.path)):
        raise ValidationError(f"must have the form {shape.form}")
    if url.query is not None:
        _check_options(url.query, shape)
    return text


def _check_options(query: str, shape: "_Shape") -> None:
    """Refuse an option that the store would choke on later, or that would lift a limit."""
    if not _PAIRS.fullmatch(query):
        raise ValidationError(
            f"must have the form {shape.form}, then at most ?name=value&name=value"
        )
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if len(set(names)) < len(names) or not shape.options.issuperset(names):
        allowed = ", ".join(sorted(shape.options))
        raise ValidationError(f"may have after the ? each once: {allowed}")


def location(text: str) -> str:
    """Return of a URL only what may be shown: scheme, hosts and ports; of ``unix`` the path."""
    url = parse_url(text)
    return f"{url.scheme}://{url.path if url.scheme == 'unix' else url.hosts}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a scheme of Redis allows."""

    form: str
    path: re.Pattern[str]
    networked: bool = True
    several: bool = False
    ports: bool = False
    options: frozenset[str] = frozenset()

    def fits_hosts(self, url: Url) -> bool:
        """Tell whether the URL names as many hosts, and ports, as the scheme wants."""
        if not self.networked:
            return not url.hosts
        addresses = url.addresses
        if self.ports and not all(address.port for address in addresses):
            return False
        return self.several or len(addresses) == 1


_PAIRS = re.compile(r"[^=&]+=[^=&]*(?:&[^=&]+=[^=&]*)*")
_DATABASE = re.compile(r"(?:/[0-9]{0,5})?")
_LOGIN = frozenset({"username", "password"})
_TLS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname"}
    | {"ssl_keyfile", "ssl_password"}
)
_SENTINELS = _LOGIN | {"sentinel_username", "sentinel_password"}
_DB = _LOGIN | {"db"}


def _sentinel(scheme: str, options: frozenset[str]) -> _Shape:
    form, path = f"{scheme}://host:port,host:port/service", r"/[A-Za-z0-9._-]+(?:/[0-9]{1,5})?"
    return _Shape(form, re.compile(path), several=True, ports=True, options=options)


def _cluster(scheme: str, options: frozenset[str]) -> _Shape:
    form = f"{scheme}://host:port,host:port"
    return _Shape(form, re.compile("/?0?"), several=True, options=options)


_REDIS = {
    "redis": _Shape("redis://host:port/database", _DATABASE, options=_DB),
    "rediss": _Shape("rediss://host:port/database", _DATABASE, options=_DB | _TLS),
    "unix": _Shape("unix:///path", re.compile(r"/.+"), networked=False, options=_DB),
    "redis+sentinel": _sentinel("redis+sentinel", _SENTINELS),
    "rediss+sentinel": _sentinel("rediss+sentinel", _SENTINELS | _TLS),
    "redis+cluster": _cluster("redis+cluster", _LOGIN),
    "rediss+cluster": _cluster("rediss+cluster", _LOGIN | _TLS),
}


def _one(addresses: list[Address]) -> None:
    if len(addresses) > 1:
        raise ValidationError("must name one host")
