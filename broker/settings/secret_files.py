"""What the settings behind ``NAME_FILE`` say, as something to watch: they may be rotated."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from broker.errors import SettingsError
from broker.files.reading import signature
from broker.files.watch import ATTEMPTS, Reading, Watched, read_settled
from broker.redis_address import RedisAddress, parse_redis_address
from broker.secret import Secret
from broker.settings.reading import is_set, read_secret, variable
from broker.settings.table import Settings

T = TypeVar("T")
_LOGIN = ("redis_username", "redis_password")
_SENTINEL_LOGIN = ("redis_sentinel_username", "redis_sentinel_password")
_SECRETS = ("redis_url", "redis_password", "redis_sentinel_password")


@dataclass(frozen=True, slots=True)
class FilesSource(Generic[T]):
    """Files by the names that problems call them, and what makes a value of them.

    ``make`` raises :class:`~broker.errors.SettingsError` for files that are of no use.
    """

    files: Mapping[str, Path]
    make: Callable[[], T]

    def signature(self) -> object:
        """Return what changes when any of the files does."""
        return tuple(signature(path) for path in self.files.values())

    def read(self, current: T) -> Reading[T]:
        """Return what the files ask for; ``current`` if anything is wrong with them."""
        name = next(iter(self.files))
        return read_settled(self.signature, partial(self._read_once, current)) or Reading(
            current, (f"{name} changed each of the {ATTEMPTS} times it was read",)
        )

    def _read_once(self, current: T) -> Reading[T]:
        try:
            return Reading(self.make())
        except SettingsError as error:
            return Reading(current, error.problems)


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
    fresh = partial(_fresh, settings, [one for one in fields if files_of(settings, [one])])
    return Watched(FilesSource(files, lambda: make(fresh())), initial) if files else None


def _fresh(settings: Settings, fields: Collection[str]) -> Settings:
    new: dict[str, Any] = {
        field: read_secret(field, settings.secret_files[variable(field)]) for field in fields
    }
    return replace(settings, **new)


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
