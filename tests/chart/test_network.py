"""Who may connect to whom."""

import re
from typing import Any

from tests.chart.engine import HERE
from tests.chart.rendered import COMPONENT, Object, render
from tests.chart.samples import EVERY_POD, MINIMAL, changed
from tests.chart.test_documents import PAGE

ROW = re.compile(
    r"^\| (\d+)(?:, UDP and TCP)? \| (?:anywhere|the chart's `(\S+)`) \|", re.MULTILINE
)
ON = {"networkPolicy.enabled": True}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
SHOP = {"namespaceSelector": {"matchLabels": {"name": "shop"}}}


def policy(values: dict[str, Any], of: dict[str, Any] = MINIMAL) -> Object:
    """Return what the broker's policy says."""
    found: Object = render(changed({**ON, **values}, of)).one("NetworkPolicy", "broker")["spec"]
    return found


def ports(rule: Object) -> set[tuple[int | str, str]]:
    """Return the ports of a rule with their protocols."""
    return {(port["port"], port.get("protocol", "TCP")) for port in rule["ports"]}


def components(peers: list[Object]) -> set[str]:
    """Return the components of this release that peers are."""
    selectors = [one["podSelector"]["matchLabels"] for one in peers if "podSelector" in one]
    assert all(one["app.kubernetes.io/instance"] == HERE.release for one in selectors)
    return {one[COMPONENT] for one in selectors}


def test_everybody_may_ask() -> None:
    """Callers prove who they are; only their port is open."""
    spec = policy({})
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = spec["ingress"]
    assert ports(rule) == {("http", "TCP")}
    assert "from" not in rule


def test_only_operators_reach_their_port() -> None:
    """Whoever may ask for tokens; those of the one port are not let in to the other."""
    callers, operators = policy({"networkPolicy.metricsFrom": [PROMETHEUS]})["ingress"]
    assert "from" not in callers
    assert (ports(operators), operators["from"]) == ({("management", "TCP")}, [PROMETHEUS])
    some = {"networkPolicy.from": [SHOP], "networkPolicy.metricsFrom": [PROMETHEUS]}
    callers, operators = policy(some)["ingress"]
    assert (callers["from"], operators["from"]) == ([SHOP], [PROMETHEUS])


def test_only_some_may_ask() -> None:
    """Those of the values, and the pod of the test where there is one; on one port all of them."""
    some = {"networkPolicy.from": [SHOP], "networkPolicy.metricsFrom": [PROMETHEUS]}
    tested, _ = policy(some, EVERY_POD)["ingress"]
    assert components(tested["from"]) == {"test"}
    alone = {"management.enabled": False}
    (rule,) = policy({**alone, **some})["ingress"]
    assert rule["from"] == [SHOP, PROMETHEUS]
    (open_to_all,) = policy({**alone, "networkPolicy.metricsFrom": [PROMETHEUS]})["ingress"]
    assert "from" not in open_to_all


def test_where_the_broker_may_go() -> None:
    """To DNS by both protocols, to Redis and its sentinels, to Canvas and the API server."""
    reached = [ports(rule) for rule in policy({})["egress"]]
    assert {(53, "UDP"), (53, "TCP")} in reached
    assert set.union(*reached) == {
        (53, "UDP"),
        (53, "TCP"),
        (6379, "TCP"),
        (26379, "TCP"),
        (443, "TCP"),
        (6443, "TCP"),
    }


def test_other_places() -> None:
    """The ports of the values, and whole rules of the user's own."""
    own = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 3128}]}
    some = {
        "redis.ports": [6380],
        "networkPolicy.egressPorts": [],
        "networkPolicy.extraEgress": [own],
    }
    egress = policy(some)["egress"]
    assert own in egress
    assert set.union(*map(ports, egress)) == {
        (53, "UDP"),
        (53, "TCP"),
        (6380, "TCP"),
        (3128, "TCP"),
    }
    assert not any(rule == {} or not rule["ports"] for rule in egress)


def test_what_the_chart_brings_is_reached_by_name() -> None:
    """Valkey and the emulator: these pods alone, on their ports."""
    egress = policy({}, EVERY_POD)["egress"]
    named = {frozenset(components(rule["to"])): ports(rule) for rule in egress if "to" in rule}
    assert named == {
        frozenset({"valkey"}): {(6379, "TCP")},
        frozenset({"canvas-emulator"}): {(8090, "TCP")},
    }
    anywhere = set.union(*(ports(rule) for rule in egress if "to" not in rule))
    assert not anywhere & {(6379, "TCP"), (26379, "TCP")}


def test_each_way_out_is_documented() -> None:
    """The page's table has the ports of the policy, each with whom it leads to, and no other."""
    egress = [*policy({})["egress"], *policy({}, EVERY_POD)["egress"]]
    found = {
        (port, " ".join(components(rule.get("to", []))))
        for rule in egress
        for port, _ in ports(rule)
    }
    assert {(int(port), to or "") for port, to in ROW.findall(PAGE)} == found


def test_valkey_is_for_the_broker_alone() -> None:
    """Always: it has no password. And it goes nowhere."""
    spec = render(EVERY_POD).one("NetworkPolicy", "valkey")["spec"]
    (rule,) = spec["ingress"]
    assert components(rule["from"]) == {"broker"}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert not spec.get("egress")
