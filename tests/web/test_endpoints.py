"""Each path answers on its ports and is unknown on any other, whatever the method."""

from dataclasses import replace
from itertools import product

import pytest
from flask import Flask
from gunicorn.asgi.parser import LimitRequestHeaders

from broker.settings import ManagementTls, load, load_inputs
from broker.web.answer import STANDING
from broker.web.app import MANAGEMENT, create_app, edge
from broker.web.edge import EdgeApp
from broker.web.endpoints import EVERY, PORTS, Port
from broker.web.malformed import MALFORMED
from broker.web.reading import Reading
from tests.web.requests import sent
from tests.web.rig import KEY, Rig, error_of

METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS")
ELSEWHERE = [(port, path) for path, ports in PORTS.items() for port in EVERY - ports]


def _paths(app: Flask) -> set[str]:
    return {rule.rule for rule in app.url_map.iter_rules()}


def _app(rig: Rig, *ports: Port) -> Flask:
    return edge(rig.desk, rig, rig.meters, app=EdgeApp(ports=frozenset(ports)))


@pytest.fixture
def split(environ: dict[str, str]) -> dict[str, str]:
    """Return settings with a port for operators."""
    return {**environ, "BROKER_MANAGEMENT_BIND": "127.0.0.1:8081"}


def test_without_a_management_port_every_path_answers(environ: dict[str, str]) -> None:
    """On the one port that there is."""
    settings = load(environ)
    app = create_app(settings, load_inputs(settings))
    assert _paths(app) == set(PORTS)
    assert MANAGEMENT not in app.extensions


def test_with_one_each_application_has_its_paths(split: dict[str, str]) -> None:
    """Those of probes are in both; none is in neither."""
    settings = load(split)
    app = create_app(settings, load_inputs(settings))
    callers, operators = _paths(app), _paths(app.extensions[MANAGEMENT])
    assert callers == {path for path, ports in PORTS.items() if Port.CALLERS in ports}
    assert callers | operators == set(PORTS)
    assert callers & operators == {"/health/live", "/health/ready"}


@pytest.mark.parametrize(("port", "path"), ELSEWHERE)
def test_elsewhere_a_path_is_unknown(rig: Rig, port: Port, path: str) -> None:
    """The answer is that to a path that nobody knows, to its last byte, and nothing is audited."""
    client = _app(rig, port).test_client()
    for method, key in product(METHODS, (KEY, "unknown")):
        headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "one"}
        answer, unknown = (client.open(p, method=method, headers=headers) for p in (path, "/no"))
        assert answer.status_code == 404
        assert list(answer.headers) == list(unknown.headers)
        assert answer.data == unknown.data
    error_of(client.get(path), 404, "not_found")
    assert rig.audit == []


def test_a_view_that_is_in_no_table_cannot_be_added(rig: Rig) -> None:
    """Its ports must be decided."""
    with pytest.raises(KeyError):
        rig.app.add_url_rule("/new", view_func=lambda: "")


@pytest.mark.parametrize(("port", "audited"), [(Port.CALLERS, 1), (Port.MANAGEMENT, 0)])
def test_a_malformed_request_for_a_token(rig: Rig, port: Port, audited: int) -> None:
    """It is audited where there are tokens, and refused in either case."""
    app = _app(rig, port)
    reading = Reading()
    with pytest.raises(LimitRequestHeaders) as error:
        reading.take(sent("GET /token", ("X: " + "y" * 9000,)))
    answer = app.extensions[MALFORMED].refuse(error.value, "", reading)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert len(rig.audit) == audited


@pytest.mark.parametrize(("tls", "told"), [("same", 1), ("off", 0)])
def test_hsts_is_not_told_in_the_clear(split: dict[str, str], tls: str, told: int) -> None:
    """RFC 6797 section 7.2."""
    settings = replace(load(split), hsts_max_age=7, management_tls=ManagementTls(tls))
    app = create_app(settings, load_inputs(settings))
    for served, expected in ((app, 1), (app.extensions[MANAGEMENT], told)):
        headers = served.test_client().get("/health/live").headers
        assert len(headers.getlist("Strict-Transport-Security")) == expected


@pytest.mark.parametrize("path", [*PORTS, "/unknown"])
@pytest.mark.parametrize("method", METHODS)
def test_no_header_is_told_twice(rig: Rig, method: str, path: str) -> None:
    """Those of every answer are on each, once."""
    headers = _app(rig, *EVERY).test_client().open(path, method=method).headers
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))
    assert {name.lower() for name, _ in STANDING} <= set(names)


def test_an_upgrade_is_declined_by_an_answer(rig: Rig) -> None:
    """A server may ignore it (RFC 9110 section 7.8); what is asked for is answered."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Authorization": f"Bearer {KEY}"}
    assert (
        _app(rig, *EVERY).test_client().get("/token?min_ttl=1", headers=upgrade).status_code == 200
    )
