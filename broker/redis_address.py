"""The URL of Redis: the forms that it may have, and what it says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from broker.urls import AddressError, parse_url

_OPTIONS = re.compile(r"[^=&]+=[^=&]*(?:&[^=&]+=[^=&]*)*")
_DATABASE = r"[0-9]{1,5}"
_FALSE = frozenset({"0", "f", "false", "n", "no"})
_LOGIN = frozenset({"username", "password"})
_TLS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname"}
    | {"ssl_keyfile", "ssl_password"}
)
_SINGLE = (rf"[^,/]+(?:/(?P<db>(?:{_DATABASE})?))?", "host:port/database", _LOGIN | {"db"})
_SENTINEL = (
    rf"(?:[^,/]+:\d+(?:,|(?=/)))+/(?P<service>[A-Za-z0-9._-]+)(?:/(?P<db>{_DATABASE}))?",
    "host:port,host:port/service",
    _LOGIN | {"sentinel_username", "sentinel_password"},
)
_CLUSTER = ("[^/]+/?0?", "host:port,host:port", _LOGIN)
_FORMS = {
    "redis": _SINGLE,
    "rediss": _SINGLE,
    "unix": ("/.+", "/path", _LOGIN | {"db"}),
    "redis+sentinel": _SENTINEL,
    "rediss+sentinel": _SENTINEL,
    "redis+cluster": _CLUSTER,
    "rediss+cluster": _CLUSTER,
}
"""By scheme: a pattern of hosts and path, how to write them, and the options but for TLS."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password; either may be empty."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Those of AUTH."""
        if self.username:
            return self.username, self.password
        return (self.password,) if self.password else ()


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """An address of Redis in parts.

    ``hosts`` and their ports are those of the server, of sentinels that know ``service``, or of
    nodes of a cluster; there is none with ``socket``, a path. ``tls`` are redis-py's options; None
    where it is not TLS.
    """

    kind: str
    """``""``, ``"sentinel"`` or ``"cluster"``."""
    hosts: tuple[tuple[str, int], ...]
    socket: str | None
    service: str
    database: int
    login: Login | None
    sentinel_login: Login | None
    tls: Mapping[str, str] | None = field(repr=False)


def parse_redis_address(text: str) -> RedisAddress:
    """Return the parts of a URL of Redis; raises AddressError, which does not repeat it."""
    url = parse_url(text)
    if url.scheme not in _FORMS:
        raise AddressError(f"must begin with one of {', '.join(f'{one}://' for one in _FORMS)}")
    pattern, example, allowed = _FORMS[url.scheme]
    example = f"{url.scheme}://{example}"
    base, _, kind = url.scheme.partition("+")
    hosts = [] if base == "unix" else [(one.name, one.port or 6379) for one in url.each_host()]
    found = re.fullmatch(pattern, url.hosts + url.path)
    if found is None:
        raise AddressError(f"must have the form {example}")
    options = _options(url.query, allowed | _TLS if base == "rediss" else allowed, example)
    own = _userinfo(url.userinfo)
    options |= {name: text for name, text in own.items() if text or name not in options}
    named = found.groupdict("")
    tls = {name: options[name] for name in _TLS if options.get(name)}
    return RedisAddress(
        kind=kind,
        hosts=tuple(hosts),
        socket=unquote(url.path) if base == "unix" else None,
        service=named.get("service", ""),
        database=int(options.get("db") or named.get("db") or 0),
        login=_login(options),
        sentinel_login=_login(options, "sentinel_"),
        tls=tls if base == "rediss" else None,
    )


def _options(query: str | None, allowed: frozenset[str], form: str) -> dict[str, str]:
    """Refuse an option that would be choked on later, or that would lift a limit."""
    if query is None:
        return {}
    if not _OPTIONS.fullmatch(query):
        raise AddressError(f"must have the form {form}, then at most ?name=value&name=value")
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if len(set(names)) < len(names) or not allowed.issuperset(names):
        raise AddressError(f"may have after the ? each once: {', '.join(sorted(allowed))}")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not re.fullmatch(f"({_DATABASE})?", options.get("db", "")):
        raise AddressError("must have a number of 1 to 5 digits after db=")
    return options


def _userinfo(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    username, _, password = text.partition(":")
    return {"username": unquote(username), "password": unquote(password)}


def _login(options: Mapping[str, str], whose: str = "") -> Login | None:
    """Return the login that is named, even if nothing is said of it."""
    names = f"{whose}username", f"{whose}password"
    return Login(*(options.get(name, "") for name in names)) if options.keys() & names else None


def checks_name(tls: Mapping[str, str]) -> bool:
    """Tell whether the name in the server's certificate must be that of the address."""
    return tls.get("ssl_check_hostname", "true").lower() not in _FALSE
