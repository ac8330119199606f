"""The pod of ``helm test``, run here: its files, its environment and its command are its own."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chart.kubelet import Kubelet
from tests.chart.rendered import Object, Rendered, render
from tests.chart.samples import MINIMAL, changed

LIMIT = 60.0
PATIENCE = re.compile(r"^(PATIENCE|PAUSE) = [\d.]+$", re.MULTILINE)
BY_KEY = {"helmTest.enabled": True, "helmTest.existingSecret": "key-of-billing"}


@dataclass(frozen=True)
class HelmTest:
    """The pod of values; ``contents`` are the files of its Secrets by the end of their paths."""

    folder: Path
    contents: dict[str, bytes]
    values: dict[str, Any]

    @property
    def rendered(self) -> Rendered:
        """Return all that is rendered."""
        return render(changed(self.values, MINIMAL))

    @property
    def pod(self) -> Object:
        """Return the pod."""
        return self.rendered.one("Pod", "test")

    def environment(self) -> dict[str, str]:
        """Lay its volumes out, and return its environment."""
        node = Kubelet(self.folder, self.rendered, self._made_up)
        (container,) = self.pod["spec"]["containers"]
        return node.start(self.pod["spec"], container)

    def run(self, url: str, patience: float = 0.0) -> "subprocess.CompletedProcess[str]":
        """Run its command against the broker at a URL; ``patience`` in place of its own."""
        (container,) = self.pod["spec"]["containers"]
        python, option, script = container["command"]
        assert (python, option) == ("python", "-c")
        hurried, times = PATIENCE.subn(rf"\1 = {patience} if '\1' == 'PATIENCE' else 0.2", script)
        assert times == 2, "the script waits in another way than it did"
        return subprocess.run(
            [sys.executable, option, hurried],
            env=self.environment() | {"TOKEN_BROKER": url},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def _made_up(self, path: str) -> bytes:
        return next(content for end, content in self.contents.items() if path.endswith(end))
