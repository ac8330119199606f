import base64
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api import Answer, Api
from tests.cluster.kubelet import Mounted


class FakeApi(Api):
    """Holds one Secret and one ConfigMap, and issues tokens that say what they are for."""

    def __init__(self) -> None:
        pass

    def get(self, path: str, **query: str) -> Any:
        """Return one of both."""
        key = base64.b64encode(b"s3").decode()
        held = {"secrets/canvas": {"consumer": key}, "configmaps/callers": {"callers.toml": "[]"}}
        return {"data": held[path.removeprefix("api/v1/namespaces/shop/")]}

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """Issue a token."""
        return Answer(201, {"status": {"token": f"{path} {body['spec'].get('audiences')}"}})


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Return what a pod with each kind of volume and of variable gets."""
    secret = {"name": "canvas", "items": [{"key": "consumer", "path": "acme/consumer"}]}
    token = {"serviceAccountToken": {"path": "token", "audience": "aud"}}
    volumes = [
        {"name": "keys", "projected": {"sources": [{"secret": secret}, token]}},
        {"name": "callers", "configMap": {"name": "callers"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    mounts = [
        {"name": "keys", "mountPath": "/etc/keys"},
        {"name": "callers", "mountPath": "/etc/keys/callers"},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    env = [
        {"name": "KEYS", "value": "/etc/keys"},
        {"name": "CALLERS", "value": "/etc/keys/callers/callers.toml"},
        {"name": "OTHER", "value": "/etc/keysmith"},
        {"name": "CONSUMER", "valueFrom": {"secretKeyRef": {"name": "canvas", "key": "consumer"}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ]
    container = {"env": env, "volumeMounts": mounts, "args": ["serve", "/tmp/x"]}
    spec = {"serviceAccountName": "broker", "containers": [container], "volumes": volumes}
    return Mounted(FakeApi(), {"metadata": {"namespace": "shop"}, "spec": spec}, tmp_path)


def test_volumes_are_written_out(mounted: Mounted, tmp_path: Path) -> None:
    """Secrets and ConfigMaps under the paths that the pod gives their keys; tokens are new."""
    assert (tmp_path / "keys/acme/consumer").read_text() == "s3"
    assert (tmp_path / "callers/callers.toml").read_text() == "[]"
    assert (tmp_path / "tmp").is_dir()
    token = (tmp_path / "keys/token").read_text()
    assert token == "api/v1/namespaces/shop/serviceaccounts/broker/token ['aud']"


def test_paths_lead_into_the_folder(mounted: Mounted, tmp_path: Path) -> None:
    """The innermost mount counts; what only begins like one is left alone."""
    environ = mounted.environ()
    assert environ["KEYS"] == str(tmp_path / "keys")
    assert environ["CALLERS"] == str(tmp_path / "callers/callers.toml")
    assert environ["OTHER"] == "/etc/keysmith"
    assert mounted.arguments() == ["serve", str(tmp_path / "tmp/x")]


def test_variables_from_elsewhere_have_their_values(mounted: Mounted) -> None:
    """From a Secret, and from the pod itself."""
    environ = mounted.environ()
    assert (environ["CONSUMER"], environ["NAMESPACE"]) == ("s3", "shop")
