"""The callers of the values are those that the broker reads in the ConfigMap."""

from pathlib import Path
from typing import Any

import pytest

from broker.callers import EVERYTHING, Caller
from broker.files.callers import parse_callers, read_callers
from tests.chart.kubelet import Start
from tests.chart.rendered import Rendered, render
from tests.chart.samples import DIGEST, EACH_FILE, EVERY_POD, MINIMAL, OTHER_DIGEST, changed, load

KEY = "BROKER_CALLERS_FILE"
ONE = {"keySha256": [DIGEST], "organizations": ["acme"]}


def texts(rendered: Rendered) -> list[str]:
    """Return the callers files of the chart's own ConfigMaps."""
    maps = (one.get("data", {}) for one in rendered.of("ConfigMap"))
    return [data["callers.toml"] for data in maps if "callers.toml" in data]


def callers(values: dict[str, Any]) -> dict[str, Caller]:
    """Return the callers that the broker reads, which has nothing to complain of."""
    (text,) = texts(render(values))
    found, problems = parse_callers(text)
    assert problems == []
    return {one.name: one for one in found.callers}


def meant(name: str, entry: dict[str, Any]) -> Caller:
    """Return the caller that an entry of the values means."""
    hashes = entry.get("keySha256") or []
    organizations = entry["organizations"]
    return Caller(
        name=name,
        organizations=EVERYTHING if organizations == ["*"] else frozenset(organizations),
        key_sha256=frozenset([hashes] if isinstance(hashes, str) else hashes),
        service_account=entry.get("serviceAccount"),
    )


@EACH_FILE
def test_each_caller_is_the_one_meant(path: Path) -> None:
    """None is missing, and none was made up but that of ``helm test``."""
    values = load(path)
    if "existingCallers" in values:
        assert texts(render(values)) == []
        return
    found = callers(values)
    expected = {name: meant(name, entry) for name, entry in values.get("callers", {}).items()}
    assert {name: found[name] for name in expected} == expected
    assert found.keys() - expected.keys() <= {"helm-test"}


def test_every_form_of_a_caller() -> None:
    """A name with a dot, several keys, an account, all organizations."""
    entries: dict[str, Any] = {
        "with.dot": {"keySha256": [DIGEST, OTHER_DIGEST], "organizations": ["acme"]},
        "both-ways_1": {
            "keySha256": ["aa" * 32],
            "serviceAccount": "shop:orders",
            "organizations": ["*"],
        },
        "account": {"serviceAccount": "shop:reports", "organizations": ["acme"]},
        "1": {"keySha256": ["12" * 32], "organizations": ["acme"]},
    }
    values = changed({"callers": entries, "serviceAccountCallers.enabled": True})
    assert callers(values) == {name: meant(name, entry) for name, entry in entries.items()}


def test_no_caller_of_another_file_stays() -> None:
    """The chart's own values name none."""
    assert callers(MINIMAL).keys() == {"billing"}


@pytest.mark.parametrize(
    "named",
    [
        {"existingCallers.configMap": "mine"},
        {"existingCallers.configMaps": ["mine", "theirs"]},
        {"existingCallers.configMap": "mine", "existingCallers.configMaps": ["theirs", "mine"]},
    ],
    ids=str,
)
def test_existing_callers_are_mounted_under_names_that_the_broker_reads(
    kubelet: Start, named: dict[str, Any]
) -> None:
    """Whatever their key is called, and however many ConfigMaps there are."""
    values = changed({"callers": {}, "existingCallers.key": "who.toml", **named})
    names = ["mine", "theirs"] if "existingCallers.configMaps" in named else ["mine"]
    node, environ = kubelet(values)
    found, problems = read_callers(Path(environ[KEY]))
    assert ([one.name for one in found.callers], problems) == (names, ())
    volumes = node.rendered.broker()["spec"]["template"]["spec"]["volumes"]
    (sources,) = (one["projected"]["sources"] for one in volumes if one["name"] == "callers")
    assert [one["configMap"]["name"] for one in sources] == names
    assert [one["key"] for one in sources[0]["configMap"]["items"]] == ["who.toml"]


def test_a_change_of_callers_restarts_nothing() -> None:
    """The broker reads its files again; pods of the same values but for callers are the same."""
    more = changed({"callers.reports": {"keySha256": [OTHER_DIGEST], "organizations": ["*"]}})
    assert render(more).broker() == render(MINIMAL).broker()
    assert texts(render(more)) != texts(render(MINIMAL))


def test_the_caller_of_the_helm_test() -> None:
    """Its own service account, for one organization: the one named, or the first.

    In the demo without a word, of real organizations only where that is asked for.
    """
    values = EVERY_POD
    account = callers(values)["helm-test"]
    (pod,) = render(values).of("Pod")
    assert account.service_account == f"tokens:{pod['spec']['serviceAccountName']}"
    assert account.organizations == frozenset({"demo"})
    two = {"acme": {"secretName": "a"}, "globex": {"secretName": "b"}}
    enabled = {
        "serviceAccountCallers.enabled": True,
        "helmTest.enabled": True,
        "helmTest.serviceAccountCaller": True,
    }
    named = changed({**enabled, "organizations": two, "helmTest.organization": "globex"})
    assert callers(named)["helm-test"].organizations == frozenset({"globex"})
    first = changed({**enabled, "organizations": two})
    assert callers(first)["helm-test"].organizations == frozenset({"acme"})
    by_key = changed({"helmTest.enabled": True, "helmTest.existingSecret": "a-key"})
    assert "helm-test" not in callers(by_key)
