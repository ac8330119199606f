"""URLs and addresses in parts, read strictly. No error repeats the text: it may hold a password."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

_CHARACTERS = "A-Za-z0-9._~!$&'()*+,;=:%-"
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z+]*)://"
    rf"(?:(?P<userinfo>[{_CHARACTERS}]*)@)?"
    r"(?P<hosts>[A-Za-z0-9._:,\[\]-]*)"
    rf"(?P<path>/[/{_CHARACTERS}]*)?"
    rf"(?:\?(?P<query>[/{_CHARACTERS}]*))?"
)
_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>\d{1,5}))?", re.ASCII
)
_HIGHEST_PORT = 65535


class AddressError(Exception):
    """A text is no such address; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Host:
    """A name or IP address, without brackets, and the port where one is written."""

    name: str
    port: int | None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can be behind it; names are not looked up."""
        try:
            return self.name == "localhost" or ip_address(self.name).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in parts, as they are written; None where a part is not there."""

    scheme: str
    userinfo: str | None = field(repr=False)
    hosts: str
    path: str
    query: str | None = field(repr=False)

    def each_host(self) -> list[Host]:
        """Return the comma-separated hosts; raises AddressError."""
        return [parse_host(text) for text in self.hosts.split(",")]

    def host(self) -> Host:
        """Return the one host; raises AddressError."""
        first, *others = self.each_host()
        if others:
            raise AddressError("must name one host")
        return first


def parse_url(text: str) -> Url:
    """Return the parts of ``text``; raises AddressError."""
    match = _URL.fullmatch(text)
    if match is None:
        raise AddressError(
            "must be a URL scheme://host:port/path, without a fragment, and with any special "
            "character of a user name or password percent-encoded"
        )
    scheme, userinfo, hosts, path, query = match.groups()
    return Url(scheme, userinfo, hosts, path or "", query)


def parse_host(text: str) -> Host:
    """Return ``host``, ``host:port`` or ``[IPv6]:port`` in parts; raises AddressError."""
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > _HIGHEST_PORT:
        raise AddressError("must name each host as host, host:port or [IPv6 address]:port")
    if match["ipv6"]:
        try:
            IPv6Address(match["ipv6"])
        except ValueError:
            raise AddressError("holds brackets around what is no IPv6 address") from None
    name = match["name"] or match["ipv6"]
    return Host(name.lower(), None if match["port"] is None else int(match["port"]))


def location(text: str) -> str:
    """Return of a URL only what may be shown: scheme, hosts and ports; of ``unix`` the path."""
    url = parse_url(text)
    return f"{url.scheme}://{url.path if url.scheme == 'unix' else url.hosts}"
