import struct
from ipaddress import IPv4Address

from tests.node.names import answer, zone_of

ZONE = {"redis.data.svc.cluster.local": IPv4Address("10.0.0.7")}
A, AAAA = 1, 28


def query(name: str, kind: int = A) -> bytes:
    """Return a query with the identifier 77 that wants recursion."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return struct.pack(">HHHHHH", 77, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


def test_a_service_has_its_address() -> None:
    """In one record, whatever the case of the name."""
    asked = query("Redis.data.svc.cluster.local")
    reply = answer(asked, ZONE)
    number, flags, _, answers, _, _ = struct.unpack_from(">HHHHHH", reply)
    assert (number, flags & 0xF, answers) == (77, 0, 1)
    assert reply[12 : len(asked)] == asked[12:]
    assert reply[-4:] == IPv4Address("10.0.0.7").packed


def test_a_service_has_no_address_of_another_kind() -> None:
    """That is no error: the name is there."""
    _, flags, _, answers, _, _ = struct.unpack_from(
        ">HHHHHH", answer(query("redis.data.svc.cluster.local", AAAA), ZONE)
    )
    assert (flags & 0xF, answers) == (0, 0)


def test_another_name_is_not_there() -> None:
    """So that the resolver goes on with its next search domain."""
    _, flags, *_ = struct.unpack_from(">HHHHHH", answer(query("redis.data"), ZONE))
    assert flags & 0xF == 3


def test_services_are_named_in_full() -> None:
    """Those without an address of their own are left out."""
    services = [
        {"metadata": {"name": "redis", "namespace": "data"}, "spec": {"clusterIP": "10.0.0.7"}},
        {"metadata": {"name": "headless", "namespace": "data"}, "spec": {"clusterIP": "None"}},
        {"metadata": {"name": "external", "namespace": "data"}, "spec": {}},
    ]
    assert zone_of(services) == ZONE
