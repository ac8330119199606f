"""What the holder of the lease does: redeem, then commit or fail."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from broker.errors import (
    FailureClass,
    KeysRejectedError,
    StoreUnavailableError,
    UnusableTokenError,
    UpstreamError,
)
from broker.policy.lease import Lease, Tools, backoff_delay, latch_delay
from broker.policy.organization import Organization
from broker.policy.values import Binding, Copy, Pause, Skew, Unlanded
from broker.ports import Failure, GrantStatus, Slot
from broker.tokens import Flaw, Kind, Record, RefreshToken, Spare, State, TokenPair, draw_margin

_MARGIN_SPREAD = 0.1
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Holder:
    """Carries one lease from the grant to its end.

    Every method may raise :class:`~broker.errors.StoreUnavailableError`: then the lease runs out
    by itself, and a token that Canvas gave is served and committed later. What the observer is to
    be told goes into ``events``: nothing stands between an answer of Canvas and its being served.
    """

    organization: Organization
    binding: Binding
    lease: Lease
    tools: Tools
    events: list[Callable[[], None]] = field(default_factory=list)

    def run(self) -> None:
        """Talk to Canvas and tell Redis how it went."""
        try:
            pair = self._redeem()
        except UpstreamError as error:
            self._note_failure(error)
            self._fail(error)
            return
        if pair is not None:
            self._note_success(pair.flaws)
            self._commit(pair)

    def _note_success(self, flaws: frozenset[Flaw]) -> None:
        now, kind = self.tools.clock.monotonic(), self.lease.kind
        seconds, name = now - self.lease.called, self.organization.name
        self.organization.history.succeeded(now, kind, seconds)
        self.events.append(partial(self.tools.observer.redeemed, name, kind, seconds))
        copy, known = self.organization.copy, self.organization.history.flawed(flaws)
        known = known | copy.record.flaws if copy else known
        flawed = self.tools.observer.flawed
        self.events.extend(partial(flawed, name, one, known=one in known) for one in sorted(flaws))

    def _note_failure(self, error: UpstreamError) -> None:
        now, kind = self.tools.clock.monotonic(), self.lease.kind
        seconds, name = now - self.lease.called, self.organization.name
        self.organization.history.failed(now, kind, seconds, error)
        self.events.append(partial(self.tools.observer.failed, name, kind, error, seconds))

    def _redeem(self) -> TokenPair | None:
        """Return a token pair, or None when somebody else has committed one meanwhile.

        A refused refresh (404, 401) is followed by one ``Authenticate`` in the same lease.
        """
        upstream, credentials = self.tools.upstream, self.binding.credentials
        token = self.lease.refresh_token
        if token is not None:
            try:
                return self._call(Kind.REFRESH, lambda: upstream.refresh(credentials, token))
            except UpstreamError as error:
                if error.failure is not FailureClass.REJECTED or not self.lease.calls_left:
                    raise
                self._note_failure(error)
            if self._was_overtaken():
                return None
        return self._call(Kind.AUTHENTICATE, lambda: upstream.authenticate(credentials))

    def _call(self, kind: Kind, call: Callable[[], TokenPair]) -> TokenPair:
        self.lease.kind, self.lease.called = kind, self.tools.clock.monotonic()

        def counted() -> TokenPair:
            self.lease.spend_call(self.tools.clock.monotonic(), self.tools.limits)
            return call()

        return self.tools.retry(counted, self.lease.calls_left)

    def _was_overtaken(self) -> bool:
        """Ask for the lease again before a second call: Redis may have lost it.

        A newer record tells why the refresh token was unknown; then the lease ends.
        """
        lease, store = self.lease, self.binding.store
        asked = self.tools.clock.monotonic()
        try:
            grant = store.acquire(lease.attempt, lease.expected, Slot.NONE)
        except StoreUnavailableError as error:
            failed = self.tools.observer.store_failed
            self.events.append(partial(failed, self.organization.name, error.reason))
            return False
        trip = self.tools.round_trip(asked)
        moved = grant.snapshot.generation != lease.expected
        if grant.status is GrantStatus.GRANTED and not moved:
            lease.grant = replace(lease.grant, fence=grant.fence)
            return False
        self.organization.adopt(self.binding, grant.snapshot, trip)
        if moved:
            failure = Failure("superseded", self.tools.limits.backoff_min)
            store.fail(lease.attempt, lease.expected, failure, clear_mark=False)
        return True

    def _commit(self, pair: TokenPair) -> None:
        """Commit the pair and serve it, unless somebody else has committed meanwhile."""
        clock = self.tools.clock
        if pair.skew is not None:
            self.organization.skew = Skew(pair.skew, clock.wall() - clock.monotonic())
        pair = self._without_extension(pair)
        setback = self._setback(pair)
        if setback is not None:
            self._pause(setback)
            if self._has_better(pair):
                self._keep_refresh_token(pair.refresh, pair.sent, setback)
                return
        expires = pair.sent + pair.lifetime
        copy = Copy(self._record(pair), self.binding.version, expires, pair.sent)
        unlanded = Unlanded(self.binding, self.lease.attempt, self.lease.expected, copy, setback)
        try:
            commitment = unlanded.commit(clock)
        except StoreUnavailableError:
            if self.organization.install(copy):
                self.organization.unlanded = unlanded
            raise
        if commitment.superseded:
            return
        record = replace(copy.record, generation=commitment.generation)
        if self.organization.install(replace(copy, record=record)):
            now = self.tools.clock.monotonic()
            self.organization.note_refresh(self.binding, now, paused=setback is not None)
        name, generation = self.organization.name, record.generation
        self.events.append(partial(self.tools.observer.committed, name, generation))

    def _fail(self, error: UpstreamError) -> None:
        """Leave a backoff for the fleet; free the mark after a definite failure of a refresh."""
        lease = self.lease
        refused = isinstance(error, KeysRejectedError) and lease.kind is Kind.AUTHENTICATE
        failure = self._failure(error.kind, error.retry_after, latched=refused)
        self._pause(failure)
        if isinstance(error, UnusableTokenError):
            self._keep_refresh_token(error.spare, lease.granted, failure)
            return
        definite = error.failure is FailureClass.DEFINITE and lease.kind is Kind.REFRESH
        self.binding.store.fail(lease.attempt, lease.expected, failure, clear_mark=definite)

    def _keep_refresh_token(
        self, token: RefreshToken | None, sent: float, failure: Failure
    ) -> None:
        lease, store = self.lease, self.binding.store
        if token is None:
            store.fail(lease.attempt, lease.expected, failure, clear_mark=False)
            return
        spare = Spare(token.value, lease.redis_time(sent) + token.lifetime)
        store.commit_spare(lease.grant, spare, failure)

    def _without_extension(self, pair: TokenPair) -> TokenPair:
        """Return ``pair`` as it is, or if its access token is held already, with that one's end.

        Some cache may have answered, with an old ``Date``: the life that it tells is over earlier.
        Its refresh token may have been presented, also by other credentials, and is left out.
        """
        known = self.organization.held(pair.access_token)
        if known is None:
            return pair
        lifetime = min(pair.lifetime, known.expires - pair.sent)
        return replace(pair, lifetime=lifetime, refresh=None)

    def _setback(self, pair: TokenPair) -> Failure | None:
        """Return what is left behind by an answer that makes another one due at once."""
        if self._is_held(pair):
            return self._failure("repeated_token", None, latched=False)
        if pair.lifetime < self.tools.limits.short_life:
            return self._failure("short_life", None, latched=False)
        return None

    def _is_held(self, pair: TokenPair) -> bool:
        """Tell whether its access token is, or was, one of these credentials that is known here."""
        known = self.organization.held(pair.access_token)
        return known is not None and known.version == self.binding.version

    def _has_better(self, pair: TokenPair) -> bool:
        """Tell whether the token of ``pair`` is not worth serving, beside what is served."""
        copy = self.organization.copy
        if copy is None or self._is_held(pair):
            return copy is not None
        if copy.record.generation == self.organization.refused_generation:
            return False
        return copy.expires >= pair.sent + pair.lifetime

    def _failure(self, kind: str, retry_after: float | None, *, latched: bool) -> Failure:
        limits, chance = self.tools.limits, self.tools.runtime.random()
        backoff = self.lease.grant.snapshot.backoff
        if latched:
            delay = latch_delay(self._refusals(), chance, limits)
            return Failure(kind, delay, latched=True, writing=self.binding.credentials.writing)
        empty = self.organization.state(self.tools.clock.monotonic()) is State.EMPTY
        delay = backoff_delay(
            backoff.failures if backoff else 0,
            chance,
            retry_after,
            limits.backoff_empty if empty else limits.backoff_valid,
        )
        return Failure(kind, max(delay, limits.backoff_min))

    def _pause(self, failure: Failure) -> None:
        """Heed the backoff here at once, whether or not Redis takes it."""
        backoff = self.lease.grant.snapshot.backoff
        failures = (backoff.failures if backoff else 0) + 1
        until = self.tools.clock.monotonic() + failure.delay
        refusals = self._refusals() + failure.latched
        pause = Pause(until, failures, failure.kind, failure.latched, refusals, self.lease.expected)
        self.organization.note_failure(self.binding, pause)

    def _refusals(self) -> int:
        """Return how often Canvas refused the keys in a row: Redis may have lost some of it."""
        backoff, pause = self.lease.grant.snapshot.backoff, self.organization.pause
        return max(each.refusals if each else 0 for each in (backoff, pause))

    def _record(self, pair: TokenPair) -> Record:
        """Return the record of ``pair``; its provisional generation is above all served here."""
        sent_at, refresh = self.lease.redis_time(pair.sent), pair.refresh
        served = self.organization.copy
        least = max(self.lease.expected, served.record.generation if served else 0) + 1
        provisional = max(least, int(sent_at * _MICROSECONDS))
        spread = 1 + _MARGIN_SPREAD * (2 * self.tools.runtime.random() - 1)
        return Record(
            generation=provisional,
            provisional=provisional,
            access_token=pair.access_token,
            lifetime=pair.lifetime,
            expires_at=sent_at + pair.lifetime,
            margin=draw_margin(pair.lifetime, spread, self.tools.limits),
            refresh_token=refresh.value if refresh else None,
            refresh_expires_at=sent_at + refresh.lifetime if refresh else None,
            flaws=pair.flaws,
        )
