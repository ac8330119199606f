"""Tries what the broker needs of Redis, on keys that are no organization's, and removes them."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from broker.clock import Clock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.store.connect import connect
from broker.store.scripts import RedisClient
from broker.store.trial import open_trial
from broker.store.trouble import Trouble, denied_command, trouble_of

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "time": ("TIME",),
    "info": ("INFO", "server"),
    "hget": ("HGET", "hash", "a"),
    "hmget": ("HMGET", "hash", "a"),
    "hset": ("HSET", "hash", "a", "1"),
    "hsetnx": ("HSETNX", "hash", "a", "1"),
    "hincrby": ("HINCRBY", "hash", "b", "1"),
    "pexpire": ("PEXPIRE", "hash", "60000"),
    "pttl": ("PTTL", "hash"),
    "hdel": ("HDEL", "hash", "a", "b"),
    "set": ("SET", "text", "1", "PX", "60000"),
    "del": ("DEL", "hash", "text"),
}
"""What the scripts call; ``hash`` and ``text`` stand for keys. What one writes, another removes."""
_NOTHING = "return 1"
_CALL = "return redis.call(unpack(ARGV))"
_INFO = "return redis.call('INFO', ARGV[1])"
_REMOVE = "return redis.call('DEL', unpack(KEYS))"
_LINE = re.compile(r"^([a-z_]+):(.*?)\r?$", re.MULTILINE)
_T = TypeVar("_T")


class ProbeError(Exception):
    """Redis fails a need; ``commands`` are those that the user may not run."""

    def __init__(self, trouble: Trouble, commands: tuple[str, ...] = ()) -> None:
        self.trouble = trouble
        self.commands = commands
        super().__init__(str(trouble))


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself; ``maxmemory`` in bytes, 0 for no limit."""

    name: str
    version: str
    maxmemory: int
    policy: str

    @property
    def may_evict(self) -> bool:
        """Whether it may drop a record before its time."""
        return self.maxmemory > 0 and self.policy != "noeviction"


class RedisProbe:
    """Redis at ``url`` as the broker would use it, one need at a time.

    Each method takes a few operations, of ``limits.redis_worst`` seconds each, and raises
    ProbeError, which holds neither the address nor a value.
    """

    def __init__(self, url: str, prefix: str, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._client = _Listening(connect(url, limits))
        self._trial = open_trial(self._client, prefix, limits, clock)

    def reach(self) -> None:
        """Connect and log in. That a command is not allowed is no matter here."""
        trouble = self._try(_NOTHING, self._trial.keys[:1])
        if trouble not in {None, Trouble.DENIED}:
            raise ProbeError(trouble or Trouble.OTHER)

    def run_scripts(self) -> bool:
        """Run every script; tell whether the server can be told from another by its INFO."""
        try:
            named = self._told(self._trial.play)
        finally:
            trouble = self._remove()
        if trouble:  # EVAL, which scripts that Redis knows already do not need
            raise self._diagnosis()
        return named

    def skew(self) -> float:
        """Return the seconds by which the clock of Redis is ahead of this host's."""
        before = self._clock.wall()
        now = self._told(lambda: self._trial.read(0).now)
        return now - (before + self._clock.wall()) / 2

    def server(self) -> Server | None:
        """Return what INFO tells; None where the user may not ask."""
        found: dict[str, str] = {}
        for part in ("server", "memory"):
            try:
                reply = self._client.eval(_INFO, 1, self._trial.keys[0], part)
            except Exception:  # noqa: BLE001  # whatever it is: nothing is told
                return None
            found |= dict(_LINE.findall(reply.decode(errors="replace")))
        valkey = found.get("valkey_version")
        return Server(
            name="Valkey" if valkey else "Redis",
            version=valkey or found.get("redis_version", ""),
            maxmemory=int(found.get("maxmemory", "0")),
            policy=found.get("maxmemory_policy", ""),
        )

    def _told(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except StoreUnavailableError:
            pass
        raise self._diagnosis()

    def _diagnosis(self) -> ProbeError:
        """Say why a script failed: by its error, or by trying each of its commands alone."""
        trouble = self._client.trouble
        if trouble not in {Trouble.DENIED, Trouble.OTHER}:
            return ProbeError(trouble)
        self._remove()
        denied = tuple(self._denied())
        if denied:
            return ProbeError(Trouble.DENIED, denied)
        return ProbeError(Trouble.KEYS if trouble is Trouble.DENIED else Trouble.SCRIPTS)

    def _denied(self) -> Iterator[str]:
        keys = self._trial.keys
        if self._try(_NOTHING, ()):
            yield self._client.command or "eval"
            return
        if self._try_known(_NOTHING):
            yield "evalsha"
        if self._try(_NOTHING, keys):
            return
        named = {"hash": keys[0], "text": keys[-1]}
        for command, words in COMMANDS.items():
            if self._try(_CALL, keys, *(named.get(word, word) for word in words)):
                yield command

    def _try(self, script: str, keys: Sequence[str], *words: str) -> Trouble | None:
        return _trouble_in(lambda: self._client.eval(script, len(keys), *keys, *words))

    def _try_known(self, script: str) -> Trouble | None:
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        return _trouble_in(lambda: self._client.evalsha(digest, 0))

    def _remove(self) -> Trouble | None:
        return self._try(_REMOVE, self._trial.keys)


class _Listening:
    """A client that remembers why its last call failed."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self.trouble = Trouble.OTHER
        self.command = ""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its SHA-1."""
        return self._heard(lambda: self._client.evalsha(sha, numkeys, *keys_and_args))

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its text."""
        return self._heard(lambda: self._client.eval(script, numkeys, *keys_and_args))

    def _heard(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            self.trouble, self.command = trouble_of(error), denied_command(error)
            raise


def _trouble_in(call: Callable[[], object]) -> Trouble | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever it is becomes a word, no more
        return trouble_of(error)
    return None
