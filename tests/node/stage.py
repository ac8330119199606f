"""What every scenario needs: the node's API server, Helm, the release, and its pods."""

import json
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import urllib3

from broker.web.endpoints import PORTS, Port
from tests.cluster.api import Api
from tests.cluster.helm import Helm
from tests.cluster.release import Release
from tests.cluster.report import wait_for
from tests.node.kubectl import Kubectl
from tests.node.load import GROUPS, Group, Load
from tests.node.names import reach
from tests.node.place import Place
from tests.node.rows import Rows
from tests.node.watching import PodWatch, is_ready

NAMESPACE = "tokens"
RELEASE = "broker"
DEPLOYMENT = "broker-canvas-token-broker"
HOST = f"{DEPLOYMENT}.{NAMESPACE}"
MANAGEMENT_HOST = f"{DEPLOYMENT}-management.{NAMESPACE}"
MANAGEMENT_PORT = 8081
BROKERS = "app.kubernetes.io/component=broker"
CHART = Path(__file__).parents[2] / "helm" / "canvas-token-broker"
REPLICAS = 3
HELM_LIMIT_S = 600.0
WAIT = "300s"
SETTLED_S = 240.0


@dataclass
class Stage:
    """One node, and one release on it."""

    place: Place
    rows: Rows
    values: dict[str, Any] = field(default_factory=dict)
    """What the release is told beside values-production.yaml."""
    chart: Path = CHART

    @cached_property
    def api(self) -> Api:
        """Return the API server, asked as its administrator."""
        return reach(self.place.kubeconfig)

    @cached_property
    def kubectl(self) -> Kubectl:
        """Return kubectl as the same."""
        return Kubectl(self.place.kubeconfig)

    @cached_property
    def helm(self) -> Helm:
        """Return Helm in the namespace of the release."""
        home = self.place.folder / "home"
        return Helm("helm", self.place.kubeconfig, NAMESPACE, home, HELM_LIMIT_S)

    def release(self, chart: Path | None = None) -> Release:
        """Return the release, of the present chart unless another one is given."""
        return Release(self.api, self.helm, chart or self.chart, NAMESPACE, RELEASE, timeout=WAIT)

    def options(self, chart: Path | None = None, **changed: Any) -> tuple[str, ...]:
        """Return the options that name the values in force, and those changed for once."""
        production = (chart or self.chart) / "values-production.yaml"
        return "--values", str(production), *self.only(**changed)

    def only(self, **changed: Any) -> tuple[str, ...]:
        """Return the same without values-production.yaml: a later file takes nothing away."""
        file = self.place.folder / "values.json"
        file.write_text(json.dumps(merged(self.values, changed)))
        return "--values", str(file)

    def load(self, groups: tuple[Group, ...] = GROUPS) -> Load:
        """Return a load on the Service."""
        return Load(self.kubectl, HOST, groups)

    def watch(self) -> PodWatch:
        """Return a watch on the broker's pods."""
        return PodWatch(self.api, NAMESPACE, BROKERS)

    def pods(self) -> list[Any]:
        """Return the broker's pods."""
        path = f"api/v1/namespaces/{NAMESPACE}/pods"
        found: list[Any] = self.api.get(path, labelSelector=BROKERS)["items"]
        return found

    def ready_pods(self) -> list[Any]:
        """Return those that are ready and stay."""
        return [pod for pod in self.pods() if is_ready(pod)]

    def settle(self, pods: int = REPLICAS, limit: float = SETTLED_S) -> None:
        """Wait until there are so many pods, all ready, and no other."""
        wait_for(
            lambda: len(self.pods()) == pods == len(self.ready_pods()),
            lambda: f"{len(self.ready_pods())} of {len(self.pods())} pods are ready",
            limit,
        )

    def ask(self, pod: Any, path: str, **headers: str) -> tuple[int, Any]:
        """Ask one pod past the Service, where the path answers; status 0 if it fails."""
        port = 8080 if Port.CALLERS in PORTS[path.partition("?")[0]] else MANAGEMENT_PORT
        url = f"https://{pod['status'].get('podIP')}:{port}{path}"
        pool = urllib3.PoolManager(
            cert_reqs=ssl.CERT_REQUIRED,
            ca_certs=str(self.place.cluster / "broker-ca.pem"),
            assert_hostname=HOST,
            server_hostname=HOST,
            timeout=5.0,
            retries=False,
        )
        try:
            with pool:
                answer = pool.request("GET", url, headers=headers)
                return answer.status, answer.json() if answer.data[:1] == b"{" else answer.data
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)


def merged(values: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """Return values with others put over them, map by map."""
    both = dict(values)
    for name, value in changed.items():
        old = both.get(name)
        nested = isinstance(old, dict) and isinstance(value, dict)
        both[name] = merged(old, value) if nested else value  # type: ignore[arg-type]
    return both
