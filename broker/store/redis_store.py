"""The record store on Redis: names keys, seals values, runs the scripts."""

from collections.abc import Sequence
from functools import partial
from typing import NoReturn, TypeAlias, cast

from broker.credentials import Credentials
from broker.errors import StoreUnavailableError
from broker.limits import EARLY_REFUSALS, ONE_WRITING, Limits
from broker.ports import (
    Answer,
    Commitment,
    Failure,
    Grant,
    GrantStatus,
    Question,
    RecordStore,
    ReportStatus,
    Slot,
    Snapshot,
)
from broker.store.breaker import AnsweredError
from broker.store.codec import (
    microseconds,
    milliseconds,
    open_calm,
    open_snapshot,
    reckoned_time,
    seal_record,
    seal_spare,
)
from broker.store.scripts import Scripts
from broker.store.seal import Seal
from broker.store.write_checks import check_each
from broker.store_faults import Reason
from broker.tokens import Record, Spare

_TOGETHER = 100
"""Organizations of one sweep: Redis serves nobody else meanwhile, a few ten-thousandths."""
_SNAPSHOTS = 32
"""Answers to open take a worker's time: these, a thousandth of a second or two."""
_PASSED_OVER = 100
"""Sweeps that do not ask who is calm after one where Redis could not tell."""
_PARTS = ("record", "lease", "backoff", "report")
CALM_PARTS = 3
"""The keys, from the first, of each organization in the script ``calm``."""


class RedisRecordStore:
    """Implements :class:`broker.ports.RecordStore` for one organization and credential version.

    Its keys are ``<prefix>:{<organization>}:<name>:<part>``; the braces are the hash tag that keeps
    them in one slot of a cluster, the name comes from the credentials.
    """

    def __init__(
        self, scripts: Scripts, limits: Limits, seal: Seal, prefix: str, organization: str
    ) -> None:
        self._scripts = scripts
        self._limits = limits
        self._seal = seal
        self._stem = f"{prefix}:{{{organization}}}:{seal.name}:"

    @property
    def keys(self) -> list[str]:
        """Return the names of its keys; kept, they would be half a kilobyte."""
        return [self._stem + part for part in _PARTS]

    @property
    def outage(self) -> Reason | None:
        """Return why its server is out of reach, as far as is known by now."""
        return self._scripts.outage(self._stem)

    def read(self, known: int) -> Snapshot:
        """Return the present snapshot."""
        return self.snapshot(self._scripts.run("read", self.keys, known), known)

    def snapshot(self, reply: list[bytes], known: int) -> Snapshot:
        """Return what the script ``read`` answered."""
        return open_snapshot(self._seal, reply, known)

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        """Take the lease and burn the wished refresh token."""
        arguments = attempt, expected, wish, milliseconds(self._limits.lease)
        status, slot, fence, *snapshot = self._scripts.run("acquire", self.keys, *arguments)
        found = open_snapshot(self._seal, snapshot, 0)
        told = status.decode(), slot.decode(), fence.decode()
        return Grant(GrantStatus(told[0]), Slot(told[1]), found, attempt, told[2])

    def commit(
        self, attempt: str, expected: int, record: Record, failure: Failure | None
    ) -> Commitment:
        """Store ``record`` unless the generation has moved."""
        return self._commitment(
            "commit",
            attempt,
            expected,
            record.provisional,
            seal_record(self._seal, record),
            microseconds(record.ends_at),
            milliseconds(failure.delay) if failure else 0,
            failure.kind if failure else "",
            reckoned_time(record),
        )

    def commit_spare(self, grant: Grant, spare: Spare, failure: Failure) -> Commitment:
        """Keep a refresh token without an access token."""
        return self._commitment(
            "commit_spare",
            grant.attempt,
            grant.snapshot.generation,
            seal_spare(self._seal, spare),
            microseconds(spare.expires_at),
            milliseconds(failure.delay),
            failure.kind,
            grant.fence,
        )

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        """Leave a backoff and end the lease."""
        self._scripts.run(
            "fail",
            self.keys,
            attempt,
            expected,
            milliseconds(failure.delay),
            failure.kind,
            int(failure.latched),
            int(clear_mark),
            failure.writing,
        )

    def lift(self, writing: str) -> None:
        """End a latch soon: the credentials were written anew."""
        limits = self._limits
        durations = (limits.latch, min(limits.latch, ONE_WRITING), limits.backoff_min)
        self._scripts.run("lift", self.keys, writing, EARLY_REFUSALS, *map(milliseconds, durations))

    def report(self, generation: int) -> ReportStatus:
        """Note that Canvas refused ``generation``."""
        limits = self._limits
        durations = microseconds(limits.report_min_age), milliseconds(limits.report_interval)
        reply = self._scripts.run("report", self.keys, generation, *durations)
        return ReportStatus(reply.decode())

    def republish(self, record: Record) -> None:
        """Put ``record`` back where Redis lost it."""
        sealed, ends = seal_record(self._seal, record), microseconds(record.ends_at)
        lease, written = milliseconds(self._limits.lease), reckoned_time(record)
        arguments = record.generation, sealed, ends, lease, written
        self._scripts.run("republish", self.keys, *arguments)

    def note_clock_step(self) -> None:
        """Note that Redis's clock was set."""
        self._scripts.run("clock_step", self.keys, milliseconds(self._limits.lease))

    def check_write(self) -> None:
        """Write what nobody reads; raises :class:`StoreUnavailableError` as any write would."""
        self._scripts.run("write", [self.write_key])

    @property
    def write_key(self) -> str:
        """Return the name of the key that is written as a try."""
        return self._stem + "write"

    def _commitment(self, script: str, *arguments: str | int | bytes) -> Commitment:
        superseded, generation = self._scripts.run(script, self.keys, *arguments)
        return Commitment(int(generation), superseded=bool(superseded))


