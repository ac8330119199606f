"""The calls of the whole fleet, counted in memory: what ``lua/calls.lua`` does, step by step."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted
from broker.limits import Limits

_START, _LEAST, _ODD, _MANY = 50_000.0, 1_000.0, 10, 1e9
_SLOWEST, _FASTEST, _QUIET_S, _DEEPEST = 0.025, 0.7, 40, 0.4
_AHEAD, _WANTED, _CUT, _DEBT = 300_000, 1_000_000, 500_000, 5_000_000
_TURN, _LEAST_TURN, _KEPT = 5_000, 50_000, 600_000_000
_SECOND = 1_000_000
_HEAD = re.compile(r"(\d+) (\d+) (\d+) (\d+) (\d+) (\d+);(.*)", re.DOTALL | re.ASCII)
_ONE = re.compile(r"([^ ;]+) (\d+) (\d+) (\d+) (\d+);", re.ASCII)


@dataclass(slots=True)
class _Worker:
    name: str
    number: float
    held: float
    wanted: float
    at: float


@dataclass(slots=True)
class _Rate:
    """Calls in 1,000 s, how they came to be so many, and when the next may begin."""

    rate: float
    cut: float
    grown: float
    next: float = 0.0
    calls: float = 0.0
    lost: float = 0.0

    @property
    def interval(self) -> float:
        return 1_000_000_000 / self.rate

    def grow(self, now: int, most: float) -> None:
        speed = max(_SLOWEST, min((now - self.cut) / _SECOND / _QUIET_S, _FASTEST))
        grown_by = math.exp(min(speed * (now - self.grown) / _SECOND, 20))
        self.rate, self.grown = min(self.rate * grown_by, most), now

    def heed(self, wanted: CallsWanted, now: int) -> None:
        self.calls, self.lost = self.calls + wanted.made, self.lost + wanted.refused
        self.next = max(self.next, now) + wanted.extra * self.interval
        if wanted.refused > 0 and now - self.cut >= _CUT:
            accepted = (self.calls - self.lost) * 1_000_000_000 / (now - self.cut)
            kept = self.rate * max(_DEEPEST, 1 - self.lost / max(self.calls, _ODD))
            self.rate = max(kept, min(accepted, self.rate))
            self.cut, self.calls, self.lost = now, 0.0, 0.0


class UnlimitedCalls:
    """Implements :class:`broker.fleet_calls.FleetCalls` where nothing is limited."""

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Grant all."""
        return CallsGranted(wanted.wants, part=1_000_000)


class MemoryFleetCalls:
    """Implements :class:`broker.fleet_calls.FleetCalls`; ``now`` is the server's Unix time."""

    def __init__(self, now: Callable[[], float], allowed: CallLimits, limits: Limits) -> None:
        self.state = ""
        self._now = now
        self._most = allowed.in_flight
        self._most_rate = allowed.per_second * 1000.0
        self._life = limits.lease * _SECOND

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Share out."""
        now = round(self._now() * _SECOND)
        rate, rest = self._read(now)
        others, before = self._workers(rest, wanted.worker, now)
        late = before is not None and before.number > wanted.number
        again = before is not None and before.number == wanted.number
        rate.grow(now, self._most_rate)
        if not (late or again):
            rate.heed(wanted, now)
        rate.rate = min(max(math.floor(rate.rate), _LEAST), self._most_rate)

        asking = 1 + sum(one.wanted > 0 for one in others)
        free, fair = self._free(wanted, others)
        granted, first = 0, max(rate.next, now)
        if before is not None and again:
            granted, first = max(0, int(before.held) - wanted.holds), now
        elif not late:
            slots = max(0, math.floor((now + _AHEAD - first) / rate.interval) + 1)
            part = max(1, math.ceil(_AHEAD / rate.interval / asking))
            granted = max(0, min(wanted.wants, free, slots, part))
            rate.next = first + granted * rate.interval

        if before is not None and (late or again):
            others.append(before)
        elif wanted.holds + wanted.wants > 0:
            held, left = wanted.holds + granted, wanted.wants - granted
            others.append(_Worker(wanted.worker, wanted.number, held, left, now))
        self._write(rate, others)
        wait = 0.0 if granted > 0 else max(0.0, min(rate.next - _AHEAD - now, _DEBT))
        wait = max(wait, asking * _TURN, _LEAST_TURN)
        first_s, interval_s, wait_s = (
            math.floor(one) / _SECOND for one in (first - now, rate.interval, wait)
        )
        return CallsGranted(granted, first_s, interval_s, wait_s, max(1, fair))

    def _free(self, wanted: CallsWanted, others: list[_Worker]) -> tuple[int, int]:
        """Return what is left for who asks, and the part of each that wants any."""
        most = self._most - max(0, wanted.spare)
        fair = most // (1 + sum(one.held + one.wanted > 0 for one in others))
        kept = 0 if wanted.spare < 0 else fair
        taken = sum(max(one.held, min(one.held + one.wanted, kept)) for one in others)
        return most - int(taken) - wanted.holds, fair

    def _read(self, now: int) -> tuple[_Rate, str]:
        found = _HEAD.fullmatch(self.state)
        if found is None or now - float(found[3]) >= _KEPT:
            return _Rate(_START, now - _QUIET_S * _SECOND, now), ""
        rate, cut, grown, tat, calls, lost = map(float, found.groups()[:6])
        rate = max(_LEAST, min(rate, self._most_rate))
        cut, grown, tat = min(cut, now), min(grown, now), min(tat, now + _DEBT)
        return _Rate(rate, cut, grown, tat, min(calls, _MANY), min(lost, _MANY)), found[7]

    def _write(self, rate: _Rate, workers: list[_Worker]) -> None:
        told = "".join(
            f"{one.name} {one.number:.0f} {one.held:.0f} {one.wanted:.0f} {one.at:.0f};"
            for one in workers
        )
        numbers = rate.rate, rate.cut, rate.grown, math.floor(rate.next), rate.calls, rate.lost
        self.state = " ".join(f"{one:.0f}" for one in numbers) + f";{told}"

    def _workers(self, told: str, own: str, now: int) -> tuple[list[_Worker], _Worker | None]:
        """Return the other workers that told something not long ago, and what this one did."""
        others, before = [], None
        for name, *words in _ONE.findall(told):
            number, held, wanted, at = map(float, words)
            at, held, wanted = min(at, now), min(held, self._most), min(wanted, self._most)
            if now - at >= self._life:
                continue
            one = _Worker(name, number, held, 0 if now - at >= _WANTED else wanted, at)
            if name == own:
                before = _Worker(name, number, held, wanted, at)
            else:
                others.append(one)
        return others, before
