"""The parts of a URL of Redis, of which redis-py reads only those with one host."""

from typing import Any
from urllib.parse import SplitResult

from redis.connection import parse_url

Options = dict[str, Any]


def split(url: str) -> SplitResult:
    """Split by hand what the settings let through: urllib knows no URL with several hosts."""
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    hosts, slash, path = rest.partition("/")
    return SplitResult(scheme, hosts, slash + path, query, "")


def read(url: str) -> Options:
    """Return redis-py's options for a URL with one host."""
    options: Options = parse_url(url)  # type: ignore[no-untyped-call] # redis-py leaves it so
    return options


def read_shared(parts: SplitResult) -> Options:
    """Return the options that a URL has for each of its hosts."""
    login, at, _ = parts.netloc.rpartition("@")
    scheme = parts.scheme.partition("+")[0]
    options = read(f"{scheme}://{login}{at}host?{parts.query}")
    options.pop("host", None)
    return options
