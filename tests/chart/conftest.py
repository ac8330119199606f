from pathlib import Path

import pytest

from broker.settings import Settings, load
from tests.chart.binary import Helm, helm
from tests.chart.contents import make_up_for
from tests.chart.engine import Values
from tests.chart.kubelet import Kubelet, Read, Start
from tests.chart.rendered import render


@pytest.fixture
def command(tmp_path: Path) -> Helm:
    """Return the real Helm."""
    home = tmp_path / "helm"
    home.mkdir()
    return helm(home)


@pytest.fixture
def kubelet(tmp_path: Path) -> Start:
    """Return what lays the broker's container out, with the environment that it has then."""

    def start(values: Values) -> tuple[Kubelet, dict[str, str]]:
        rendered = render(values)
        make_up = make_up_for(rendered.container(), tmp_path / "contents")
        node = Kubelet(tmp_path / "root", rendered, make_up)
        spec = rendered.broker()["spec"]["template"]["spec"]
        return node, node.start(spec, rendered.container())

    return start


@pytest.fixture
def settings(kubelet: Start) -> Read:
    """Return the settings that a broker of these values would have; it refuses them as ever."""

    def read(values: Values) -> Settings:
        _, environ = kubelet(values)
        return load({k: v for k, v in environ.items() if k.startswith("BROKER_")})

    return read
