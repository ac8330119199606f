"""The Helm chart against a real API server: ``make chart-e2e``.

Starts etcd, kube-apiserver and kube-controller-manager on loopback and has the real Helm install,
upgrade, roll back and uninstall the chart, under Pod Security *restricted*. No container runs; the
broker itself is started as a process, with what the chart's pod would have been given.
"""

import argparse
import datetime as dt
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.api import Api, RefusedError
from tests.cluster.binaries import Binaries, MissingError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import Nodes
from tests.cluster.parts import PARTS
from tests.cluster.processes import DeadError
from tests.cluster.report import FailedError, Report, say
from tests.cluster.stage import Stage

CHART = Path(__file__).parents[2] / "helm" / "canvas-token-broker"
SHOWN = 5
FAILURES = (AssertionError, DeadError, FailedError, RefusedError)


def main() -> None:
    """Play all parts; exit 1 at the first thing that is not as it should be."""
    arguments = parse()
    try:
        binaries = Binaries.find(arguments.binaries)
    except MissingError as error:
        sys.exit(f"{error}; .ci/kubernetes FOLDER builds them, --binaries FOLDER names them")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    versions = ", ".join(f"{name} {version}" for name, version in binaries.versions().items())
    say(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}: {versions}")
    try:
        play(binaries, arguments.chart, folder)
    except FAILURES as error:
        sys.exit(f"{error}\nthe logs are in {folder}")
    shutil.rmtree(folder)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--binaries", type=Path, help="the folder of the programs; else PATH")
    parser.add_argument("--chart", type=Path, default=CHART, help="the folder of the chart")
    return parser.parse_args()


def play(binaries: Binaries, chart: Path, folder: Path) -> None:
    """Start the cluster and play each part on it."""
    report = Report()
    with ExitStack() as running:
        with report.step("etcd, kube-apiserver and kube-controller-manager start"):
            plane = running.enter_context(ControlPlane(binaries, folder))
        running.enter_context(Nodes(plane.api))
        stage = Stage(report, plane, binaries, chart, folder)
        try:
            for part in PARTS:
                part(stage)
        except FAILURES:
            say("\n".join(refusals(plane.api)))
            raise
    report.total()


def refusals(api: Api) -> list[str]:
    """Return why controllers could not make what they wanted to, the last reasons last."""
    events = api.get("api/v1/events", fieldSelector="reason=FailedCreate")["items"]
    return [f"{one['involvedObject']['name']}: {one['message']}" for one in events[-SHOWN:]]


if __name__ == "__main__":
    main()
