"""Every pod meets Pod Security *restricted*, and the check itself sees each breach."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendered import render
from tests.chart.restricted import breaches
from tests.chart.samples import EACH_FILE, load
from tests.chart.workloads import templates

GOOD: dict[str, Any] = {
    "metadata": {},
    "spec": {
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "one",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}
POD = "spec/securityContext"
CONTAINER = "spec/containers/0"
OWN = f"{CONTAINER}/securityContext"
HOST = {"host": "10.0.0.1", "port": 80}
BREACHES: list[tuple[str, object]] = [
    ("spec/hostNetwork", True),
    ("spec/hostPID", True),
    ("spec/hostIPC", True),
    ("spec/volumes", [{"name": "x", "hostPath": {"path": "/"}}]),
    ("spec/volumes", [{"name": "x", "nfs": {"server": "x", "path": "/"}}]),
    (f"{POD}/sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    (f"{POD}/windowsOptions", {"hostProcess": True}),
    (f"{POD}/appArmorProfile", {"type": "Unconfined"}),
    (f"{POD}/seLinuxOptions", {"type": "spc_t"}),
    (f"{POD}/runAsUser", 0),
    (f"{POD}/runAsNonRoot", None),
    (f"{POD}/seccompProfile", None),
    (f"{POD}/seccompProfile", {"type": "Unconfined"}),
    ("metadata/annotations", {"container.apparmor.security.beta.kubernetes.io/one": "unconfined"}),
    (f"{OWN}/privileged", True),
    (f"{OWN}/allowPrivilegeEscalation", None),
    (f"{OWN}/allowPrivilegeEscalation", True),
    (f"{OWN}/capabilities", {}),
    (f"{OWN}/capabilities", {"drop": ["NET_RAW"]}),
    (f"{OWN}/capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    (f"{OWN}/procMount", "Unmasked"),
    (f"{OWN}/windowsOptions", {"hostProcess": True}),
    (f"{OWN}/appArmorProfile", {"type": "Unconfined"}),
    (f"{OWN}/seLinuxOptions", {"user": "system_u"}),
    (f"{OWN}/seLinuxOptions", {"role": "system_r"}),
    (f"{OWN}/runAsUser", 0),
    (f"{OWN}/runAsNonRoot", False),
    (f"{OWN}/seccompProfile", {"type": "Unconfined"}),
    (f"{CONTAINER}/ports", [{"containerPort": 80, "hostPort": 80}]),
    (f"{CONTAINER}/livenessProbe", {"httpGet": HOST}),
    (f"{CONTAINER}/lifecycle", {"preStop": {"tcpSocket": HOST}}),
    ("spec/initContainers", [{"name": "first"}]),
    ("spec/ephemeralContainers", [{"name": "later"}]),
]


def put(template: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a template with another value at a path."""
    result = copy.deepcopy(template)
    *outer, last = path.split("/")
    place: Any = result
    for name in outer:
        place = place[int(name) if name.isdigit() else name]
    place[last] = value
    return result


@EACH_FILE
def test_every_pod_is_restricted(path: Path) -> None:
    """Those of hooks and extra containers included."""
    for name, template in templates(render(load(path))).items():
        assert breaches(template) == [], name


def test_a_good_pod_is_none() -> None:
    """What is forbidden may be ruled out in so many words, too."""
    assert breaches(GOOD) == []
    good = put(GOOD, f"{OWN}/capabilities", {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})
    good = put(good, f"{POD}/seLinuxOptions", {"type": "container_t"})
    good = put(good, f"{OWN}/appArmorProfile", {"type": "RuntimeDefault"})
    good = put(good, f"{POD}/sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}])
    assert breaches(put(good, "spec/hostNetwork", value=False)) == []


@pytest.mark.parametrize(("path", "value"), BREACHES)
def test_each_breach_is_seen(path: str, value: object) -> None:
    """One is enough."""
    assert breaches(put(GOOD, path, value))
