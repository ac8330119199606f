"""Odd values: either the chart refuses them, or the broker takes them and starts."""

from typing import Any

import pytest

from broker.errors import SettingsError
from tests.chart.engine import RefusedError
from tests.chart.kubelet import Read
from tests.chart.samples import DIGEST, OTHER_DIGEST, changed

CALLER = {"keySha256": [OTHER_DIGEST], "organizations": ["acme"]}
ACCOUNTS = {"serviceAccountCallers.enabled": True}


def caller(**changes: object) -> dict[str, Any]:
    """Return the values of a second caller that is odd in something."""
    return {"callers.odd": CALLER | changes, **ACCOUNTS}


ODD: list[dict[str, Any]] = [
    caller(organizations=["*", "acme"]),
    caller(organizations=["acme", "acme"]),
    caller(organizations=["ACME"]),
    caller(keySha256=OTHER_DIGEST.upper()),
    caller(keySha256=[OTHER_DIGEST, OTHER_DIGEST]),
    caller(keySha256=[DIGEST.upper()]),
    caller(keySha256=""),
    caller(keySha256=None),
    caller(serviceAccount="shop"),
    caller(serviceAccount="shop:orders:more"),
    caller(serviceAccount="Shop:orders"),
    caller(serviceAccount="shop:or.ders"),
    caller(serviceAccount=f"{'n' * 63}:{'a' * 253}"),
    caller(serviceAccount=f"{'n' * 64}:a"),
    caller(serviceAccount=""),
    {"callers.with\\slash": CALLER},
    {'callers.with"quote': CALLER},
    {f"callers.{'x' * 63}": CALLER},
    {f"callers.{'x' * 64}": CALLER},
    {"callers.-x": CALLER},
    {"organizations.-x": {"secretName": "x"}},
    {"organizations.x-": {"secretName": "x"}},
    {f"organizations.{'x' * 63}": {"secretName": "x"}},
    {f"organizations.{'x' * 64}": {"secretName": "x"}},
    {"organizations.a_b": {"secretName": "x"}},
    {"canvas.url": "https://canvas.example/api?x=1"},
    {"canvas.url": "https://canvas.example/api#x"},
    {"canvas.url": "https://user:password@canvas.example/api"},
    {"canvas.url": "https://canvas.example:99999/api"},
    {"canvas.url": "https://"},
    {"canvas.url": "https://canvas.example/api/"},
    {"canvas.url": "HTTPS://canvas.example/api"},
    {"publicUrl": "http://tokens.example"},
    {"publicUrl": "https://tokens.example/path/"},
    {"publicUrl": "https://tokens.example?x"},
    {"publicUrl": "https://tökens.example"},
    {"redis.url": "redis://"},
    {"redis.url": "redis://redis:0"},
    {"redis.url": "redis://redis:6379/x"},
    {"redis.url": "redis://redis:6379?socket_timeout=1"},
    {"redis.url": "redis+sentinel://a:1/m?db=1"},
    {"redis.url": "rediss://redis:6379?ssl_cert_reqs=required&db=1"},
    {"redis.url": "redis://redis:6379?ssl_ca_certs=/x"},
    {"redis.url": "redis://redis:6379/0/1"},
    {"redis.url": "redis://redis:6379?db=1"},
    {"redis.url": "redis+sentinel://a:1,b:1"},
    {"redis.url": "redis+sentinel://a,b/mymaster"},
    {"redis.url": "redis+sentinel://a:1/my/0"},
    {"redis.url": "redis+sentinel://a:1/my/x"},
    {"redis.url": "redis+cluster://a:1,b:1"},
    {"redis.url": "redis+cluster://a/1"},
    {"redis.url": "rediss+cluster://a:1?ssl_check_hostname=false"},
    {"redis.url": "redis://[::1]:6379"},
    {"redis.url": "redis://a,b"},
    {"redis.url": "redis://re dis"},
    {"redis.username": "user name", "redis.password.existingSecret": "x"},
    {"redis.username": "us:er", "redis.password.existingSecret": "x"},
    {"redis.password.existingSecret": "x"},
    {"redis.prefix": "a:b_c.d-e"},
    {"redis.prefix": "a/b"},
    {"auditLog": "/tmp/audit.log"},
    {"auditLog": "/"},
    {"auditLog": "STDOUT"},
    {"log.requests": 0.0001},
    {"log.requests": 1e-7},
    {"log.requests": 1e-6},
    {"threads": 100000},
    {"workers": 1000},
    {"shutdown.gracefulTimeoutSeconds": 100000},
    {**ACCOUNTS, "serviceAccountCallers.audience": "https://tokens.example"},
    {**ACCOUNTS, "serviceAccountCallers.audience": "with space"},
    {**ACCOUNTS, "serviceAccountCallers.issuer": "any-issuer"},
    {**ACCOUNTS, "serviceAccountCallers.jwksUrl": "http://10.0.0.1/jwks"},
    {**ACCOUNTS, "serviceAccountCallers.jwksUrl": "https://keys.example/jwks?x=1"},
    {"settings.BROKER_CANVAS_ALLOW_HTTP": "yes"},
    {"settings.BROKER_KEEP_WARM": -1},
]


@pytest.mark.parametrize("values", ODD, ids=lambda values: str(values)[:60])
def test_what_the_chart_lets_through_the_broker_takes(
    values: dict[str, Any], settings: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for ``settings``, which the broker alone judges, and on a host that allows as much."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    monkeypatch.setattr("broker.settings.host.pids_max", lambda: None)
    try:
        settings(changed(values))
    except RefusedError:
        return
    except SettingsError as error:
        if not any(path.startswith("settings.") for path in values):
            pytest.fail(f"the broker's pods would not start: {error}")
