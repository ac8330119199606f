"""The broker takes the environment that the chart gives it, and means by it what the values say."""

import re
from pathlib import Path
from typing import Any

import pytest

from broker.errors import SettingsError
from tests.chart.contents import REDIS_FILES
from tests.chart.kubelet import Read, Start
from tests.chart.rendered import render
from tests.chart.samples import EACH_FILE, MINIMAL, changed, load

MEANINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"workers": 4}, "BROKER_WORKERS", "4"),
    ({"threads": 64}, "BROKER_THREADS", "64"),
    ({"log.level": "debug"}, "BROKER_LOG_LEVEL", "debug"),
    ({"log.format": "text"}, "BROKER_LOG_FORMAT", "text"),
    ({"log.requests": 0}, "BROKER_REQUEST_LOG", "0"),
    ({"log.requests": 1}, "BROKER_REQUEST_LOG", "1"),
    ({"log.requests": 0.001}, "BROKER_REQUEST_LOG", "0.001"),
    ({"auditLog": "none"}, "BROKER_AUDIT_LOG", "none"),
    ({"canvas.url": "https://test.example/api"}, "BROKER_CANVAS_URL", "https://test.example/api"),
    ({"publicUrl": "https://tokens.example"}, "BROKER_PUBLIC_URL", "https://tokens.example"),
    ({"redis.prefix": "mine"}, "BROKER_REDIS_PREFIX", "mine"),
    ({"redis.username": "broker"}, "BROKER_REDIS_USERNAME", "broker"),
    ({"shutdown.gracefulTimeoutSeconds": 40}, "BROKER_GRACEFUL_TIMEOUT", "40"),
    ({"settings.BROKER_KEEP_WARM": 7200000}, "BROKER_KEEP_WARM", "7200000"),
    ({"settings.BROKER_KEEP_WARM": "60"}, "BROKER_KEEP_WARM", "60"),
    ({"settings.BROKER_UPSTREAM_BODY_LIMIT": 10000000}, "BROKER_UPSTREAM_BODY_LIMIT", "10000000"),
    ({"settings.BROKER_RELOAD_INTERVAL": 0.5}, "BROKER_RELOAD_INTERVAL", "0.5"),
    ({"settings.BROKER_REDIS_CONNECT_TIMEOUT": 0.1}, "BROKER_REDIS_CONNECT_TIMEOUT", "0.1"),
    ({"settings.BROKER_CANVAS_ALLOW_HTTP": False}, "BROKER_CANVAS_ALLOW_HTTP", "false"),
    ({"settings.BROKER_CANVAS_ALLOW_HTTP": True}, "BROKER_CANVAS_ALLOW_HTTP", "true"),
]


@EACH_FILE
def test_the_broker_takes_what_the_chart_sets(path: Path, settings: Read) -> None:
    """All names, all values, all files that they name, and what they say together."""
    values = load(path)
    found = settings(values)
    assert found.workers == values.get("workers", 2)
    assert found.graceful_timeout == values.get("shutdown", {}).get("gracefulTimeoutSeconds", 25)


@EACH_FILE
def test_every_path_in_the_environment_is_mounted(path: Path, kubelet: Start) -> None:
    """Those inside the URL of Redis, too, which is read when Redis is asked."""
    _, environ = kubelet(load(path))
    named = {name: value for name, value in environ.items() if name.endswith(("_FILE", "_DIR"))}
    options = REDIS_FILES.findall(environ.get("BROKER_REDIS_URL", ""))
    for name, place in [*named.items(), *options]:
        assert Path(place).exists(), name


@EACH_FILE
def test_no_name_stands_twice(path: Path) -> None:
    """Helm applies on the server's side, where that is an error."""
    names = [one["name"] for one in render(load(path)).container()["env"]]
    assert sorted(names) == sorted(set(names))


@EACH_FILE
def test_every_value_is_a_text_as_people_write_it(path: Path) -> None:
    """No number came out as 7.2e+06, and nothing as <nil>."""
    for name, value in render(load(path)).env().items():
        assert isinstance(value, str), name
        assert not re.fullmatch(r"[\d.]+e[+-]?\d+", value), name
        assert "<nil>" not in value, name
        assert "map[" not in value, name


@pytest.mark.parametrize(("values", "name", "text"), MEANINGS)
def test_a_value_becomes_a_setting(
    values: dict[str, Any], name: str, text: str, settings: Read
) -> None:
    """0 and false are values as others are; the broker takes the result."""
    assert render(changed(values)).env()[name] == text
    settings(changed(values))


def test_what_is_not_said_is_left_to_the_broker() -> None:
    """An empty value sets nothing."""
    env = render(MINIMAL).env()
    assert "" not in env.values()
    assert not env.keys() & {"BROKER_CANVAS_URL", "BROKER_PUBLIC_URL", "BROKER_REDIS_PREFIX"}
    assert not env.keys() & {"BROKER_KUBERNETES_AUDIENCE", "BROKER_TLS_CERT_FILE"}


def test_a_setting_that_the_broker_does_not_know_is_seen(settings: Read) -> None:
    """The chart leaves the names to the broker, which reports them at start."""
    with pytest.raises(SettingsError, match="BROKER_KEEP_WARN is not a setting"):
        settings(changed({"settings.BROKER_KEEP_WARN": 1}))


def test_service_account_callers(settings: Read) -> None:
    """The audience, and the broker's own token and authority from one volume."""
    values = changed(
        {
            "serviceAccountCallers.enabled": True,
            "serviceAccountCallers.audience": "tokens",
            "serviceAccountCallers.issuer": "https://issuer.example",
            "serviceAccountCallers.jwksUrl": "https://keys.example/jwks",
            "callers.billing.serviceAccount": "shop:billing",
        }
    )
    found = settings(values)
    assert found.kubernetes_audience == "tokens"
    assert found.kubernetes_issuer == "https://issuer.example"
    assert found.kubernetes_jwks_url == "https://keys.example/jwks"
    assert found.kubernetes_token_file.parent == found.kubernetes_ca_file.parent
