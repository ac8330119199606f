"""Faults of Redis, each with a refresh in flight, and the swap of the credentials folder."""

import time

from tests.chaos.faults import Fault
from tests.chaos.stage import LEASE, LIFETIME, Stage

AWAY = 6.0
REFUSED = 2.0
DYING = 9.0
CUTS = 12.0
"""Seconds in which the feed of changes is cut."""


def killed(stage: Stage) -> None:
    """Redis is killed while Canvas has a refresh, and is back later with nothing in it."""
    with stage.refresh_held("before"):
        stage.redis.stop()
    try:
        time.sleep(AWAY)
    finally:
        stage.redis.start()


def hung(stage: Stage) -> None:
    """Redis accepts connections and answers nothing, from the middle of a refresh on."""
    with stage.refresh_held("before"):
        stage.redis.hang()
    try:
        time.sleep(AWAY)
    finally:
        stage.redis.resume()


def flushed(stage: Stage) -> None:
    """Redis forgets everything, the lease of a refresh in flight included."""
    with stage.refresh_held("before"), stage.redis.client() as client:
        client.flushall()


def restarted(stage: Stage) -> None:
    """Redis goes and comes back empty at once, in the middle of a refresh."""
    with stage.refresh_held("before"):
        stage.redis.stop()
        stage.redis.start()


def feed_cut(stage: Stage) -> None:
    """Redis ends the connections that hear of changes, again and again from a refresh on."""
    until = time.monotonic() + CUTS
    with stage.redis.client() as client:
        with stage.refresh_held("before"):
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        while time.monotonic() < until:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            time.sleep(0.2)


def feed_forbidden(stage: Stage) -> None:
    """Redis takes messages from nobody, and those that listen stay connected."""
    with stage.redis.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-publish")
        try:
            with stage.refresh_held("before"):
                time.sleep(0.4)
            time.sleep(CUTS)
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+publish")


def swapped(stage: Stage) -> None:
    """Swap the credentials folder, as Kubernetes does it, to the other pair of keys."""
    stage.swap_keys()


def swapped_in_flight(stage: Stage) -> None:
    """Do the same while a refresh under the old keys is in flight."""
    with stage.refresh_held("after"):
        stage.swap_keys()
        time.sleep(0.4)


def swapped_back(stage: Stage) -> None:
    """Swap to the other keys and back, when the token of the first is about to die."""
    stage.cause_refresh()
    stage.wait_for_newer(0, LEASE)
    stage.swap_keys()
    time.sleep(LIFETIME - DYING)
    stage.swap_keys()


def refused(stage: Stage) -> None:
    """Canvas refuses the keys; the latch holds until the folder is swapped."""
    stage.emulator.fault(status=401, times=None)
    stage.cause_refresh()
    time.sleep(REFUSED)
    calls = stage.calls()
    time.sleep(REFUSED)
    assert stage.calls() == calls, "Canvas was asked again with keys that it refused"
    stage.heal_canvas()
    stage.swap_keys()


FAULTS = (
    Fault("Redis killed, back empty", killed),
    Fault("Redis hung (SIGSTOP)", hung),
    Fault("Redis flushed", flushed),
    Fault("Redis restarted", restarted),
    Fault("feed of changes cut", feed_cut),
    Fault("feed of changes forbidden", feed_forbidden),
    Fault("credentials swapped", swapped),
    Fault("credentials swapped, refresh in flight", swapped_in_flight),
    Fault("credentials swapped and back later", swapped_back),
    Fault("Canvas refuses the keys, then swapped", refused),
)
