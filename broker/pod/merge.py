"""What the workers know, as one: what a caller of this pod gets, and the worst that it may meet.

A caller meets any of the workers. One that Redis answers looks there before it serves a copy older
than a second, so within that second all of them serve the newest token: it is the one that is told.
What went wrong counts as soon as one worker knows of it, unless another got a newer token since.
One that Redis does not answer serves what it has: how late it is counts as well.
"""

from collections.abc import Collection, Iterable, Iterator

from broker.pod.snapshot import FilesReport, Pod, WorkerSnapshot
from broker.policy.health import OrganizationHealth
from broker.tokens import State

_NEVER = float("inf")


def merge(workers: Iterable[WorkerSnapshot], silent: Iterable[int], expected: int) -> Pod:
    """Return the pod of these workers, each organization and each kind of files once."""
    ordered = tuple(sorted(workers, key=lambda one: one.pid))
    return Pod(
        workers=ordered,
        silent=tuple(sorted(silent)),
        expected=expected,
        organizations=tuple(_organizations(ordered)),
        files=tuple(_files(ordered)),
    )


def _organizations(workers: Collection[WorkerSnapshot]) -> Iterator[OrganizationHealth]:
    by_name: dict[str, list[OrganizationHealth]] = {}
    for worker in workers:
        for health in worker.organizations:
            by_name.setdefault(health.organization, []).append(health)
    return (merge_organization(by_name[name]) for name in sorted(by_name))


def merge_organization(views: Collection[OrganizationHealth]) -> OrganizationHealth:
    """Return one organization as the pod has it; ``views`` are the workers', at least one."""
    token = max(views, key=_rank_of_token)
    if all(view is token or _adds_nothing(view, token) for view in views):
        return token
    trouble = max(_up_to_date(views, token), key=_rank_of_trouble)
    met = [one for one in views if _may_be_met(one, token)]
    measured = min(views, key=_age_of_skew)
    return token._replace(
        last_error=trouble.last_error,
        failures=trouble.failures,
        latched=trouble.latched,
        next_attempt_in=trouble.next_attempt_in,
        store_fault=next((one.store_fault for one in views if one.store_fault), None),
        damaged=min((one.damaged for one in views if one.damaged is not None), default=None),
        landed=all(one.landed for one in views),
        skew=measured.skew,
        skew_age=measured.skew_age,
        in_use=any(one.in_use for one in views),
        overdue=max(one.overdue for one in met),
        refusing=any(one.refusing for one in met),
    )


def _adds_nothing(view: OrganizationHealth, token: OrganizationHealth) -> bool:
    """Tell whether nothing is to be told of ``view`` beside ``token``, as of nearly all."""
    return (
        view.next_attempt_in is None
        and view.landed
        and not view.overdue
        and view.store_fault is None
        and view.damaged is None
        and (token.in_use or not view.in_use)
        and (view.skew_age is None or _age_of_skew(token) <= _age_of_skew(view))
    )


def _rank_of_token(view: OrganizationHealth) -> tuple[bool, int, bool]:
    """Rank by what is served: a dead token is not. Of equals, who has gone over to new keys."""
    gone_over = view.record_version != view.credential_version
    return view.state is not State.EMPTY, view.generation or 0, gone_over


def _rank_of_trouble(view: OrganizationHealth) -> tuple[bool, int, float]:
    return view.latched, view.failures, view.next_attempt_in or 0.0


def _up_to_date(
    views: Iterable[OrganizationHealth], token: OrganizationHealth
) -> list[OrganizationHealth]:
    """Return the views whose word on failures stands: no newer token came after them."""
    return [one for one in views if one is token or not _is_outdated(one, token)]


def _is_outdated(view: OrganizationHealth, token: OrganizationHealth) -> bool:
    """Tell whether ``token`` came after the failure that ``view`` tells of.

    Where the failure was another worker's, the generation beside it says how old it is.
    """
    if token.generation is None or view.generation == token.generation:
        return False
    if view.failed is not None:
        return token.last_refresh is not None and token.last_refresh < view.failed
    return view.generation is not None


def _age_of_skew(view: OrganizationHealth) -> float:
    return _NEVER if view.skew_age is None else view.skew_age


def _may_be_met(view: OrganizationHealth, token: OrganizationHealth) -> bool:
    """Tell whether callers meet what this worker has: it will not look, or there is no newer."""
    return view.generation == token.generation or not view.store_answers


def _files(workers: Iterable[WorkerSnapshot]) -> Iterator[FilesReport]:
    """Yield each kind with all problems, and when the last of the workers' versions began.

    A kind is as old as the worker that took over nothing for longest: since then all have theirs.
    """
    by_kind: dict[str, list[FilesReport]] = {}
    for worker in workers:
        for report in worker.files:
            by_kind.setdefault(report.what, []).append(report)
    for what, reports in by_kind.items():
        problems = dict.fromkeys(problem for one in reports for problem in one.problems)
        yield FilesReport(what, tuple(problems), min(one.taken_at for one in reports))
