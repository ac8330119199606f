"""No secret is where everybody can read it: in a ConfigMap, in an environment, in the notes."""

import base64
import json
import re
from pathlib import Path

import pytest

from tests.chart.engine import RefusedError
from tests.chart.rendered import Object, render
from tests.chart.restricted import containers
from tests.chart.samples import EACH_FILE, EVERY_POD, changed, load
from tests.chart.workloads import templates

CANARY = "canary-7f3a9c"
SECRET_SETTINGS = re.compile(r"BROKER_.*(SECRET|PASSWORD|CONSUMER|PROXY|TOKEN|CREDENTIAL_|_KEY)")
LOGIN = re.compile(r"//[^/@\s]*:[^/@\s]+@")
PLACES = [
    "redis.url",
    "redis.existingSecret.name",
    "redis.password.existingSecret",
    "canvas.proxy.existingSecret",
    "canvas.url",
    "organizations.acme.secretName",
    "helmTest.existingSecret",
    "tls.existingSecret",
]
"""Values into which somebody may paste a secret in place of its name."""


def variables(path: Path) -> list[tuple[str, Object]]:
    """Return every variable of every container of the chart, with the container's name."""
    found = templates(render(load(path))).values()
    return [
        (container["name"], variable)
        for template in found
        for container in containers(template["spec"])
        for variable in container.get("env", ())
    ]


@EACH_FILE
def test_secrets_are_files(path: Path) -> None:
    """A variable whose name speaks of a secret names a file, and none holds a login."""
    for container, one in variables(path):
        if container.startswith("extra"):
            continue
        name, value = one["name"], one.get("value", "")
        if SECRET_SETTINGS.search(name):
            assert name.endswith("_FILE"), name
            assert value.startswith("/"), name
        assert not LOGIN.search(value), name


@EACH_FILE
def test_no_variable_is_taken_from_a_secret(path: Path) -> None:
    """It would never change, and every process of the pod could read it."""
    for container, one in variables(path):
        if container in {"broker", "valkey", "canvas-emulator", "test"}:
            sources = one.get("valueFrom", {})
            extra = one in (load(path).get("extraEnv") or [])
            assert extra or "secretKeyRef" not in sources, one["name"]


@EACH_FILE
def test_no_config_map_holds_a_secret(path: Path) -> None:
    """The callers' file has hashes; nothing in any of them looks like a key or a login."""
    for one in render(load(path)).of("ConfigMap"):
        text = json.dumps(one.get("data", {}))
        assert not re.search(r"ctb_[A-Za-z0-9_-]{20,}|PRIVATE KEY|eyJ[A-Za-z0-9]{20,}", text)
        assert not LOGIN.search(text)


@EACH_FILE
def test_the_chart_makes_no_secret_but_that_of_the_demo(path: Path) -> None:
    """All others are named, and made by whoever keeps them."""
    values = load(path)
    found = [one["metadata"]["name"] for one in render(values).of("Secret")]
    own = [name for name in found if not name.startswith("extra")]
    assert len(own) == bool(values.get("demo", {}).get("enabled"))


def test_the_keys_of_the_demo_are_obviously_made_up() -> None:
    """They are in the chart for everybody to read, and in no ConfigMap or variable all the same."""
    rendered = render(EVERY_POD)
    secret = rendered.one("Secret")
    encoded = {k: base64.b64decode(v).decode() for k, v in secret.get("data", {}).items()}
    for text in (secret.get("stringData", {}) | encoded).values():
        assert len(set(text.replace("-", ""))) <= 6, text
        others = [one for one in rendered.objects if one is not secret]
        assert text not in json.dumps(others)
        assert text not in rendered.notes


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_in_place_of_a_name_goes_no_further(place: str) -> None:
    """It is refused, before it lies in any object."""
    for pasted in (f"redis://:{CANARY}@redis:6379", f"{CANARY}/+="):
        with pytest.raises(RefusedError):
            render(changed({place: pasted}))


@pytest.mark.parametrize("option", ["username=x", "password=x", "sentinel_password=x"])
def test_a_login_in_an_option_is_refused(option: str) -> None:
    """Redis URLs may hold logins in their query as well."""
    with pytest.raises(RefusedError, match=r"redis\.url holds a login"):
        render(changed({"redis.url": f"redis+sentinel://a:1/m?{option}"}))
