"""Runs the Lua scripts on Redis: one round trip each, one retry, every failure one error."""

import hashlib
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import resources
from typing import Any, Protocol, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.store.breaker import AnsweredError, Breaker
from broker.store.deadline import within

_T = TypeVar("_T")
NAMES = ("read", "calm", "acquire", "commit", "commit_spare", "fail", "report", "republish")


class RedisClient(Protocol):
    """The part of redis-py that the store uses; standalone and cluster clients both have it."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its SHA-1."""
        ...

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its text, which Redis then keeps."""
        ...


class Together(Protocol):
    """What runs several scripts in one round trip; its errors are redis-py's."""

    def evalsha_each(self, sha: str, numkeys: int, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a script for each of ``calls`` in one round trip; errors stand among the replies."""
        ...


class Scripts:
    """The scripts of ``broker/store/lua`` on one client.

    A script is idempotent for its attempt id, so a lost reply is answered by one retry.
    ``server_name`` names the server where it does not let scripts call INFO (fakeredis).
    ``together`` is the client for several at once, if that can be done. ``seconds`` is what a call
    may take, its retry included.
    """

    def __init__(
        self,
        client: RedisClient,
        breaker: Breaker,
        server_name: str = "",
        together: Together | None = None,
        seconds: float = Limits().redis_worst,
    ) -> None:
        self._seconds = seconds
        self._client = client
        self.together = together
        self._breaker = breaker
        self._server_name = server_name
        prelude = _source("prelude")
        self._texts = {name: f"{prelude}\n{_source(name)}" for name in NAMES}
        self._hashes = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            for name, text in self._texts.items()
        }

    def run(self, name: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        """Return the script's reply; raises :class:`StoreUnavailableError`."""
        values = (*keys, self._server_name, *arguments)
        return self._breaker.call(lambda: self._try(lambda: self._once(name, len(keys), values)))

    def run_each(
        self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[str | int | bytes]]]
    ) -> list[Any]:
        """Return the reply to each of ``calls``, keys and arguments, from one round trip.

        None stands for one that is to be run alone: it failed there by itself, or one round trip
        cannot carry several. Raises :class:`StoreUnavailableError`.
        """
        together = self.together
        if together is None:
            return [None] * len(calls)
        sha, numkeys = self._hashes[name], len(calls[0][0])
        values = [(*keys, self._server_name, *arguments) for keys, arguments in calls]

        def ask() -> list[Any]:
            replies = together.evalsha_each(sha, numkeys, values)
            if not any(isinstance(reply, NoScriptError) for reply in replies):
                return replies
            with suppress(ResponseError):  # Redis keeps the script, whatever became of it
                self._once(name, numkeys, values[0])
            return together.evalsha_each(sha, numkeys, values)

        replies = self._breaker.call(lambda: self._try(ask))
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    def _try(self, operation: Callable[[], _T]) -> _T:
        # A new object per call: tenacity keeps the state of a call in it.
        retrying = Retrying(
            retry=retry_if_exception_type((RedisConnectionError, RedisTimeoutError)),
            stop=stop_after_attempt(2),
            reraise=True,
        )
        problem, kind = "", StoreUnavailableError
        try:
            with within(self._seconds):
                return retrying(operation)
        except Exception as error:  # noqa: BLE001  # a traceback of redis-py holds the password
            problem = _class_of(error)
            if isinstance(error, ResponseError):
                kind = AnsweredError
        raise kind(f"Redis failed: {problem}")

    def _once(self, name: str, numkeys: int, values: Sequence[str | int | bytes]) -> Any:
        try:
            return self._client.evalsha(self._hashes[name], numkeys, *values)
        except NoScriptError:
            return self._client.eval(self._texts[name], numkeys, *values)


def _class_of(error: BaseException) -> str:
    """Return the class, of TLS the one beneath: the message may hold an address or a value."""
    beneath: BaseException | None = error
    while beneath and not isinstance(beneath, ssl.SSLError):
        beneath = beneath.__cause__ or beneath.__context__
    return type(beneath or error).__name__


def _source(name: str) -> str:
    return resources.files("broker.store").joinpath("lua", f"{name}.lua").read_text("utf-8")
