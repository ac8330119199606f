"""The way to Canvas, tried step by step without keys."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from broker.clock import SystemClock
from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from broker.limits import Limits
from broker.upstream.lifetime import http_date
from broker.upstream.probe import CanvasProbe, ProbeError, Reply
from tests.servers import free_port
from tests.upstream.samples import CREDENTIALS, DATE, HASTY, LIMITS, NOW, FakeClock, http
from tests.upstream.scripted import ScriptedServer
from tests.upstream.test_tls import certificate, server_context, trusting

pytestmark = pytest.mark.sockets

ANSWER = b"HTTP/1.1 %d Word\r\nContent-Length: 0\r\nDate: %b\r\n\r\n"


def probe_at(url: str, limits: Limits = LIMITS, **options: Any) -> CanvasProbe:
    """Return a probe on the host's clock."""
    return CanvasProbe(url, limits, SystemClock(), **options)


def refusal(step: Callable[[], object]) -> ProbeError:
    """Return how a step failed, without a cause or context that could tell more."""
    with pytest.raises(ProbeError) as caught:
        step()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def answer(status: int) -> bytes:
    """Return an empty answer."""
    return ANSWER % (status, DATE.encode())


def test_no_step_is_a_login() -> None:
    """Canvas is asked for its base URL alone, once, and sees no key."""
    with ScriptedServer(answer(404)) as server:
        probe = probe_at(server.url)
        assert probe.resolve() == 1
        probe.connect()
        assert probe.ask().status == 404
    requests = [raw for raw in server.received if raw]
    assert len(requests) == 1
    assert requests[0].startswith(b"GET /api/ HTTP/1.1\r\n")
    assert not re.search(rb"consumer|secretkey|authenticate|refresh", requests[0], re.IGNORECASE)


def test_the_emulator_counts_no_login() -> None:
    """It would notice one."""
    keys = {CREDENTIALS.consumer.reveal(): CREDENTIALS.secret_key.reveal()}
    with EmulatorServer(Canvas(keys)) as emulator:
        reply = probe_at(emulator.url).ask()
        counted: Any = emulator.stats()["calls"]
        assert not any(counted.values())
    assert reply.ahead == pytest.approx(0, abs=1)


def test_the_clock_of_canvas_is_compared() -> None:
    """It is ahead of a host that is behind, exact to a second."""
    with ScriptedServer(answer(404)) as server:
        clock = FakeClock(wall=NOW - 60)
        found = CanvasProbe(server.url, LIMITS, clock).ask().ahead
    assert found == pytest.approx(60, abs=1)
    assert http_date(DATE) == NOW


def test_an_answer_without_a_date() -> None:
    """Nothing can be compared."""
    with ScriptedServer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as server:
        assert probe_at(server.url).ask() == Reply(404, None)


def test_a_long_page_is_an_answer_too() -> None:
    """The limit for tokens does not count for what visitors are shown."""
    page = http(b"x" * (LIMITS.upstream_body_limit + 1))
    with ScriptedServer(page) as server:
        assert probe_at(server.url).ask().status == 200


@pytest.mark.parametrize(
    ("status", "failing"), [(200, False), (302, False), (404, False), (429, True), (503, True)]
)
def test_what_counts_as_failing(status: int, failing: bool) -> None:
    """Not the 404 that is to be expected."""
    assert Reply(status, None).failing is failing


def test_a_name_that_nobody_knows() -> None:
    """It is told as such, also where it is no name at all."""
    assert refusal(probe_at("https://canvas.invalid/api").resolve).kind == "dns"
    assert refusal(probe_at(f"https://{'a' * 70}.example/api").resolve).kind == "dns"


def test_nobody_listens() -> None:
    """Each step that needs the connection says so."""
    probe = probe_at(f"https://127.0.0.1:{free_port()}/api")
    assert refusal(probe.connect).kind == "connect"
    assert refusal(probe.shake_hands).kind == "connect"
    assert refusal(probe.ask).kind == "connect"


def test_an_answer_that_does_not_come() -> None:
    """The limit of any call holds."""
    with ScriptedServer(5.0) as server:
        assert refusal(probe_at(server.url, HASTY).ask).kind == "timeout"


def test_what_is_not_http() -> None:
    """Another service at this port."""
    with ScriptedServer(b"220 mail.example ESMTP\r\n", 0.1) as server:
        assert refusal(probe_at(server.url).ask).kind == "protocol"


class TestTls:
    def test_a_certificate_that_is_trusted(self, tmp_path: Path) -> None:
        """By the authority that is named."""
        file = certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        with ScriptedServer(answer(404), tls=server_context(file)) as server:
            probe = probe_at(server.url, tls=trusting(file))
            assert probe.secure
            assert probe.shake_hands() == "TLSv1.3"
            assert probe.ask().status == 404

    def test_a_certificate_of_nobody(self, tmp_path: Path) -> None:
        """OpenSSL says why."""
        file = certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        with ScriptedServer(answer(404), tls=server_context(file)) as server:
            found = refusal(probe_at(server.url).shake_hands)
        assert found.kind == "tls"
        assert "self-signed" in found.reason

    def test_a_certificate_for_another_host(self, tmp_path: Path) -> None:
        """The name is verified."""
        file = certificate(tmp_path, x509.DNSName("canvas.example"))
        with ScriptedServer(answer(404), tls=server_context(file)) as server:
            found = refusal(probe_at(server.url, tls=trusting(file)).shake_hands)
        assert found.kind == "tls"
        assert "mismatch" in found.reason

    def test_what_does_not_speak_tls(self) -> None:
        """No certificate was seen."""
        with ScriptedServer(b"HTTP/1.1 400 Bad\r\n\r\n", 0.1, first=True) as server:
            found = refusal(probe_at(server.url.replace("http", "https")).shake_hands)
        assert (found.kind, found.reason) == ("tls", "")

    def test_a_handshake_that_stops(self, tmp_path: Path) -> None:
        """It is not waited for."""
        with ScriptedServer(5.0, first=True) as server:
            found = refusal(probe_at(server.url.replace("http", "https"), HASTY).shake_hands)
        assert found.kind == "connect_timeout"


class TestThroughAProxy:
    def test_the_first_steps_are_about_the_proxy(self) -> None:
        """Canvas's own name need not be known here."""
        with ScriptedServer(answer(404)) as proxy:
            way = f"http://user:canary@127.0.0.1:{proxy.port}"
            probe = probe_at("http://canvas.invalid/api", proxy=way)
            assert probe.proxied
            assert probe.resolve() == 1
            probe.connect()
            assert probe.ask().status == 404
        assert proxy.received[-1].startswith(b"GET http://canvas.invalid/api/ HTTP/1.1\r\n")

    def test_a_proxy_that_refuses(self) -> None:
        """Without its user and password in what is told."""
        with ScriptedServer(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as proxy:
            way = f"http://user:canary@127.0.0.1:{proxy.port}"
            found = refusal(probe_at("https://canvas.invalid/api", proxy=way).ask)
        assert found.kind == "proxy"
        assert "canary" not in repr(found)
