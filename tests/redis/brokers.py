"""Real brokers on a topology, with limits that a test can outlast."""

import time

from tests.integration.deployment import Deployment, Reply
from tests.redis.nodes import Node, wait_until

LEASE = 7
SHORT = {
    "BROKER_UPSTREAM_ATTEMPTS": "1",
    "BROKER_UPSTREAM_TIMEOUT": "1",
    "BROKER_UPSTREAM_CONNECT_TIMEOUT": "0.5",
    "BROKER_WAIT": "0.5",
    "BROKER_LEASE": str(LEASE),
    "BROKER_LEASE_RESERVE": "2",
    "BROKER_REPORT_MIN_AGE": "0.1",
    "BROKER_REPORT_INTERVAL": "1",
}
SLOWEST = 4.5
"""Seconds that any request may take."""


def refresh(deployment: Deployment, generation: int) -> int:
    """Report a generation as refused until there is a newer one; return that."""
    until = time.monotonic() + 3 * LEASE
    while (reply := deployment.token(rejected=generation)).status != 200:
        assert time.monotonic() < until, f"{reply}\n{deployment.brokers[0].log()}"
        time.sleep(0.2)
    newer: int = reply.body["generation"]
    assert newer > generation
    return newer


def generation_on(node: Node) -> int:
    """Return the generation of the one record that a node holds under its own name; else 0."""
    if node.role() != "master":
        return 0
    with node.client() as client:
        here = "-".join(
            client.info(part)[name]
            for part, name in (("server", "run_id"), ("replication", "master_replid"))
        )
        for key in client.scan_iter("*:record"):
            found = client.hmget(key, ["generation", "server"])
            if found[1] == here.encode():
                return int(found[0] or 0)
    return 0


def wait_for_record(node: Node, generation: int) -> None:
    """Wait until a worker has put its record back on a node under the node's own name."""
    wait_until(lambda: generation_on(node) == generation)


def assert_unnoticed(replies: list[Reply]) -> None:
    """Check that every caller got a token, and soon."""
    assert len(replies) > 50
    assert {reply.status for reply in replies} == {200}
    assert max(reply.seconds for reply in replies) < SLOWEST
