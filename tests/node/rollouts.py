"""Scenarios of rollouts: install, updates, wrong ones, rollback, scaling, deletion, drain."""

import time
from collections.abc import Iterator
from typing import Any

from tests.cluster.report import FailedError, wait_for
from tests.node.outcomes import Outcome, soon_ready
from tests.node.rows import Row
from tests.node.stage import BROKERS, DEPLOYMENT, NAMESPACE, RELEASE, REPLICAS, Stage
from tests.node.trials import FORGOTTEN_S, Trial, play

TIMES = 3
WRONG_LIMIT = "45s"
SEEN_WRONG_S = 20.0
OLDER_WARM_S = 15.0
"""Its pods call themselves ready before they have reached Redis."""
HELM_TEST = {"enabled": True, "serviceAccountCaller": True, "organization": "acme"}
WRONG = {
    "password": {"redis": {"password": {"existingSecret": "wrong-password"}}},
    "CA": {"redis": {"tls": {"caSecret": "wrong-ca"}}},
    "URL": {"redis": {"url": "rediss://nobody.redis:6379/0"}},
}


def install(stage: Stage) -> list[Row]:
    """Install, as the first thing; no load, for there is nothing to ask."""
    with stage.watch() as watch:
        stage.release().install(*stage.options(helmTest=HELM_TEST))
        stage.settle()
    ready = watch.seconds_to_ready()
    tested = stage.helm.run("test", RELEASE, "--timeout=60s")
    problems = [*soon_ready(ready)]
    if not stage.release().tests():
        problems.append("helm test has no pod")
    if tested.code:
        problems.append(f"helm test: {tested.error.strip()}")
    return [Row("install", Outcome(), ready, problems, ["helm test passed" * (not tested.code)])]


def roll(trial: Trial) -> None:
    """Replace every pod, as an upgrade does that changes the pod template."""
    stage = trial.stage
    stage.values["podAnnotations"] = {"rolled": str(time.time())}
    stage.release().upgrade(*stage.options())
    trial.note(f"helm upgrade --wait came back after {trial.since():.0f} s")


def rolling_update_idle(stage: Stage) -> list[Row]:
    """Roll three times on a node that does nothing else."""
    return [
        play(stage, f"rolling update {n} of {TIMES}, node idle", roll, soon=True)
        for n in range(1, TIMES + 1)
    ]


def rolling_update_busy(stage: Stage) -> list[Row]:
    """Roll three times on a node whose cores are all kept busy."""
    return [
        play(stage, f"rolling update {n} of {TIMES}, all cores busy", roll, busy=True)
        for n in range(1, TIMES + 1)
    ]


def wrong(trial: Trial, changed: dict[str, Any]) -> None:
    """Roll out what cannot work, look whether that stops, and take it back."""
    stage = trial.stage
    before = {pod["metadata"]["name"] for pod in stage.pods()}
    revision = stage.release().revision()
    options = ("--wait", f"--timeout={WRONG_LIMIT}", "--reset-values")
    done = stage.helm.run("upgrade", RELEASE, str(stage.chart), *options, *stage.options(**changed))
    trial.note(f"helm upgrade {'failed' if done.code else 'succeeded'} after {trial.since():.0f} s")
    if not done.code:
        trial.problems.append("helm upgrade --wait succeeded")
        time.sleep(SEEN_WRONG_S)
    ready = {pod["metadata"]["name"] for pod in stage.ready_pods()}
    trial.note(
        f"{len(ready & before)} of {len(before)} old pods are ready, {len(ready - before)} new"
    )
    if before - ready:
        trial.problems.append(f"{len(before - ready)} old pods no longer serve")
    stage.release().rollback(revision)
    trial.note(f"rolled back after {trial.since():.0f} s")


def wrong_rollouts(stage: Stage) -> list[Row]:
    """Roll out with a wrong password, authority and address of Redis."""
    return [
        play(stage, f"rollout with a wrong Redis {what}", lambda trial, to=to: wrong(trial, to))  # type: ignore[misc]
        for what, to in WRONG.items()
    ]


def rollback(stage: Stage) -> list[Row]:
    """Go back to the revision before, whose pods differ."""
    release = stage.release()
    revision = release.revision()
    release.upgrade(*stage.options(log={"level": "debug"}))

    def back(trial: Trial) -> None:
        release.rollback(revision)
        trial.note(f"helm rollback --wait came back after {trial.since():.0f} s")

    return [play(stage, "helm rollback", back, soon=True)]


def scale(stage: Stage) -> list[Row]:
    """Scale to 0 and back; there is nobody to answer between, and nothing may fail afterwards."""
    name = f"deployment/{DEPLOYMENT}"
    back = [0.0]

    def there_and_back(trial: Trial) -> None:
        stage.kubectl.do("-n", NAMESPACE, "scale", name, "--replicas=0")
        wait_for(lambda: not stage.pods(), lambda: f"{len(stage.pods())} pods are left", 90.0)
        trial.note(f"no pod left after {trial.since():.0f} s")
        trial.load.pause(FORGOTTEN_S)
        stage.kubectl.do("-n", NAMESPACE, "scale", name, f"--replicas={REPLICAS}")
        wait_for(lambda: bool(stage.ready_pods()), lambda: "no pod is ready", 60.0)
        back[0] = time.time() + 1.0

    def judge(trial: Trial) -> Iterator[str]:
        late = trial.outcome.outside(trial.began, back[0])
        if late:
            yield f"{len(late)} requests failed before it, or more than 1 s after a pod was ready"

    return [play(stage, "scale to 0 and back", there_and_back, judge, soon=True)]


def delete_pod(stage: Stage) -> list[Row]:
    """Delete a pod as kubectl does, with its grace period."""

    def delete(trial: Trial) -> None:
        name = stage.pods()[0]["metadata"]["name"]
        stage.kubectl.do("-n", NAMESPACE, "delete", "pod", name)
        trial.note(f"gone after {trial.since():.0f} s")

    return [play(stage, "kubectl delete pod", delete, soon=True)]


def drain(stage: Stage) -> list[Row]:
    """Drain the node of the broker's pods; the budget lets one go at a time."""

    def drained(trial: Trial) -> None:
        selector = f"--pod-selector={BROKERS}"
        limit = ("--timeout=180s", "--delete-emptydir-data", "--ignore-daemonsets")
        done = stage.kubectl.run("drain", "node1", selector, *limit, limit=200.0)
        refused = done.stderr.count("disruption budget")
        trial.note(f"drained after {trial.since():.0f} s; the budget refused {refused} evictions")
        stage.kubectl.do("uncordon", "node1")
        if done.returncode:
            raise FailedError(done.stderr.strip().splitlines()[-1])
        if not refused:
            trial.problems.append("the budget held nothing up")

    return [play(stage, "drain with the disruption budget", drained)]


def upgrade(stage: Stage) -> list[Row]:
    """Install the chart and image of an older commit, and upgrade to the present ones."""
    older = stage.place.binaries / "older-chart"
    stage.release().uninstall()
    wait_for(lambda: not stage.pods(), lambda: "pods are left", 90.0)
    values = stage.options(older, image={"tag": "older"})
    stage.release(older).install(*values)
    time.sleep(OLDER_WARM_S)

    def to_present(trial: Trial) -> None:
        stage.release().upgrade(*stage.options())
        trial.note(f"helm upgrade --wait came back after {trial.since():.0f} s")
        images = {pod["spec"]["containers"][0]["image"] for pod in stage.ready_pods()}
        trial.note(f"images of ready pods: {', '.join(sorted(images))}")

    return [play(stage, "upgrade from the older chart and image", to_present)]
