"""What the management path, the command line and the tests turn, and what they read."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from broker.emulator.edge import Cache
from broker.emulator.faults import Faults
from broker.emulator.gate import LONGEST, Gate
from broker.emulator.knobs import Change, KnobError, read_knobs
from broker.emulator.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.emulator.canvas import Canvas


class Controls:
    """Knobs, faults, holds and counters around one :class:`~broker.emulator.canvas.Canvas`.

    ``longest_hold`` bounds every hold, in seconds.
    """

    def __init__(self, canvas: "Canvas", *, longest_hold: float = LONGEST) -> None:
        self.canvas = canvas
        self.faults = Faults()
        self.gate = Gate(longest_hold)
        self.stats = Stats()
        self.cache = Cache()
        self._at_start = canvas.behaviour
        self._changes_at_start: list[Change] = []

    def turn(self, knobs: "Mapping[str, object]") -> None:
        """Turn ``knobs``; raises :class:`~broker.emulator.knobs.KnobError` and then turns none."""
        change = read_knobs(knobs)
        self._check_organization(change)
        self._apply(change)

    def turn_at_start(self, knobs: "Mapping[str, object]") -> None:
        """Turn ``knobs`` now and again after every reset."""
        self.turn(knobs)
        self._changes_at_start.append(read_knobs(knobs))

    def shown(self) -> dict[str, object]:
        """Return how all knobs stand, and the faults that wait."""
        return {"knobs": asdict(self.canvas.behaviour), "faults": self.faults.shown()}

    def report(self) -> dict[str, object]:
        """Return the counters, and how many calls are held."""
        return self.stats.report() | {"held": self.gate.held}

    def release(self) -> int:
        """Let held calls go on and hold no further ones; return how many were held."""
        self.faults.drop_holds()
        return self.gate.release()

    def reset(self) -> None:
        """Put knobs, faults and counters back as they were at start. Tokens stay as they are."""
        self.faults.clear()
        self.cache.clear()
        self.gate.release()
        self.canvas.behaviour = self._at_start
        for change in self._changes_at_start:
            self._apply(change)
        self.stats.reset()

    def _apply(self, change: Change) -> None:
        self.canvas.behaviour = replace(self.canvas.behaviour, **change.standing)
        if change.fault is not None:
            self.faults.add(change.fault, change.times)

    def _check_organization(self, change: Change) -> None:
        known = self.canvas.organizations
        if change.fault and change.fault.organization not in {None, *known}:
            raise KnobError("organization must be one of " + ", ".join(known))
