"""What Prometheus and Grafana get: alert rules about this release's pods, scrapes, a dashboard."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendered import Object, Rendered, render
from tests.chart.samples import MINIMAL, changed
from tests.monitoring.files import SHIPPED, UNIT_TESTS, rules
from tests.monitoring.test_rules import promtool

ON = {"prometheusRule.enabled": True}
HERE = {**ON, "fullnameOverride": "broker"}
"""The unit tests of the rules are about the job ``broker`` in the namespace ``tokens``."""
TARGET = {"namespace": "tokens", "job": "broker"}
ALERTS = sorted({rule.alert for rule in rules()})


def alerts(rendered: Rendered) -> list[Object]:
    """Return the rules that the Prometheus operator would get."""
    groups = rendered.one("PrometheusRule")["spec"]["groups"]
    assert all(group["rules"] for group in groups)
    return [rule for group in groups for rule in group["rules"]]


def written(values: dict[str, Any], folder: Path) -> Path:
    """Write the rules as the operator would hand them to Prometheus; return the file."""
    path = folder / "rules.yaml"
    groups = render(changed(values)).one("PrometheusRule")["spec"]
    path.write_text(yaml.safe_dump(groups), "utf-8")
    return path


def retold(path: Path, rule_file: Path) -> dict[str, Any]:
    """Return unit tests of the rules for those of a release: they always tell whose pods it is."""
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    for test in document["tests"]:
        for one in test["alert_rule_test"]:
            for alert in one.get("exp_alerts", ()):
                alert["exp_labels"] = TARGET | alert["exp_labels"]
    return document | {"rule_files": [str(rule_file)]}


@pytest.mark.sockets
class TestPromtool:
    def test_the_rules_are_sound(self, tmp_path: Path) -> None:
        """All of them, with all that the values can add."""
        more = {"prometheusRule.alertLabels": {"team": "core"}, **ON}
        path = written(more, tmp_path)
        assert f"{len(rules())} rules found" in promtool("check", "rules", path)

    @pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
    def test_the_unit_tests_pass(self, path: Path, tmp_path: Path) -> None:
        """Of this release's pods each alert fires when it should, and at nobody else's."""
        test = tmp_path / "test.yaml"
        test.write_text(yaml.safe_dump(retold(path, written(HERE, tmp_path))), "utf-8")
        promtool("test", "rules", test)

    def test_the_unit_tests_would_see_another_job(self, tmp_path: Path) -> None:
        """Rules about pods of another name are silent about these."""
        test = tmp_path / "test.yaml"
        other = written({**HERE, "fullnameOverride": "other"}, tmp_path)
        test.write_text(yaml.safe_dump(retold(UNIT_TESTS[0], other)), "utf-8")
        with pytest.raises(AssertionError, match="FAILED"):
            promtool("test", "rules", test)


def test_every_selector_is_about_this_release() -> None:
    """Namespace and job stand in each pair of braces; the job is the Service's name."""
    rendered = render(changed(ON))
    job = rendered.one("Service", "broker")["metadata"]["name"]
    for rule in alerts(rendered):
        ours = rule["expr"].count(f'{{namespace="tokens",job="{job}",')
        assert ours == rule["expr"].count("{") > 0, rule["alert"]


def test_nothing_else_of_a_rule_is_changed() -> None:
    """Least of all what stands in braces for Prometheus."""
    known = yaml.safe_load((SHIPPED / "rules.yaml").read_text("utf-8"))["groups"]
    shipped = [rule for group in known for rule in group["rules"]]
    rendered = alerts(render(changed(ON)))
    without = [{k: v for k, v in rule.items() if k != "expr"} for rule in shipped]
    assert [{k: v for k, v in rule.items() if k != "expr"} for rule in rendered] == without
    groups = render(changed(ON)).one("PrometheusRule")["spec"]["groups"]
    assert [(g["name"], g["interval"]) for g in groups] == [
        (g["name"], g["interval"]) for g in known
    ]


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_can_be_left_out(alert: str) -> None:
    """All rules of its name, and no other."""
    left = alerts(render(changed({**ON, "prometheusRule.disabled": [alert]})))
    expected = [rule.alert for rule in rules() if rule.alert != alert]
    assert [rule["alert"] for rule in left] == expected


def test_a_whole_group_can_be_left_out() -> None:
    """A group without rules is not there at all."""
    left = render(changed({**ON, "prometheusRule.disabled": ALERTS[1:]}))
    assert {rule["alert"] for rule in alerts(left)} == {ALERTS[0]}


