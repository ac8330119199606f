"""Logins at Redis that do not stand in its URL, and the TLS files that do.

Deployments keep a password in a Secret alone.
"""

from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlencode

from broker.files.redis_tls import watch_redis_tls
from broker.files.tls import TlsContext
from broker.files.watch import Watched
from broker.settings.draft import Draft
from broker.settings.urls import parse_url
from broker.settings.values import Settings

_LOGIN = ("redis_username", "redis_password")
_SENTINEL_LOGIN = ("redis_sentinel_username", "redis_sentinel_password")


def redis_login(draft: Draft) -> Iterator[str]:
    """Yield what does not go together with the URL of Redis."""
    if not draft.knows("redis_url"):
        return
    url = parse_url(draft["redis_url"].reveal())
    named = {pair.partition("=")[0] for pair in (url.query or "").split("&")}
    has_login = url.has_userinfo or not named.isdisjoint({"username", "password"})
    for field in filter(draft.is_set, _LOGIN):
        if has_login:
            yield f"{_name(field)} is set and BROKER_REDIS_URL has a login, too; set one of them"
    for field in filter(draft.is_set, _SENTINEL_LOGIN):
        if not url.scheme.endswith("+sentinel"):
            yield f"{_name(field)} needs a BROKER_REDIS_URL with +sentinel"
        elif not named.isdisjoint({"sentinel_username", "sentinel_password"}):
            yield (
                f"{_name(field)} is set and BROKER_REDIS_URL has a login at the sentinels, too; "
                "set one of them"
            )


def redis_files(draft: Draft) -> Iterator[str]:
    """Yield what is wrong with the files that the URL of Redis names."""
    if draft.knows("redis_url"):
        watched = redis_tls(draft["redis_url"].reveal())
        yield from watched.problems if watched else ()


def redis_tls(url: str) -> Watched[TlsContext] | None:
    """Return the watched files that the query of a URL names; None where it is not TLS."""
    parts = parse_url(url)
    if not parts.scheme.startswith("rediss"):
        return None
    return watch_redis_tls(dict(parse_qsl(parts.query or "")))


def redis_address(settings: Settings) -> str:
    """Return the URL of Redis with the logins in it: a secret, for the store alone."""
    url = settings.redis_url.reveal()
    options = {
        "username": settings.redis_username,
        "password": settings.redis_password and settings.redis_password.reveal(),
        "sentinel_username": settings.redis_sentinel_username,
        "sentinel_password": (
            settings.redis_sentinel_password and settings.redis_sentinel_password.reveal()
        ),
    }
    given = {name: value for name, value in options.items() if value}
    if not given:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(given, quote_via=quote)}"


def _name(field: str) -> str:
    return f"BROKER_{field.upper()}"
