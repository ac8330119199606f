"""The NetworkPolicy of the chart in force, by the firewall of kube-router, where that is there."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.control_plane import SERVICES
from tests.cluster.processes import Process
from tests.cluster.report import wait_for
from tests.node.outcomes import Outcome
from tests.node.place import NAME
from tests.node.rollouts import roll
from tests.node.rows import Row
from tests.node.scene import manifest
from tests.node.stage import HOST, MANAGEMENT_HOST, MANAGEMENT_PORT, NAMESPACE, Stage
from tests.node.trials import Trial, play

ENGINE = "kube-router"
STRANGER = "stranger"
DOORS = ((HOST, "8080"), (MANAGEMENT_HOST, str(MANAGEMENT_PORT)))
IN_FORCE_S = 90.0
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], sys.argv[2]), 3)"


def network_policy(stage: Stage) -> list[Row]:
    """Let callers, Redis and Canvas through and nobody else, while callers keep asking."""
    name = "NetworkPolicy in force"
    if shutil.which(ENGINE) is None:
        return [Row(name, Outcome(), notes=[f"not played: there is no {ENGINE}"])]
    stage.kubectl.apply(*manifest("stranger.yaml"))
    stage.kubectl.do("-n", STRANGER, "wait", "--for=condition=Ready", f"pod/{STRANGER}")

    def enforced(trial: Trial) -> None:
        broker = stage.pods()[0]["metadata"]["name"]
        path = f"api/v1/namespaces/{STRANGER}/pods/{STRANGER}"
        there = stage.api.get(path)["status"]["podIP"]
        for host, port in DOORS:
            if not connects(stage, STRANGER, STRANGER, host, port):
                trial.problems.append(f"a stranger is refused at {port} without an engine")
        with engine(stage):
            wait_for(
                lambda: not any(connects(stage, STRANGER, STRANGER, *door) for door in DOORS),
                lambda: "a stranger is let in",
                IN_FORCE_S,
            )
            trial.note(f"a stranger is kept out after {trial.since():.0f} s")
            if connects(stage, NAMESPACE, broker, there, "9000"):
                trial.problems.append("the broker connects to where it need not")
            roll(trial)

    row = play(stage, name, enforced)
    stage.kubectl.do("delete", "namespace", STRANGER)
    return [row]


@contextmanager
def engine(stage: Stage) -> Iterator[None]:
    """Run kube-router as a firewall and nothing else; take its rules away afterwards."""
    log = stage.place.logs / f"{ENGINE}.log"
    process = Process(
        [
            ENGINE,
            f"--kubeconfig={stage.place.kubeconfig}",
            f"--hostname-override={NAME}",
            f"--service-cluster-ip-range={SERVICES}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
        ],
        log,
    )
    try:
        yield
    finally:
        process.stop()
        subprocess.run([ENGINE, "--cleanup-config"], check=False, capture_output=True)


def connects(stage: Stage, namespace: str, pod: str, host: str, port: str) -> bool:
    """Tell whether a pod can connect to something."""
    command = ["/opt/broker/bin/python", "-c", CONNECT, host, port]
    return stage.kubectl.run("-n", namespace, "exec", pod, "--", *command).returncode == 0
