"""Tries what the broker needs of Redis, on keys that are no organization's, and removes them."""

from collections.abc import Iterator
from functools import partial

from broker.clock import Clock
from broker.limits import Limits
from broker.store.connect import connect
from broker.store.feed import try_feed
from broker.store.node_probe import (
    NOTHING,
    Listening,
    NodeProbe,
    ProbeError,
    Server,
    reason_of_failing,
)
from broker.store.trial import draw_organization, open_trial
from broker.store_faults import StoreFault

_NO_MATTER = frozenset({StoreFault.PERMISSION, StoreFault.RENAMED, StoreFault.KEYS})
"""What does not keep the broker from connecting and logging in."""
_DRAWS = 200_000
"""Names drawn until one lies on each primary: enough for one that holds a slot or two."""


class RedisProbe:
    """Redis at ``url`` as the broker would use it, one need at a time.

    Of a cluster each primary that holds slots is tried. Each method takes a few operations for
    each, of ``limits.redis_worst`` seconds, and raises ProbeError, which holds no value.
    """

    def __init__(self, url: str, prefix: str, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._client = connect(url, limits)
        self._prefix = prefix
        self._open = partial(open_trial, prefix=prefix, limits=limits, clock=clock)
        self._found: list[NodeProbe] = []

    def reach(self) -> None:
        """Connect and log in. That a command is not allowed is no matter here."""
        for node in self._nodes():
            reason = node.attempt(NOTHING, node.trial.keys[:1])
            if reason is not None and reason.fault not in _NO_MATTER:
                raise ProbeError(reason, node.name)

    def run_scripts(self) -> bool:
        """Run every script; tell whether the server can be told from another by its INFO."""
        return min(node.run_scripts() for node in self._nodes())

    def hear(self) -> None:
        """Hear what is published on the channel of changes."""
        reason = reason_of_failing(lambda: try_feed(self._client, self._prefix))
        if reason is not None:
            raise ProbeError(reason)

    def skew(self) -> float:
        """Return the seconds by which the clock of Redis is ahead of this host's, at most."""
        skews = (node.skew(self._clock) for node in self._nodes())
        return max(skews, key=abs)

    def servers(self) -> list[Server | None]:
        """Return what INFO tells; None where the user may not ask."""
        return [node.server() for node in self._nodes()]

    def _nodes(self) -> list[NodeProbe]:
        """Return each primary, with a trial whose keys lie there."""
        if not self._found:
            reason = reason_of_failing(lambda: self._found.extend(self._find()))
            if reason is not None and reason.fault not in _NO_MATTER:
                raise ProbeError(reason)
            if reason is not None:  # the layout is kept from the user: any node will say so
                return [self._node("")]
        return self._found

    def _find(self) -> Iterator[NodeProbe]:
        missing = set(self._client.primaries()) or {""}
        for _ in range(_DRAWS):
            organization = draw_organization()
            name = self._client.node_of(f"{{{organization}}}")
            if name in missing:
                missing.remove(name)
                yield self._node(name, organization)
            if not missing:
                return

    def _node(self, name: str, organization: str | None = None) -> NodeProbe:
        client = Listening(self._client)
        return NodeProbe(name, client, self._open(client, organization=organization))
