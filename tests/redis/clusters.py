"""Six nodes: three primaries with a replica each. More may be started beside them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.redis.nodes import Node, wait_until
from tests.servers import free_port, valkey_binary

SLOTS = 16384
OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
SOONER = ("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")


def node(directory: Path) -> Node:
    """Return a node that belongs to no cluster yet; its bus has a port that is surely free."""
    bus = ("--cluster-port", str(free_port()))
    return Node(valkey_binary(), directory, *OPTIONS, *SOONER, *bus)


class Cluster:
    """The nodes; the first three begin as primaries."""

    def __init__(self, directory: Path) -> None:
        self.nodes = [node(directory / f"node-{number}") for number in range(6)]

    @property
    def url(self) -> str:
        """Return the address that the broker is given: two seeds of the six."""
        return f"redis+cluster://127.0.0.1:{self.nodes[5].port},127.0.0.1:{self.nodes[0].port}"

    def form(self) -> None:
        """Make a cluster of the nodes and wait until each takes it for complete."""
        primaries, replicas = self.nodes[:3], self.nodes[3:]
        for number, one in enumerate(primaries):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            one.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        wait_until(self._has_met)
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.ask("CLUSTER", "REPLICATE", name_of(primary))
        wait_until(lambda: all(complete(one) for one in self.nodes))
        wait_until(lambda: all(one.ask("ROLE")[3] == b"connected" for one in replicas))

    def _has_met(self) -> bool:
        """Tell whether all know each other; invite again who was too busy to shake hands."""
        if len(known_to(self.nodes[0])) < len(self.nodes):
            for one in self.nodes[1:]:
                self.invite(one)
        return all(len(known_to(one)) == len(self.nodes) for one in self.nodes)

    def invite(self, newcomer: Node) -> None:
        """Let a node meet the first one, with the port of its bus."""
        bus = newcomer.options[newcomer.options.index("--cluster-port") + 1]
        self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", newcomer.port, bus)

    def owner(self, key: str) -> Node:
        """Return the primary that holds a key's slot, as the last node knows it."""
        slot = self.nodes[5].ask("CLUSTER", "KEYSLOT", key)
        for first, last, primary, *_ in self.nodes[5].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(one for one in self.nodes if one.port == primary[1])
        raise AssertionError("nobody holds the slot")

    def replica_of(self, primary: Node) -> Node:
        """Return the replica that the primary began with."""
        return self.nodes[self.nodes.index(primary) + 3]


def name_of(one: Node) -> str:
    """Return the id by which the cluster knows a node."""
    name: bytes = one.ask("CLUSTER", "MYID")
    return name.decode()


def known_to(one: Node) -> list[str]:
    """Return the lines about all nodes that a node has shaken hands with."""
    found: bytes = one.ask("CLUSTER", "NODES")
    return [line for line in found.decode().splitlines() if "handshake" not in line]


def complete(one: Node) -> bool:
    """Tell whether a node knows an owner for each slot, and all that is said is agreed on."""
    found: bytes = one.ask("CLUSTER", "INFO")
    return b"cluster_state:ok" in found


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """Start six nodes and make a cluster of them; end them all."""
    made = Cluster(directory)
    with ExitStack() as running:
        for one in made.nodes:
            running.enter_context(one)
        made.form()
        yield made
