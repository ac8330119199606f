"""The chart on a real node: ``make node-e2e``.

Starts a Kubernetes node with real pods in namespaces of its own, plays each scenario under load,
and writes a report as Markdown. Exit code 1 if anything is not as it must be. With scenarios named,
only those; with --keep the node stays up, and the next run plays on it.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.binaries import MissingError, locate
from tests.cluster.processes import DeadError, Process
from tests.cluster.report import say, wait_for
from tests.node import host
from tests.node.place import Place
from tests.node.scenarios import SCENARIOS

PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "helm"),
    *("kube-scheduler", "kube-proxy", "kubelet", "kubectl"),
    *("containerd", "containerd-shim-runc-v2", "ctr"),
)
START_LIMIT_S = 300.0
END_LIMIT_S = 60.0


def main() -> None:
    """Start the node unless it is up, play, and end it unless it is to be kept."""
    arguments = parse()
    place = Place(arguments.folder.resolve(), arguments.binaries.resolve())
    if arguments.end:
        end(place)
        return
    try:
        locate(PROGRAMS, place.binaries)
    except MissingError as error:
        sys.exit(f"{error}; .ci/node FOLDER brings them, --binaries FOLDER names them")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    was_up, before = place.state.exists(), host.state(place)
    with ExitStack() as running:
        if not arguments.keep:
            running.callback(end, place)
        begin(place)
        code = play(place, arguments.report, arguments.scenarios)
    if not (was_up or arguments.keep) and (changed := host.changes(before, host.state(place))):
        sys.exit("\n".join(["the machine is not as before:", *changed]))
    sys.exit(code)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.node",
        description=__doc__,
        epilog=f"Scenarios: {', '.join(SCENARIOS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--binaries", type=Path, required=True, help="what .ci/node has brought")
    parser.add_argument("--folder", type=Path, default=Path(".venv/node"), help="that of the node")
    parser.add_argument("--report", type=Path, help="a file for the report, beside standard output")
    parser.add_argument("--keep", action="store_true", help="leave the node up")
    parser.add_argument("--end", action="store_true", help="end a node that was left up, no more")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="by default all")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - SCENARIOS.keys():
        parser.error(f"no scenario: {', '.join(sorted(unknown))}")
    return arguments


def begin(place: Place) -> None:
    """Start the node, unless it is up, and wait until its programs run."""
    if place.state.exists():
        return
    shutil.rmtree(place.folder, ignore_errors=True)
    for folder in (place.logs, place.cluster):
        folder.mkdir(parents=True)
    command = ["-m", "tests.node.keeper", str(place.folder), str(place.binaries)]
    keeper = Process([sys.executable, *command], place.logs / "node.log")
    keeper.wait_until(place.is_up.exists, START_LIMIT_S)
    say(f"the node is up; ending process {place.state.read_text()} ends it")


def play(place: Place, report: Path | None, scenarios: list[str]) -> int:
    """Play scenarios inside of the node's namespaces; return the exit code."""
    inside = ["nsenter", "--target", place.first_process.read_text()]
    inside += ["--mount", "--net", "--pid", "--uts", "--ipc"]
    path = f"{place.binaries}:/usr/sbin:/usr/bin:/sbin:/bin"
    command = [sys.executable, "-m", "tests.node.playing"]
    command += ["--report", str(report.resolve())] if report else []
    command += [str(place.folder), str(place.binaries)]
    player = subprocess.Popen(
        [*inside, f"--wd={Path.cwd()}", *command, *scenarios],
        env={**os.environ, "PATH": path},
        start_new_session=True,
    )
    try:
        return player.wait()
    finally:
        if player.returncode is None:
            os.killpg(player.pid, signal.SIGTERM)


def end(place: Place) -> None:
    """End the node, wait until it is gone, and remove all but its logs."""
    if place.state.exists():
        os.kill(int(place.state.read_text()), signal.SIGTERM)
        wait_for(lambda: not place.state.exists(), lambda: "the node does not end", END_LIMIT_S)
    for one in place.folder.iterdir() if place.folder.exists() else ():
        if one != place.logs:
            shutil.rmtree(one) if one.is_dir() else one.unlink()


if __name__ == "__main__":
    try:
        main()
    except DeadError as error:
        sys.exit(str(error))
