"""Runs the Lua scripts on Redis: one round trip each, one retry, every failure one error."""

import hashlib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Protocol, TypeVar, runtime_checkable

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.store.breaker import AnsweredError, Breaker
from broker.store.deadline import within
from broker.store.trouble import reason_of
from broker.store_faults import Reason

_T = TypeVar("_T")
NAMES = (
    "read",
    "calm",
    "acquire",
    "commit",
    "commit_spare",
    "fail",
    "lift",
    "report",
    "republish",
    "write",
    "clock_step",
    "discard",
    "discard_backoff",
    "calls",
)
_UNMENDED = {"calm", "write", "calls"}
"""These have keys of their own; before any other the four keys of the organization are mended."""


class RedisClient(Protocol):
    """The part of redis-py that the store uses; standalone and cluster clients both have it."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its SHA-1."""
        ...

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its text, which Redis then keeps."""
        ...


@runtime_checkable
class Routed(Protocol):
    """A client that may be one of a cluster."""

    def node_of(self, key: str) -> str:
        """Return the name of the node that holds a key; empty where there is but one server."""
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
        self.node_of = client.node_of if isinstance(client, Routed) else _one_node
        self._server_name = server_name
        self._texts = {name: _text(name) for name in NAMES}
        self._hashes = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            for name, text in self._texts.items()
        }

    def outage(self, key: str) -> Reason | None:
        """Return why the server of ``key`` is out of reach, as far as is known by now."""
        return self._breaker.reason(self.node_of(key)) if self._breaker.open else None

    def run(self, name: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        """Return the script's reply, for most behind what was mended (``mend.lua``).

        Raises :class:`StoreUnavailableError`.
        """
        values = (*keys, self._server_name, *arguments)

        def ask() -> Any:
            return self._try(lambda: self._once(name, len(keys), values))

        return self._breaker.call(ask, self.node_of(keys[0]))

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
            try:
                first = self._once(name, numkeys, values[0])
            except ResponseError as error:  # Redis keeps the script, whatever became of it
                first = error
            return [first, *together.evalsha_each(sha, numkeys, values[1:])]

        replies = self._breaker.call(lambda: self._try(ask))
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    def _try(self, operation: Callable[[], _T]) -> _T:
        # A new object per call: tenacity keeps the state of a call in it.
        retrying = Retrying(
            retry=retry_if_exception_type((RedisConnectionError, RedisTimeoutError)),
            stop=stop_after_attempt(2),
            reraise=True,
        )
        try:
            with within(self._seconds):
                return retrying(operation)
        except Exception as error:  # noqa: BLE001  # a traceback of redis-py holds the password
            reason = reason_of(error)
            kind = AnsweredError if isinstance(error, ResponseError) else StoreUnavailableError
        raise kind(f"Redis failed: {reason}", reason)

    def _once(self, name: str, numkeys: int, values: Sequence[str | int | bytes]) -> Any:
        try:
            return self._client.evalsha(self._hashes[name], numkeys, *values)
        except NoScriptError:
            return self._client.eval(self._texts[name], numkeys, *values)


def _one_node(key: str) -> str:
    del key
    return ""


def _text(name: str) -> str:
    prelude, script = _source("prelude"), _source(name)
    if name in _UNMENDED:
        return f"{prelude}\n{script}"
    mend = _source("mend")
    script = f"local function script()\n{script}\nend\nlocal damage = mend()"
    return f"{prelude}\n{mend}\n{script}\nreturn {{damage, script()}}"


def _source(name: str) -> str:
    return resources.files("broker.store").joinpath("lua", f"{name}.lua").read_text("utf-8")