def test_what_the_values_add() -> None:
    """Labels, and where the runbook is to be read; what a rule says itself stays."""
    more = {
        **ON,
        "prometheusRule.labels": {"release": "prometheus"},
        "prometheusRule.alertLabels": {"team": "core"},
        "prometheusRule.runbookUrlPrefix": "https://wiki.example/broker",
    }
    rendered = render(changed(more))
    assert rendered.one("PrometheusRule")["metadata"]["labels"]["release"] == "prometheus"
    for rule in alerts(rendered):
        assert rule["labels"]["team"] == "core"
        assert rule["labels"]["severity"] in {"page", "ticket"}
        anchor = rule["alert"].lower()
        expected = f"https://wiki.example/broker/docs/alerts.md#{anchor}"
        assert rule["annotations"]["runbook"] == expected


def test_none_of_it_is_there_unasked() -> None:
    """The kinds of the Prometheus operator are not known everywhere."""
    kinds = {one["kind"] for one in render(MINIMAL).objects}
    assert not kinds & {"PrometheusRule", "ServiceMonitor", "NetworkPolicy"}
    assert len(render(MINIMAL).of("ConfigMap")) == 1


def test_the_service_monitor() -> None:
    """It scrapes the port for operators, as often as the rules expect, and calls it as they do."""
    own = {"action": "labeldrop", "regex": "x"}
    more = {
        "serviceMonitor.enabled": True,
        "serviceMonitor.labels": {"release": "prometheus"},
        "serviceMonitor.relabelings": [own],
        "serviceMonitor.metricRelabelings": [{"action": "keep", "regex": "broker_.*"}],
    }
    rendered = render(changed(more))
    monitor = rendered.one("ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"].keys() <= {"selector", "endpoints"}
    assert monitor["spec"]["endpoints"] == [
        {
            "port": "management",
            "path": "/metrics",
            "scheme": "http",
            "interval": "30s",
            "scrapeTimeout": "10s",
            "relabelings": [
                {"targetLabel": "job", "replacement": "broker-canvas-token-broker"},
                own,
            ],
            "metricRelabelings": more["serviceMonitor.metricRelabelings"],
        }
    ]
    ports = rendered.one("Service", "management")["spec"]["ports"]
    assert ports == [
        {"name": "management", "port": 8081, "targetPort": "management", "appProtocol": "http"}
    ]


def test_the_service_monitor_with_tls() -> None:
    """With TLS if that port has it; what the values say of it is handed on."""
    more = {"serviceMonitor.enabled": True, "tls.existingSecret": "pair"}
    secure = {**more, "serviceMonitor.tlsConfig": {"insecureSkipVerify": True}}
    rendered = render(changed(secure))
    (endpoint,) = rendered.one("ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("management", "https")
    assert endpoint["tlsConfig"]["insecureSkipVerify"] is True
    assert endpoint["tlsConfig"]["serverName"] == "broker-canvas-token-broker.tokens.svc"
    (port,) = rendered.one("Service", "management")["spec"]["ports"]
    assert port["appProtocol"] == "https"
    plain = render(changed({**secure, "management.tls": False}))
    (endpoint,) = plain.one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["scheme"] == "http"
    assert "tlsConfig" not in endpoint


def test_without_a_port_of_its_own_the_callers_is_scraped() -> None:
    """As it was before there was one."""
    alone = render(changed({"serviceMonitor.enabled": True, "management.enabled": False}))
    (endpoint,) = alone.one("ServiceMonitor")["spec"]["endpoints"]
    (port,) = alone.one("Service")["spec"]["ports"]
    assert endpoint["port"] == port["name"] == "http"


def test_the_service_for_operators_is_not_open_to_the_outside() -> None:
    """Whatever the type of the callers'; it has a port, labels and annotations of its own."""
    more = {
        "service.type": "LoadBalancer",
        "service.annotations": {"a": "callers"},
        "management.port": 9000,
        "management.labels": {"team": "core"},
        "management.annotations": {"a": "operators"},
    }
    found = render(changed(more)).one("Service", "management")
    assert found["spec"]["type"] == "ClusterIP"
    assert [port["port"] for port in found["spec"]["ports"]] == [9000]
    assert found["metadata"]["labels"]["team"] == "core"
    assert found["metadata"]["annotations"] == {"a": "operators"}


def test_the_dashboard_is_the_one_that_is_shipped() -> None:
    """To the letter, under the label that Grafana's sidecar looks for."""
    more = {"dashboard.enabled": True, "dashboard.annotations": {"folder": "tokens"}}
    rendered = render(changed(more))
    (found,) = (one for one in rendered.of("ConfigMap") if "callers.toml" not in one["data"])
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"]["folder"] == "tokens"
    ((name, text),) = found["data"].items()
    assert name.endswith(".json")
    assert json.loads(text) == json.loads((SHIPPED / "dashboard.json").read_text("utf-8"))
