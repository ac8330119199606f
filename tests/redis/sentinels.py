"""A primary, a replica and three sentinels that watch them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.redis.nodes import Node, wait_until
from tests.servers import valkey_binary

SERVICE = "main"
DOWN_AFTER_MS = 1000


class SentinelNode(Node):
    """A sentinel; it writes what it learns into its own configuration."""

    def arguments(self) -> list[str]:
        """Return what follows the name of the program."""
        return [str(self._directory / "sentinel.conf"), "--sentinel"]

    def watch(self, primary: Node) -> None:
        """Write the configuration that it starts with."""
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self._directory}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *self.options,
        ]
        (self._directory / "sentinel.conf").write_text("\n".join(lines) + "\n")


class Watched:
    """The servers, by the part they play at the start."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.primary = Node(valkey_binary(), directory / "primary", *options)
        follow = (
            "--replicaof",
            f"127.0.0.1 {self.primary.port}",
            "--repl-diskless-sync-delay",
            "0",
        )
        self.replica = Node(valkey_binary(), directory / "replica", *follow, *options)
        self.sentinels = [SentinelNode(valkey_binary(), directory / f"s{n}") for n in range(3)]
        for sentinel in self.sentinels:
            sentinel.watch(self.primary)

    @property
    def url(self) -> str:
        """Return the address that the broker is given."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def in_sync(self) -> bool:
        """Tell whether the replica has all that the primary has."""
        with self.primary.client() as primary, self.replica.client() as replica:
            mine, theirs = primary.info("replication"), replica.info("replication")
        offsets = mine["master_repl_offset"], theirs["slave_repl_offset"]
        return bool(theirs["master_link_status"] == "up" and offsets[0] == offsets[1])

    def settled(self) -> bool:
        """Tell whether every sentinel knows the replica and both others."""
        found = [sentinel.ask("SENTINEL", "MASTER", SERVICE) for sentinel in self.sentinels]
        return all(
            (one[b"num-slaves"], one[b"num-other-sentinels"]) == (b"1", b"2") for one in found
        )

    def wait_for_failover(self) -> None:
        """Wait until the replica is the primary."""
        wait_until(lambda: self.replica.role() == "master")


@contextmanager
def watched(directory: Path) -> Iterator[Watched]:
    """Start all five and wait until they know each other; end them all."""
    servers = Watched(directory)
    with ExitStack() as running:
        running.enter_context(servers.primary)
        running.enter_context(servers.replica)
        wait_until(lambda: servers.replica.ask("ROLE")[3] == b"connected")
        for sentinel in servers.sentinels:
            running.enter_context(sentinel)
        wait_until(servers.settled)
        yield servers
