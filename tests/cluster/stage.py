"""What every step needs: the cluster, Helm, the chart, and the release under test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import Api
from tests.cluster.binaries import Binaries
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.release import Release
from tests.cluster.report import Report


@dataclass(frozen=True)
class Stage:
    """One cluster and one chart."""

    report: Report
    plane: ControlPlane
    binaries: Binaries
    chart: Path
    folder: Path

    @property
    def api(self) -> Api:
        """Return the API server, asked as its administrator."""
        return self.plane.api

    def release(self, namespace: str, name: str = "broker") -> Release:
        """Return a release that may be installed into a namespace."""
        home = self.folder / "home"
        helm = Helm(self.binaries.helm, self.plane.kubeconfig, namespace, home)
        return Release(self.api, helm, self.chart, namespace, name)

    def values(self, name: str) -> tuple[str, str]:
        """Return the option that names a file of values of the chart."""
        return "--values", str(self.chart / name)


Part = Callable[[Stage], None]
