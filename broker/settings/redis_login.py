"""Logins at Redis that do not stand in its URL, and the TLS files that do.

Deployments keep a password in a Secret alone, and may rotate it there.
"""

from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qsl, quote, urlencode

from broker.errors import SettingsError
from broker.files.redis_tls import watch_redis_tls
from broker.files.tls import TlsContext
from broker.files.watch import Watched
from broker.secret import Secret
from broker.settings.draft import Draft
from broker.settings.secret_files import SecretFiles, secret_files
from broker.settings.urls import parse_url
from broker.settings.values import Settings

_LOGIN = ("redis_username", "redis_password")
_SENTINEL_LOGIN = ("redis_sentinel_username", "redis_sentinel_password")
_LOGIN_OPTIONS = frozenset(field.removeprefix("redis_") for field in (*_LOGIN, *_SENTINEL_LOGIN))
_SECRETS = ("redis_url", "redis_password", "redis_sentinel_password")


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


def watch_redis_address(settings: Settings) -> Watched[Secret] | None:
    """Return what :func:`redis_address` returns, by the files of its secrets; None without any.

    A new version may bring another login. Another server is a problem: that needs a restart.
    """
    files = secret_files(settings, _SECRETS)
    if not files:
        return None
    started = Secret(redis_address(settings))
    return Watched(SecretFiles(settings, files, partial(_with_login, settings)), started)


def _with_login(started: Settings, fresh: Settings) -> Secret:
    fields = ("redis_url", *_LOGIN, *_SENTINEL_LOGIN)
    problems = list(redis_login(Draft({field: getattr(fresh, field) for field in fields})))
    address = Secret(redis_address(fresh))
    if _without_login(address) != _without_login(started.redis_url):
        problems.append(
            "BROKER_REDIS_URL_FILE holds more that is new than a login, which needs a restart"
        )
    if problems:
        raise SettingsError(problems)
    return address


def _without_login(address: Secret) -> tuple[object, ...]:
    url = parse_url(address.reveal())
    options = set((url.query or "").split("&"))
    logins = {one for one in options if one.partition("=")[0] in _LOGIN_OPTIONS}
    return url.scheme, url.hosts, url.path, options - logins - {""}


def _name(field: str) -> str:
    return f"BROKER_{field.upper()}"
