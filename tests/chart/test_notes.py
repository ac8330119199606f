"""What is printed after an installation: what is left to do, and what a calling pod needs."""

import re
import textwrap
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.binary import Helm
from tests.chart.engine import CHART, NAMESPACE, RELEASE
from tests.chart.rendered import Object, Rendered, render
from tests.chart.samples import DEMO, EACH_FILE, EVERY_POD, MINIMAL, changed, load

ACCOUNTS = {"serviceAccountCallers.enabled": True}
NAMED = {
    "organizations.acme": {"secretName": "n-keys", "consumerKey": "CO", "secretKeyKey": "SK"},
    "redis.url": "rediss+sentinel://a:1,b:1/m",
    "redis.password.existingSecret": "n-password",
    "redis.sentinel.password.existingSecret": "n-sentinels",
    "redis.tls.caSecret": "n-redis-ca",
    "redis.tls.clientSecret": "n-redis-pair",
    "canvas.proxy.existingSecret": "n-proxy",
    "canvas.ca.configMap": "n-canvas-ca",
    "tls.existingSecret": "n-tls",
    "tls.clientCaSecret": "n-clients",
    "helmTest.enabled": True,
    "helmTest.existingSecret": "n-test",
}
"""Values that name everything that can be named."""


def block(rendered: Rendered) -> dict[str, Any]:
    """Return what the notes say that a calling pod needs, read as YAML."""
    after = rendered.notes.split("WHAT A CALLING POD NEEDS")[1]
    there = dropwhile(lambda line: line != "  containers:", after.splitlines())
    lines = takewhile(lambda line: line[:1] in {" ", ""}, there)
    found: dict[str, Any] = yaml.safe_load(textwrap.dedent("\n".join(lines)))
    return found


def named(rendered: Rendered) -> set[tuple[str, str]]:
    """Return each Secret and ConfigMap that the pods name, with each key."""
    pods = [rendered.broker()["spec"]["template"], *rendered.of("Pod")]
    sources = [s for pod in pods for volume in pod["spec"]["volumes"] for s in projected(volume)]
    made = {one["metadata"]["name"] for one in rendered.of("ConfigMap")} | {"kube-root-ca.crt"}
    return {
        (source["name"], item["key"])
        for source in sources
        for item in source["items"]
        if source["name"] not in made and not source.get("optional")
    }


def projected(volume: Object) -> list[Object]:
    """Return the Secrets and ConfigMaps in a projected volume."""
    sources = volume.get("projected", {}).get("sources", ())
    kinds = ("secret", "configMap")
    return [source[kind] for source in sources for kind in kinds if kind in source]


@EACH_FILE
def test_the_notes_are_whole(path: Path) -> None:
    """Nothing was left out by a template, and no line is a hundred characters of nothing."""
    notes = render(load(path)).notes
    assert "WHAT IS LEFT TO DO" in notes
    for trace in ("<nil>", "<no value>", "map[", "%!", "{{", "error calling"):
        assert trace not in notes, trace
    assert "\n\n\n\n" not in notes


@EACH_FILE
def test_commands_name_what_is_there(path: Path) -> None:
    """The release, the namespace, the Deployment, the Service."""
    values = load(path)
    rendered = render(values)
    name = rendered.broker()["metadata"]["name"]
    notes = rendered.notes
    assert f"kubectl -n tokens rollout status deployment/{name}\n" in notes
    assert set(re.findall(r"deployment/(\S+)", notes)) == {name}
    services = {one["metadata"]["name"] for one in rendered.of("Service")}
    assert set(re.findall(r"service/(\S+)", notes)) <= services
    tested = bool(values.get("helmTest", {}).get("enabled"))
    assert ("helm -n tokens test broker" in notes) == tested


@pytest.mark.sockets
def test_the_real_helm_prints_the_same(command: Helm) -> None:
    """After all objects, at the end of an installation; here of one that is only played."""
    values = ("--values", str(DEMO), "--namespace", NAMESPACE)
    done = command.run("install", RELEASE, CHART, *values, "--dry-run=client")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\nNOTES:\n")[1].strip() == render(load(DEMO)).notes.strip()


