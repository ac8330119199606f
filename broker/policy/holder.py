"""What the holder of the lease does: redeem, then commit or fail."""

from collections.abc import Callable
from dataclasses import replace

from broker.errors import (
    FailureClass,
    KeysRejectedError,
    NotSentError,
    StoreUnavailableError,
    UnusableTokenError,
    UpstreamError,
)
from broker.observer import StoreFailed, TokenCommitted
from broker.policy.attempt import MICROSECONDS, Attempt
from broker.policy.values import Copy, Skew, Unlanded
from broker.ports import Failure, GrantStatus, Slot
from broker.tokens import Kind, Record, RefreshToken, Spare, TokenPair, draw_margin

_MARGIN_SPREAD = 0.1


class Holder(Attempt):
    """Carries one lease from the grant to its end.

    Every method may raise :class:`~broker.errors.StoreUnavailableError`: then the lease runs out
    by itself, and a token that Canvas gave is served and committed later.
    """

    __slots__ = ()

    def run(self) -> None:
        """Talk to Canvas and tell Redis how it went."""
        try:
            pair = self._redeem()
        except UpstreamError as error:
            self.note_failure(error)
            self._fail(error)
            return
        if pair is not None:
            self.note_success(pair.flaws)
            self._commit(pair)

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
                self.note_failure(error)
            if self._was_overtaken():
                return None
        return self._call(Kind.AUTHENTICATE, lambda: upstream.authenticate(credentials))

    def _call(self, kind: Kind, call: Callable[[], TokenPair]) -> TokenPair:
        brake, clock, limits = self.organization.brake, self.tools.clock, self.tools.limits
        self.lease.kind, self.lease.called = kind, clock.monotonic()

        def counted() -> TokenPair:
            self.lease.spend_call(clock.monotonic(), limits)
            brake.note_call(clock.monotonic(), limits)
            self.tools.calls.note_call(self.lease.permit)
            try:
                return call()
            except NotSentError:
                brake.note_not_sent(limits)
                raise

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
            self.events.append(StoreFailed(self.organization.name, error.reason))
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
            now = clock.monotonic()
            self.organization.skew = Skew(pair.skew, clock.wall() - now, now)
        pair = self._without_extension(pair)
        setback = self._setback(pair)
        if setback is not None and self._has_better(pair):
            self.pause(setback, self.latest)
            self._keep_refresh_token(pair.refresh, pair.sent, setback)
            return
        copy = Copy(self._record(pair), self.binding.version, pair.sent + pair.lifetime, pair.sent)
        if setback is not None:
            self.pause(setback, copy.record.provisional)
        unlanded = Unlanded(self.binding, self.lease.attempt, self.lease.expected, copy, setback)
        try:
            commitment = unlanded.commit(clock)
        except StoreUnavailableError:
            if self._serve(copy, setback):
                self.organization.unlanded = unlanded
            raise
        if commitment.superseded:
            self._follow_successor()
            return
        record = replace(copy.record, generation=commitment.generation)
        if self._serve(replace(copy, record=record), setback):
            name = self.organization.name
            self.organization.note_refresh(self.binding, paused=setback is not None)
            self.events.append(TokenCommitted(name, record.generation))

    def _serve(self, copy: Copy, setback: Failure | None) -> bool:
        """Take a new token over; one that is not taken is a failure, whatever Redis made of it."""
        taken = self.organization.install(copy)
        if not taken:
            self.pause(self.failure("superseded"), copy.record.provisional)
        elif setback is None:
            self.organization.brake.note_token(self.tools.clock.monotonic(), self.tools.limits)
        return taken

    def _follow_successor(self) -> None:
        """Take over what was committed meanwhile; where that is no newer record, this failed."""
        self.pause(self.failure("superseded"), self.lease.expected)
        asked, binding = self.tools.clock.monotonic(), self.binding
        snapshot = binding.store.read(self.organization.known(binding))
        self.organization.adopt(binding, snapshot, self.tools.round_trip(asked))

    def _fail(self, error: UpstreamError) -> None:
        """Leave a backoff for the fleet; free the mark after a definite failure of a refresh."""
        lease = self.lease
        refused = isinstance(error, KeysRejectedError) and lease.kind is Kind.AUTHENTICATE
        failure = self.failure(error.kind, error.retry_after, latched=refused)
        self.pause(failure, self.latest)
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
        spare = Spare(token.value, lease.redis_time(sent) + token.lifetime, lease.expected)
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
            return self.failure("repeated_token")
        if pair.lifetime < self.tools.limits.short_life:
            return self.failure("short_life")
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

    def _record(self, pair: TokenPair) -> Record:
        """Return the record of ``pair``; its provisional generation is above all served here."""
        sent_at, refresh = self.lease.redis_time(pair.sent), pair.refresh
        served = self.organization.copy
        least = max(self.lease.expected, served.record.generation if served else 0) + 1
        provisional = max(least, int(sent_at * MICROSECONDS))
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
