"""What the settings behind ``NAME_FILE`` say, as something to watch: they may be rotated."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from broker.errors import SettingsError
from broker.files.watch import FilesSource, Watched
from broker.redis_address import RedisAddress, parse_redis_address
from broker.secret import Secret
from broker.settings.reading import is_set, read_secret, variable
from broker.settings.table import Settings

T = TypeVar("T")
_LOGIN = ("redis_username", "redis_password")
_SENTINEL_LOGIN = ("redis_sentinel_username", "redis_sentinel_password")
_SECRETS = ("redis_url", "redis_password", "redis_sentinel_password")


def files_of(settings: Settings, fields: Collection[str]) -> dict[str, Path]:
    """Return the files that these fields of the settings were read from, by their variables."""
    files = settings.secret_files
    return {f"{name}_FILE": files[name] for name in map(variable, fields) if name in files}


def watch_secrets(
    settings: Settings, fields: Collection[str], make: Callable[[Settings], T], initial: T
) -> Watched[T] | None:
    """Watch what ``make`` returns of the settings as the files of these fields are; None without.

    ``make`` raises :class:`~broker.errors.SettingsError` for what does not go together.
    """
    files = files_of(settings, fields)

    def fresh(_: T) -> T:
        read: dict[str, Any] = {
            field: read_secret(field, path)
            for field in fields
            if (path := settings.secret_files.get(variable(field)))
        }
        return make(replace(settings, **read))

    return Watched(FilesSource(files, fresh), initial) if files else None


def redis_address(settings: Settings) -> str:
    """Return the URL of Redis with the logins in it: a secret, for the store alone."""
    url = settings.redis_url.reveal()
    options = {
        field.removeprefix("redis_"): value.reveal() if isinstance(value, Secret) else value
        for field in (*_LOGIN, *_SENTINEL_LOGIN)
        if (value := getattr(settings, field))
    }
    return (
        f"{url}{'&' if '?' in url else '?'}{urlencode(options, quote_via=quote)}"
        if options
        else url
    )


def redis_login(settings: Settings) -> Iterator[str]:
    """Yield what does not go together with the URL of Redis."""
    address = parse_redis_address(settings.redis_url.reveal())
    for field in _LOGIN:
        if is_set(settings, field) and address.login:
            yield (
                f"{variable(field)} is set and BROKER_REDIS_URL has a login, too; set one of them"
            )
    for field in _SENTINEL_LOGIN:
        if not is_set(settings, field):
            continue
        if address.kind != "sentinel":
            yield f"{variable(field)} needs a BROKER_REDIS_URL with +sentinel"
        elif address.sentinel_login:
            yield (
                f"{variable(field)} is set and BROKER_REDIS_URL has a login at the sentinels, too; "
                "set one of them"
            )


def watch_redis_address(settings: Settings) -> Watched[Secret] | None:
    """Return what :func:`redis_address` returns, by the files of its secrets; None without any.

    A new version may bring another login. Another server is a problem: that needs a restart.
    """
    started = Secret(redis_address(settings))
    return watch_secrets(settings, _SECRETS, partial(_with_login, settings), started)


def _with_login(started: Settings, fresh: Settings) -> Secret:
    problems = list(redis_login(fresh))
    if _server(fresh) != _server(started):
        problems.append(
            "BROKER_REDIS_URL_FILE holds more that is new than a login, which needs a restart"
        )
    if problems:
        raise SettingsError(problems)
    return Secret(redis_address(fresh))


def _server(settings: Settings) -> RedisAddress:
    address = parse_redis_address(settings.redis_url.reveal())
    return replace(address, login=None, sentinel_login=None)
