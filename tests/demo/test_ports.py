"""A port that is taken is told with one that is free."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from broker.demo.ports import HOST, PortTakenError, claim, free_port
from tests.servers import free_port as any_port

pytestmark = pytest.mark.sockets


@contextmanager
def listening(host: str = HOST, port: int = 0) -> Iterator[int]:
    """Listen on a port."""
    with socket.create_server((host, port)) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_claimed_and_stays_free() -> None:
    """It is not held: whoever is started may bind it."""
    port = any_port()
    claim(port)
    claim(port)


@pytest.mark.parametrize("host", [HOST, "0.0.0.0"])
def test_a_taken_port_is_told_with_a_free_one(host: str) -> None:
    """Also if somebody listens on all addresses."""
    with listening(host) as port:
        with pytest.raises(PortTakenError) as caught:
            claim(port)
        assert caught.value.port == port
        assert caught.value.free != port
        assert str(caught.value) == f"Port {port} is taken; port {caught.value.free} is free."
        claim(caught.value.free)


def test_a_port_is_free_at_once_after_its_server_ended() -> None:
    """Connections that the server closed linger for a minute; a server binds over them."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)) as client:
            server.accept()[0].close()
            assert client.recv(1) == b""
    claim(port)


def test_the_next_free_port_is_offered() -> None:
    """People remember a port near the one they know."""
    with listening() as port:
        free = free_port(port)
        assert free > port or free < port - 100


def test_a_free_port_is_found_even_at_the_end_of_all_ports() -> None:
    """There is none above the last."""
    assert 0 < free_port(65536) < 65536
    assert 0 < PortTakenError(65535).free < 65536


def test_a_port_that_is_set_aside_is_not_offered() -> None:
    """The other half of the demonstration is to have it."""
    port = any_port()
    assert free_port(port, besides=port) != port
    assert PortTakenError(port - 1, besides=port).free != port
