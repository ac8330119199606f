"""The record stores of all organizations on Redis: opens each, and reads many together."""

from collections.abc import Sequence
from functools import partial
from typing import NoReturn, TypeAlias, cast

from broker.credentials import Credentials
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.ports import Answer, Question, RecordStore, Snapshot
from broker.store.breaker import AnsweredError
from broker.store.codec import open_calm
from broker.store.redis_store import CALM_PARTS, RedisRecordStore
from broker.store.scripts import Scripts
from broker.store.seal import Seal
from broker.store.write_checks import check_each
from broker.store_faults import Reason

_TOGETHER = 100
"""Organizations of one sweep: Redis serves nobody else meanwhile, a few ten-thousandths."""
_SNAPSHOTS = 32
"""Answers to open take a worker's time: these, a thousandth of a second or two."""
_PASSED_OVER = 100
"""Sweeps that do not ask who is calm after one where Redis could not tell."""
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
        replies = self._scripts.run_each("read", [store.question(known) for store, known in stores])
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
