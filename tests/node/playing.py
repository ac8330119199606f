"""Plays scenarios, inside of the node's namespaces.

``python -m tests.node.playing [--report FILE] FOLDER BINARIES [SCENARIO...]``
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.cluster.binaries import Binaries
from tests.cluster.report import say, wait_for
from tests.node.outcomes import Outcome
from tests.node.place import CONTAINERD, NAME, Place
from tests.node.rows import Row, Rows, table, title
from tests.node.scenarios import INSTALL, SCENARIOS
from tests.node.scene import Scene
from tests.node.stage import RELEASE, Stage
from tests.node.watching import is_ready

NODE_S = 90.0


def main() -> None:
    """Play; exit 1 unless everything is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.node.playing", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("binaries", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    stage = Stage(Place(arguments.folder, arguments.binaries), Rows(headline(arguments.binaries)))
    prepare(stage)
    wanted = arguments.scenarios or list(SCENARIOS)
    if not is_installed(stage) and INSTALL not in wanted:
        wanted.insert(0, INSTALL)
    for name in wanted:
        play(stage, name)
        if arguments.report:
            arguments.report.write_text(stage.rows.markdown())
    say("\n" + stage.rows.markdown())
    sys.exit(0 if stage.rows.is_good() else 1)


def headline(binaries: Path) -> str:
    """Return what is tried, with what."""
    git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    revision = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return title(Binaries.find(binaries).versions(), revision)


def prepare(stage: Stage) -> None:
    """Bring images and all that the release needs."""
    wait_for(lambda: node_is_ready(stage), lambda: "the node is not ready", NODE_S)
    for archive in sorted(stage.place.images.glob("*.tar")):
        ctr = ["ctr", "--address", CONTAINERD, "--namespace", "k8s.io"]
        subprocess.run([*ctr, "images", "import", str(archive)], check=True, capture_output=True)
    scene = Scene(stage)
    stage.values = scene.values()
    if stage.api.ask("GET", "api/v1/namespaces/shop").status == 404:
        scene.make()
    else:
        scene.make_caller()


def node_is_ready(stage: Stage) -> bool:
    """Tell whether the node takes pods."""
    answer = stage.api.ask("GET", f"api/v1/nodes/{NAME}")
    return answer.status == 200 and is_ready(answer.body)


def is_installed(stage: Stage) -> bool:
    """Tell whether there is a release."""
    return stage.helm.run("status", RELEASE).code == 0


def play(stage: Stage, name: str) -> None:
    """Play one scenario, and say what it showed; what breaks it is a row as well."""
    began = time.time()
    say(f"{name} …")
    try:
        rows = SCENARIOS[name](stage)
    except Exception as error:  # noqa: BLE001 - a scenario that breaks must not hide the others
        traceback.print_exc()
        rows = [Row(name, Outcome(), (), [str(error) or type(error).__name__], (), began)]
    for row in rows:
        say(table(row.cells(), []).splitlines()[0])
        say("\n".join(row.details()))
    stage.rows.rows += rows
    say(f"{name}: {time.time() - began:.0f} s, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