_Asked: TypeAlias = Sequence[tuple[RedisRecordStore, int]]


class RedisRecordStores:
    """Implements :class:`broker.ports.RecordStores`; ``scope`` as in :class:`Seal`."""

    def __init__(self, scripts: Scripts, limits: Limits, prefix: str, scope: str) -> None:
        self._scripts = scripts
        self._limits = limits
        self._prefix = prefix
        self._scope = scope
        self._to_pass_over = 0

    def open(self, organization: str, credentials: Credentials) -> RedisRecordStore:
        """Return the record store of an organization under one version of its credentials."""
        seal, prefix = Seal(organization, credentials, self._scope), self._prefix
        return RedisRecordStore(self._scripts, self._limits, seal, prefix, organization)

    @property
    def together(self) -> int:
        """How many may be read together; 0 where each needs a round trip of its own."""
        return _TOGETHER if self._scripts.together else 0

    def read_each(self, asked: Sequence[Question]) -> list[Answer]:
        """Read several; who is not answered by itself is asked again, alone.

        Nearly always nothing has changed, and one script tells of whom. Only the others are read,
        some at a time; a failure fails the answers that were to come.
        """
        stores = [(cast("RedisRecordStore", store), known) for store, known in asked]
        now, server, calm = self._who_is_calm(stores)
        rest = [one for one, is_calm in zip(stores, calm, strict=True) if not is_calm]
        answers: list[Answer] = []
        try:
            for at in range(0, len(rest), _SNAPSHOTS):
                answers += self._read(rest[at : at + _SNAPSHOTS])
        except StoreUnavailableError as error:
            if len(rest) == len(stores) and not answers:
                raise
            answers += [partial(_fail, error)] * (len(rest) - len(answers))
        told = iter(answers)
        return [
            partial(Snapshot, now, known, unchanged=True, server=server) if is_calm else next(told)
            for (_, known), is_calm in zip(stores, calm, strict=True)
        ]

    def check_writes(self, stores: Sequence[RecordStore]) -> list[Reason | None]:
        """Return for each why Redis does not take its writes, by one write on each server."""
        own, node_of = cast("Sequence[RedisRecordStore]", stores), self._scripts.node_of
        return check_each([(node_of(one.write_key), one.check_write) for one in own])

    def _read(self, stores: _Asked) -> list[Answer]:
        replies = self._scripts.run_each("read", [(store.keys, [known]) for store, known in stores])
        return [
            partial(store.read, known) if reply is None else partial(store.snapshot, reply, known)
            for (store, known), reply in zip(stores, replies, strict=True)
        ]

    def _who_is_calm(self, stores: _Asked) -> tuple[float, str, list[bool]]:
        """Return Redis's time and name, and of each whether a snapshot would bring nothing new."""
        nobody = 0.0, "", [False] * len(stores)
        if self._to_pass_over or not any(known for _, known in stores):
            self._to_pass_over = max(0, self._to_pass_over - 1)
            return nobody
        keys = [key for store, _ in stores for key in store.keys[:CALM_PARTS]]
        try:
            reply: bytes = self._scripts.run("calm", keys, *(known for _, known in stores))
        except AnsweredError:  # a proxy in front of several servers takes no keys of several slots
            reply = b"0  "
        found = open_calm(reply)
        self._to_pass_over = 0 if found else _PASSED_OVER
        return found or nobody


def _fail(error: StoreUnavailableError) -> NoReturn:
    raise error