def test_every_secret_that_must_be_there_is_named() -> None:
    """With all its keys, on one line; what a template mounts and the notes forget fails here."""
    rendered = render(changed(NAMED))
    lines = rendered.notes.splitlines()
    wanted = named(rendered)
    assert {name for name, _ in wanted} >= {str(v) for v in NAMED.values() if str(v)[:2] == "n-"}
    for name, key in wanted:
        assert any(f" {name} " in line and key in line for line in lines), (name, key)


def test_nothing_to_make_is_said_so() -> None:
    """The demo brings its own; the list that others see is not there."""
    row = re.compile(r"^  (Secret|ConfigMap) ", re.MULTILINE)
    assert row.search(render(MINIMAL).notes)
    assert not row.search(render(EVERY_POD).notes)
    assert re.search(r"^1\. .*Secret.*make", render(EVERY_POD).notes, re.MULTILINE)


@pytest.mark.parametrize("values", [{}, ACCOUNTS, {"tls.existingSecret": "x"}], ids=str)
def test_where_operators_look(values: dict[str, Any]) -> None:
    """At the port that is theirs, or at the only one."""
    scheme = "https" if "tls.existingSecret" in values else "http"
    rendered = render(changed(values))
    name = rendered.broker()["metadata"]["name"]
    assert f"{scheme}://127.0.0.1:8081/status" in rendered.notes
    assert f"port-forward service/{name}-management 8081:management\n" in rendered.notes
    alone = render(changed({**values, "management.enabled": False})).notes
    assert f"port-forward service/{name} 8081:{scheme}\n" in alone
    plain = render(changed({**values, "management.tls": False})).notes
    assert "http://127.0.0.1:8081/status" in plain


@pytest.mark.parametrize("values", [{}, ACCOUNTS, {"tls.existingSecret": "x"}], ids=str)
def test_the_block_for_a_calling_pod(values: dict[str, Any]) -> None:
    """It can be pasted: its URL is the Service's, its mount has its volume."""
    rendered = render(changed(values))
    found = block(rendered)
    (container,) = found["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    scheme = "https" if "tls.existingSecret" in values else "http"
    service = rendered.one("Service", "broker")["metadata"]["name"]
    assert env["TOKEN_BROKER"] == f"{scheme}://{service}.tokens.svc:8080"
    if values != ACCOUNTS:
        assert env.keys() == {"TOKEN_BROKER", "TOKEN_BROKER_KEY"}
        return
    (mount,), (volume,) = container["volumeMounts"], found["volumes"]
    assert mount["name"] == volume["name"]
    assert env["TOKEN_BROKER_TOKEN_FILE"] == f"{mount['mountPath']}/token"
    (source,) = volume["projected"]["sources"]
    audience = rendered.env()["BROKER_KUBERNETES_AUDIENCE"]
    assert source["serviceAccountToken"]["audience"] == audience
    assert source["serviceAccountToken"]["path"] == "token"


def test_the_curl_of_the_notes() -> None:
    """With a key, or with the token of the pod's account, for an organization that is there."""
    key, account = render(MINIMAL).notes, render(changed(ACCOUNTS)).notes
    assert 'Bearer $TOKEN_BROKER_KEY" "$TOKEN_BROKER/token?organization=acme"' in key
    assert 'Bearer $(cat "$TOKEN_BROKER_TOKEN_FILE")"' in account


def test_a_public_url_goes_before_the_service() -> None:
    """It is where callers are told to ask."""
    rendered = render(changed({"publicUrl": "https://tokens.example"}))
    assert block(rendered)["containers"][0]["env"][0]["value"] == "https://tokens.example"


def test_the_callers_are_named() -> None:
    """And where they are kept, if it is not in the values."""
    assert "The callers are billing." in render(MINIMAL).notes
    other = changed({"callers": {}, "existingCallers.configMap": "mine"})
    assert "ConfigMap mine" in render(other).notes
