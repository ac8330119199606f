"""The organizations of a pod, judged: how many are how, and a page of them, worst first."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from broker.pod.judgement import Status, Verdict, judge
from broker.policy.health import OrganizationHealth
from broker.tokens import State

_CONCERN = {status: -number for number, status in enumerate(Status)}


class Wanted(NamedTuple):
    """Which organizations to list: by name, or by a part of it; page by page, from 1."""

    organization: str | None = None
    search: str = ""
    page: int = 1
    limit: int = 100


class Judged(NamedTuple):
    """An organization, and how it is doing."""

    health: OrganizationHealth
    verdict: Verdict


class Listing:
    """All organizations of a pod; ``found`` are wanted, and ``listed`` are those of the page."""

    def __init__(self, organizations: Iterable[OrganizationHealth], wanted: Wanted) -> None:
        self._wanted = wanted
        self._all = [Judged(one, judge(one)) for one in organizations]
        found = sorted((one for one in self._all if self._is_wanted(one)), key=_order)
        first = (wanted.page - 1) * wanted.limit
        self.found = len(found)
        self.listed = found[first : first + wanted.limit]

    def status(self) -> Status:
        """Return `fail` only when none that is asked for can be served, or none at all."""
        asked_for = [one for one in self._all if one.health.in_use] or self._all
        if all(one.verdict.status is Status.FAIL for one in asked_for):
            return Status.FAIL
        well = all(one.verdict.status is Status.PASS for one in self._all)
        return Status.PASS if well else Status.WARN

    def counts(self) -> dict[str, object]:
        """Return how many organizations there are, by status and by state, and which page it is."""
        statuses = Counter(one.verdict.status for one in self._all)
        states = Counter(one.health.state for one in self._all)
        return {
            "total": len(self._all),
            "in_use": sum(one.health.in_use for one in self._all),
            "status": {str(status): statuses[status] for status in Status},
            "state": {str(state): states[state] for state in State},
            "found": self.found,
            "page": self._wanted.page,
            "pages": max(1, -(-self.found // self._wanted.limit)),
            "limit": self._wanted.limit,
        }

    def _is_wanted(self, one: Judged) -> bool:
        name = one.health.organization
        return self._wanted.organization in {None, name} and self._wanted.search in name


def _order(one: Judged) -> tuple[int, bool, bool, str]:
    """Order by concern, then those in use, then by name."""
    health = one.health
    return (
        _CONCERN[one.verdict.status],
        not health.latched,
        not health.in_use,
        health.organization,
    )
