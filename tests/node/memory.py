"""How much memory a pod takes: with few and many organizations, at rest, under load, refreshed."""

import time
from pathlib import Path
from typing import Any

import urllib3

from tests.cluster.report import say, wait_for
from tests.node.containers import group_of
from tests.node.load import GROUPS, Group
from tests.node.outcomes import none_failed
from tests.node.rows import Row, table
from tests.node.scene import KEYS, Scene, secret
from tests.node.stage import NAMESPACE, Stage

SIZES = (1, 100, 1000)
REST_S = 20.0
LOAD_S = 60.0
LIFETIME_S = 180
REFRESHED_S = 400.0
LOOK_S = 5.0
PATIENT = urllib3.Retry(8, backoff_factor=0.3)
MEBIBYTE = 1 << 20
HEAD = ("organizations", "when", "usage", "working set", "rss", "memory volumes", "peak")


def memory(stage: Stage) -> list[Row]:
    """Measure one pod of two workers with each number of organizations."""
    cells: list[list[str]] = []
    try:
        rows = [measured(stage, size, cells) for size in SIZES]
    finally:
        stage.rows.tables.append(f"Memory of one pod, in MiB:\n\n{table(HEAD, cells)}")
    Scene(stage).make_canvas(KEYS)
    stage.release().upgrade(*stage.options())
    stage.settle()
    return rows


def measured(stage: Stage, size: int, cells: list[list[str]]) -> Row:
    """Measure with one number of organizations."""
    names = [f"organization-{n:04}" for n in range(size)]
    Scene(stage).make_canvas({name: keys(n) for n, name in enumerate(names)})
    lifetimes = {"access_lifetime_authenticate": LIFETIME_S, "access_lifetime_refresh": LIFETIME_S}
    tell_canvas(stage, lifetimes)
    stage.kubectl.apply(many_secret(names))
    release = stage.release()
    release.upgrade(*stage.only(**values(names)))
    stage.settle(pods=1)
    (pod,) = stage.pods()

    def keep(when: str) -> None:
        cells.append([str(size), when, *figures(group_of(pod))])
        say(" ".join(cells[-1]))

    time.sleep(REST_S)
    keep("at rest, never asked")
    groups = tuple(Group(**{**vars(one), "organizations": tuple(names)}) for one in GROUPS)
    with stage.load(groups) as load:
        load.last(LOAD_S)
        keep("under load")
        wait_for(
            lambda: refreshes(stage) >= size,
            lambda: f"{refreshes(stage)} refreshes",
            REFRESHED_S,
            LOOK_S,
        )
        load.last(REST_S)
        keep("under load, each refreshed")
    time.sleep(REST_S)
    keep("at rest again")
    name = f"memory with {size} organization{'s' * (size > 1)}"
    return Row(name, load.outcome, problems=list(none_failed(load.outcome)))


def values(names: list[str]) -> dict[str, Any]:
    """Return the values of one pod with these organizations, all in one Secret, and no others."""
    everything = {"organizations": ["*"]}
    organizations: dict[str, Any] = {
        name: {
            "secretName": "canvas-many",
            "consumerKey": f"{name}-consumer",
            "secretKeyKey": f"{name}-secret-key",
        }
        for name in names
    }
    return {
        "replicaCount": 1,
        "organizations": organizations,
        "callers": {"billing": everything, "orders": everything},
        "serviceAccountCallers": {"enabled": True},
        "redis": {
            "username": "broker",
            "password": {"existingSecret": "canvas-token-broker-redis"},
            "tls": {"caSecret": "canvas-token-broker-redis-ca"},
        },
        "resources": {"limits": {"memory": "1Gi"}},
    }


def keys(number: int) -> tuple[str, str]:
    """Return made-up Canvas keys."""
    return f"{number:064x}", f"00000000-0000-4000-8000-{number:012x}"


def many_secret(names: list[str]) -> dict[str, Any]:
    """Return one Secret with the keys of all organizations."""
    data: dict[str, str] = {}
    for number, name in enumerate(names):
        consumer, secret_key = keys(number)
        data |= {f"{name}-consumer": consumer, f"{name}-secret-key": secret_key}
    return secret(NAMESPACE, "canvas-many", data)


def figures(group: Path) -> list[str]:
    """Return what a control group (version 1) holds, in mebibytes."""
    lines = (group / "memory.stat").read_text().splitlines()
    stat = {name: int(value) for name, value in (line.split() for line in lines)}
    usage, peak = (
        int((group / f"memory.{name}_in_bytes").read_text()) for name in ("usage", "max_usage")
    )
    working_set = usage - stat["total_inactive_file"]
    found = (usage, working_set, stat["total_rss"], stat["total_shmem"], peak)
    return [f"{one / MEBIBYTE:.1f}" for one in found]


def canvas_url(stage: Stage) -> str:
    """Return where the emulator is reached from the node."""
    service = stage.api.get("api/v1/namespaces/canvas/services/canvas")
    return f"http://{service['spec']['clusterIP']}:8090/_emulator"


def tell_canvas(stage: Stage, knobs: dict[str, Any]) -> None:
    """Turn knobs of the emulator."""
    urllib3.request("POST", f"{canvas_url(stage)}/faults", json=knobs, retries=PATIENT)


def refreshes(stage: Stage) -> int:
    """Return how many organizations have been refreshed at the emulator."""
    stats = urllib3.request(
        "GET", f"{canvas_url(stage)}/stats", timeout=30.0, retries=PATIENT
    ).json()
    return sum(1 for one in stats["organizations"].values() if one.get("refresh"))
