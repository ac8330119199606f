"""Tries what the broker needs of one server, on keys that are no organization's; removes them."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from broker.clock import Clock
from broker.errors import StoreUnavailableError
from broker.store.scripts import RedisClient
from broker.store.trial import Trial
from broker.store.trouble import reason_of
from broker.store_faults import NOT_FORESEEN, Reason, StoreFault

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "time": ("TIME",),
    "info": ("INFO", "server"),
    "hget": ("HGET", "hash", "a"),
    "hmget": ("HMGET", "hash", "a"),
    "hstrlen": ("HSTRLEN", "hash", "a"),
    "type": ("TYPE", "hash"),
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
_OF_COMMANDS = frozenset({StoreFault.PERMISSION, StoreFault.RENAMED})
_MAY_BE_ONE_COMMAND = _OF_COMMANDS | {StoreFault.KEYS, StoreFault.UNKNOWN}
"""What a script fails with where Redis may not have named the command."""
NOTHING = "return 1"
_CALL = "return redis.call(unpack(ARGV))"
_INFO = "return redis.call('INFO', ARGV[1])"
_REMOVE = "return redis.call('DEL', unpack(KEYS))"
_LINE = re.compile(r"^([a-z_]+):(.*?)\r?$", re.MULTILINE)
_T = TypeVar("_T")


class ProbeError(Exception):
    """Redis fails a need; ``node`` is the primary of a cluster that does, else empty."""

    def __init__(self, reason: Reason, node: str = "") -> None:
        self.reason = reason
        self.node = node
        super().__init__(str(reason))


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself; ``maxmemory`` in bytes, 0 for no limit.

    ``maxclients`` is how many connections it takes; None where it does not tell.
    """

    name: str
    version: str
    maxmemory: int
    policy: str
    maxclients: int | None = None

    @property
    def may_evict(self) -> bool:
        """Whether it may drop a record before its time."""
        return self.maxmemory > 0 and self.policy != "noeviction"


@dataclass(slots=True)
class NodeProbe:
    """One primary of a cluster, or the one server; the keys of ``trial`` lie there.

    What its methods do and raise: :class:`broker.store.probe.RedisProbe`.
    """

    name: str
    client: "Listening"
    trial: Trial

    def run_scripts(self) -> bool:
        """Run every script; tell whether the server can be told from another."""
        try:
            named = self._told(self.trial.play)
        finally:
            reason = self._remove()
        if reason:  # EVAL, which scripts that Redis knows already do not need
            raise self._diagnosis()
        return named

    def skew(self, clock: Clock) -> float:
        """Return by how much its clock is ahead of this host's, in seconds."""
        before = clock.wall()
        now = self._told(lambda: self.trial.read(0).now)
        return now - (before + clock.wall()) / 2

    def server(self) -> Server | None:
        """Return what INFO tells; None where the user may not ask."""
        found: dict[str, str] = {}
        for part in ("server", "memory", "clients"):
            try:
                reply = self.client.eval(_INFO, 1, self.trial.keys[0], part)
            except Exception:  # noqa: BLE001  # whatever it is: nothing is told
                return None
            found |= dict(_LINE.findall(reply.decode(errors="replace")))
        valkey = found.get("valkey_version")
        return Server(
            name="Valkey" if valkey else "Redis",
            version=valkey or found.get("redis_version", ""),
            maxmemory=int(found.get("maxmemory", "0")),
            policy=found.get("maxmemory_policy", ""),
            maxclients=int(found["maxclients"]) if "maxclients" in found else None,
        )

    def attempt(self, script: str, keys: Sequence[str], *words: str) -> Reason | None:
        """Return why a script fails, None if it does not."""
        return reason_of_failing(lambda: self.client.eval(script, len(keys), *keys, *words))

    def _told(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except StoreUnavailableError:
            pass
        raise self._diagnosis()

    def _diagnosis(self) -> ProbeError:
        """Say why a script failed: by its error, or by trying each of its commands alone."""
        reason = self.client.reason
        if reason.fault in _MAY_BE_ONE_COMMAND:
            self._remove()
            reason = self._one_by_one() or reason
        return ProbeError(reason, self.name)

    def _one_by_one(self) -> Reason | None:
        """Return which commands are missing, or what else came back when they were tried."""
        missing: dict[StoreFault, list[str]] = {}
        for command, reason in self._attempts():
            if reason is None:
                continue
            if reason.fault not in _OF_COMMANDS:
                return reason
            missing.setdefault(reason.fault, []).append(reason.detail or command)
        found = next(iter(missing.items()), None)
        return None if found is None else Reason(found[0], ",".join(found[1]))

    def _attempts(self) -> Iterator[tuple[str, Reason | None]]:
        keys = self.trial.keys
        # A connection may need commands of its own: SELECT, the layout of a cluster.
        refused = self.attempt(NOTHING, ())
        yield "eval", refused
        if refused:
            return
        yield "evalsha", self._try_known(NOTHING)
        refused = self.attempt(NOTHING, keys)
        yield "eval", refused
        if refused:
            return
        named = {"hash": keys[0], "text": keys[-1]}
        for command, words in COMMANDS.items():
            yield command, self.attempt(_CALL, keys, *(named.get(word, word) for word in words))

    def _try_known(self, script: str) -> Reason | None:
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        return reason_of_failing(lambda: self.client.evalsha(digest, 0))

    def _remove(self) -> Reason | None:
        return self.attempt(_REMOVE, [*self.trial.keys, self.trial.write_key])


class Listening:
    """A client that remembers why its last call failed."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self.reason = NOT_FORESEEN

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
            self.reason = reason_of(error)
            raise


def reason_of_failing(call: Callable[[], object]) -> Reason | None:
    """Return why ``call`` fails; None if it does not."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever it is becomes a word, no more
        return reason_of(error)
    return None
