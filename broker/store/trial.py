"""The record store of an organization that cannot exist, to try the scripts on."""

import secrets
import uuid
from dataclasses import replace

from broker.clock import Clock
from broker.credentials import Credentials
from broker.limits import Limits
from broker.ports import Failure, Slot
from broker.secret import Secret
from broker.store.breaker import Breaker
from broker.store.codec import microseconds
from broker.store.redis_store import CALM_PARTS, RedisRecordStore
from broker.store.scripts import RedisClient, Scripts
from broker.store.seal import Seal
from broker.tokens import Record, Spare

LIFETIME = 60.0
"""Seconds after which Redis drops a record that could not be removed."""


class Trial(RedisRecordStore):
    """The record store of an organization that cannot exist."""

    def play(self) -> bool:
        """Run each script on the path that does most; tell whether the server has a name."""
        soon = Failure("probe", 0.001)
        self.acquire("a", 0, Slot.NONE)
        generation = self.commit("a", 0, _record(self.read(0).now), None).generation
        self._scripts.run("calm", self.keys[:CALM_PARTS], generation)
        snapshot = self.read(0)
        grant = self.acquire("b", generation, Slot.OWN)
        spare = Spare(Secret(secrets.token_hex()), snapshot.now + LIFETIME)
        self.commit_spare(grant, spare, soon)
        self.report(generation)
        self.check_write()
        self._scripts.run("calls", [self.write_key], "probe", 1, 0, 1, 0, 1, 1, 0, *[1] * 3)
        refused = Failure("probe", LIFETIME, latched=True, refusals=1, at=snapshot.now)
        self.fail("c", generation, refused, clear_mark=True)
        self.lift("probe")
        self.republish(replace(_record(snapshot.now), generation=generation + 1))
        self.note_clock_step()
        self._run("discard", generation, 0)
        self._run("discard_backoff", self._run("read", 0)[3])
        return not snapshot.foreign


def draw_organization() -> str:
    """Return a name that no organization has: theirs have no colon."""
    return f"probe:{uuid.uuid4().hex}"


def open_trial(
    client: RedisClient, prefix: str, limits: Limits, clock: Clock, organization: str | None = None
) -> Trial:
    """Return a trial with keys of its own, that nothing else ever reads.

    No credentials are drawn twice. A report is believed at once, so that its script does all it
    can.
    """
    organization = organization or draw_organization()
    drawn = Credentials(Secret(secrets.token_hex(32)), Secret(str(uuid.uuid4())))
    return Trial(
        Scripts(client, Breaker(clock, 0.0), seconds=limits.redis_worst),
        replace(limits, report_min_age=0.0),
        Seal(organization, drawn, "probe"),
        prefix,
        organization,
    )


def _record(now: float) -> Record:
    return Record(
        generation=microseconds(now),
        provisional=microseconds(now),
        access_token=Secret(secrets.token_hex()),
        lifetime=LIFETIME,
        expires_at=now + LIFETIME,
        margin=LIFETIME / 2,
        refresh_token=Secret(secrets.token_hex()),
        refresh_expires_at=now + LIFETIME,
    )
