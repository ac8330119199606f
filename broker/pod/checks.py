"""How the pod's surroundings and parts are doing: Redis, Canvas, the files, the workers."""

from collections import Counter
from collections.abc import Iterator

from broker.failure_kinds import OURS
from broker.pod.judgement import Status, Verdict, explained
from broker.pod.snapshot import FilesReport, Pod
from broker.policy.health import OrganizationHealth
from broker.store_faults import Reason, read_reason

_HEADROOM = 1.5
_NAMED = 3
"""Organizations that a sentence names before it only counts them."""


def judge_redis(pod: Pod) -> Verdict:
    """Return whether Redis did what each worker last asked, for each organization."""
    reason = store_reason(pod)
    if reason is None:
        return _judge_distance(pod)
    whom = " and ".join(filter(None, (_cut_off_workers(pod), _cut_off_organizations(pod))))
    scope = f" This concerns {whom}." if whom else ""
    return Verdict(
        Status.WARN,
        f"{reason.sentence}{scope} Tokens come from memory and cannot be refreshed. "
        f"{reason.remedy()}",
    )


def _judge_distance(pod: Pod) -> Verdict:
    """Return whether a new connection to Redis stands as long as an operation waits for it."""
    late = [
        (worker.redis_set_up, worker.redis_wait)
        for worker in pod.workers
        if worker.redis_set_up is not None and worker.redis_set_up > worker.redis_wait
    ]
    if not late:
        return Verdict(Status.PASS, "Redis answers.")
    took, wait = max(late)
    return Verdict(
        Status.WARN,
        f"Redis answers, but a new connection takes {took:.1f} s, and an operation waits {wait:g} "
        f"s for one: raise BROKER_REDIS_CONNECT_TIMEOUT by {_HEADROOM * took / 2 - wait / 2:.1f}. "
        "`broker check` measures the way and says what else to set.",
    )


def store_reason(pod: Pod) -> Reason | None:
    """Return why Redis fails, by the word that concerns most; None where it does not."""
    told = Counter(
        health.store_fault
        for worker in pod.workers
        for health in worker.organizations
        if health.store_fault is not None
    )
    return read_reason(told.most_common(1)[0][0]) if told else None


def _cut_off_workers(pod: Pod) -> str:
    number = sum(any(not one.store_answers for one in each.organizations) for each in pod.workers)
    return "" if number == len(pod.workers) else f"{number} of {len(pod.workers)} workers"


def _cut_off_organizations(pod: Pod) -> str:
    cut_off = [health for health in pod.organizations if not health.store_answers]
    return "" if len(cut_off) == len(pod.organizations) else f"only {_listed(cut_off)}"


def judge_canvas(pod: Pod) -> Verdict:
    """Return whether Canvas does its work; refused keys are the organization's trouble."""
    failing = [health for health in pod.organizations if _is_failed_by_canvas(health)]
    if failing:
        failure = explained(failing[0])
        return Verdict(
            Status.WARN,
            f"Calls to Canvas fail for {_listed(failing)} ({failing[0].last_error}: "
            f"{failure.means}): {failure.advice}.",
        )
    if last_success(pod) is None:
        return Verdict(Status.PASS, "Canvas has given no token yet.")
    return Verdict(Status.PASS, "Canvas gives tokens.")


def last_success(pod: Pod) -> float | None:
    """Return the seconds since Canvas last gave a token that this pod knows of."""
    ages = (one.last_refresh for one in pod.organizations if one.last_refresh is not None)
    return min(ages, default=None)


def judge_files(report: FilesReport) -> Verdict:
    """Return whether the files are in force as they lie there."""
    if not report.problems:
        return Verdict(Status.PASS, "The files are in force as they lie there.")
    problems = "; ".join(report.problems)
    return Verdict(
        Status.WARN, f"Not all is in force as it lies there, mend the files: {problems}."
    )


def judge_workers(pod: Pod) -> Iterator[tuple[str, Verdict, float | None]]:
    """Yield each worker's process id with its verdict and uptime, then how many are missing."""
    for worker in pod.workers:
        verdict = Verdict(Status.PASS, "It answers.") if worker.counted else _UNCOUNTED
        yield str(worker.pid), verdict, worker.uptime
    for pid in pod.silent:
        yield str(pid), Verdict(Status.WARN, _SILENT), None
    missing = pod.expected - len(pod.workers) - len(pod.silent)
    if missing > 0:
        yield "missing", Verdict(Status.WARN, _missing(pod, missing)), None


_UNCOUNTED = Verdict(
    Status.WARN,
    "It answers, and /metrics lacks what it counts: when it started there was no room for its "
    "files in BROKER_RUNTIME_DIR. Make room, then restart the pod.",
)
_SILENT = (
    "It does not answer: it has too little CPU, is stopped, or hangs, and then is replaced within "
    "30 s. What it knows is not told here; give the pod more CPU if this stays."
)


def _missing(pod: Pod, missing: int) -> str:
    return (
        f"{missing} of {pod.expected} workers cannot be seen: look in the log for why they do not "
        "start; if they do, the directory for their sockets cannot be used."
    )


def _is_failed_by_canvas(health: OrganizationHealth) -> bool:
    return bool(health.failures) and not health.latched and health.last_error not in OURS


def _listed(organizations: list[OrganizationHealth]) -> str:
    names = [health.organization for health in organizations]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
