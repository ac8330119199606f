"""Scenarios in which processes die: a worker, the first process, the sandbox; memory; restarts."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.cluster.report import FailedError, wait_for
from tests.node import containers
from tests.node.outcomes import none_failed, only_in_flight_failed, soon_ready
from tests.node.rows import Row
from tests.node.stage import NAMESPACE, Stage
from tests.node.trials import FORGOTTEN_S, Judge, Trial, play, told_only
from tests.node.watching import is_ready

WORKERS = 2
PATIENCE_S = 90.0
ALLOCATE = "x = bytearray(1 << 30)"


def in_flight_and_soon(trial: Trial) -> Iterator[str]:
    """Judge by the rule for a process that is killed."""
    yield from only_in_flight_failed(trial.outcome, trial.began)
    yield from soon_ready(trial.ready)


def killed(
    stage: Stage,
    name: str,
    choose: Callable[[Any], int],
    judge: Judge = told_only,
    number: int = signal.SIGKILL,
) -> Row:
    """Send a signal to one process of a pod, and wait until that pod is as before.

    The pod is one that was seldom restarted: the kubelet waits longer each time.
    """

    def event(trial: Trial) -> None:
        pod = min(stage.pods(), key=restarts_of)
        victim = choose(pod)
        restarts = restarts_of(pod)
        trial.began = time.time()
        containers.kill(victim, number)
        uid = pod["metadata"]["uid"]
        wait_for(lambda: is_whole(stage, uid, victim), lambda: "it is not as before", PATIENCE_S)
        trial.ready.append(trial.since())
        trial.note(f"restarts of containers: {restarts_of(found(stage, uid)) - restarts}")

    return play(stage, name, event, judge)


def is_whole(stage: Stage, uid: str, gone: int) -> bool:
    """Tell whether a pod is ready by its own word and the cluster's, with all its workers."""
    pod = found(stage, uid)
    try:
        names = [one["name"] for one in pod["status"]["containerStatuses"]]
        running = [containers.processes(pod, name) for name in names]
        workers = containers.workers(pod)
    except (OSError, ValueError, KeyError):
        return False
    if not all(one and gone not in one for one in running):
        return False
    if len(workers) != WORKERS or not is_ready(pod):
        return False
    return stage.ask(pod, "/health/ready")[0] == 200


def found(stage: Stage, uid: str) -> Any:
    """Return a pod as it is now."""
    (pod,) = [one for one in stage.pods() if one["metadata"]["uid"] == uid]
    return pod


def restarts_of(pod: Any) -> int:
    """Return how often its containers were started again."""
    return sum(int(one["restartCount"]) for one in pod["status"]["containerStatuses"])


def kill_worker(stage: Stage) -> list[Row]:
    """SIGKILL one of two workers."""
    choose = lambda pod: containers.workers(pod)[0]  # noqa: E731
    return [killed(stage, "SIGKILL of one worker", choose, in_flight_and_soon)]


def kill_first_process(stage: Stage) -> list[Row]:
    """SIGKILL the container's first process, and with it the container."""
    choose = lambda pod: containers.processes(pod)[0]  # noqa: E731
    return [killed(stage, "SIGKILL of the container's first process", choose, in_flight_and_soon)]


def kill_listener(stage: Stage) -> list[Row]:
    """SIGKILL what holds the listening sockets: nobody is to notice."""

    def judge(trial: Trial) -> Iterator[str]:
        yield from none_failed(trial.outcome)
        yield from soon_ready(trial.ready)

    choose = lambda pod: containers.processes(pod, containers.LISTENER)[0]  # noqa: E731
    return [killed(stage, "SIGKILL of the listener", choose, judge)]


def kill_sandbox(stage: Stage) -> list[Row]:
    """SIGKILL what holds the pod's namespaces: the kubelet makes a new one, with a new address."""
    row = killed(stage, "SIGKILL of the pod sandbox", containers.sandbox)
    time.sleep(FORGOTTEN_S)
    return [row]


def restart(stage: Stage) -> list[Row]:
    """End the container; it starts again in the same pod, with what it left in its volumes."""
    before: dict[str, Any] = {}

    def choose(pod: Any) -> int:
        before["pod"] = pod["metadata"]["uid"]
        return containers.processes(pod)[0]

    row = killed(stage, "container restart with its kept volumes", choose, number=signal.SIGTERM)
    pod = found(stage, before["pod"])
    status, metrics = stage.ask(pod, "/metrics")
    _, health = stage.ask(pod, "/health")
    workers = health["checks"]["workers"]
    problems = [*row.problems]
    if status != 200 or b"broker_token_requests_total" not in metrics:
        problems.append(f"metrics: {status}")
    if [one["status"] for one in workers] != ["pass"] * WORKERS:
        problems.append(f"workers: {workers}")
    return [Row(row.name, row.outcome, row.ready, problems, row.notes, row.began, row.machine_load)]


def memory_limit(stage: Stage) -> list[Row]:
    """Let a command in a pod want more than the container may have."""

    def event(trial: Trial) -> None:
        pod = stage.pods()[0]
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        command = ["/opt/broker/bin/python", "-c", ALLOCATE]
        done = stage.kubectl.run("-n", NAMESPACE, "exec", name, "--", *command)
        trial.note(f"the command ended with {done.returncode}")
        if not done.returncode:
            raise FailedError("there is no limit")
        wait_for(lambda: is_whole(stage, uid, 0), lambda: "it is not as before", PATIENCE_S)
        trial.note(f"restarts of containers: {restarts_of(found(stage, uid)) - restarts_of(pod)}")

    def judge(trial: Trial) -> Iterator[str]:
        yield from only_in_flight_failed(trial.outcome, trial.began)

    return [play(stage, "memory limit reached by a command in the pod", event, judge)]
