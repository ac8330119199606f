"""Hears what the scripts tell of changes: one thread and one connection in each worker.

::

    publishes an empty message     the user may, so the scripts may (prelude.lua)
    subscribes, is answered        connected: from now on nothing is missed
    messages, its own among them   heard: in silence it publishes to a channel of its own
    silence, an error              lost; tries again, from the start
"""

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Protocol

from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.feed import Change, Listener
from broker.store.trouble import reason_of
from broker.store_faults import Reason, StoreFault

BEAT = 0.5
"""Seconds of silence after which a message of its own is sent."""
SILENCE = 2.0
"""Seconds of silence after which the connection is given up."""
RETRY = 1.0
"""Seconds until the next try."""
RETRY_DENIED = 30.0
"""The same where the server's settings forbid it."""
_CHANGE = re.compile(rb"(.{1,512}) ([0-9a-f]{1,64}) (\d{1,16})", re.DOTALL)
"""Organization, name and generation; nobody's is longer."""
_BOTH = 2
"""Channels that are subscribed to, once the second is."""
_AT_ONCE = 1000
"""Messages that are told together at most."""
_DENIED = frozenset({StoreFault.CHANNELS, StoreFault.PERMISSION, StoreFault.RENAMED})


class Channels(Protocol):
    """A client that can publish and subscribe; its errors are redis-py's."""

    def publish(self, channel: str, message: str) -> None:
        """Send a message."""
        ...

    def pubsub(self) -> Any:
        """Return redis-py's ``PubSub`` on a connection of its own."""
        ...


def try_feed(client: Channels, prefix: str) -> None:
    """Do what a subscription does; raises what keeps it from hearing, an error of redis-py."""
    channel = f"{prefix}:changes"
    with closing(client.pubsub()) as pubsub:
        pubsub.subscribe(channel)
        pubsub.get_message(timeout=SILENCE)
        client.publish(channel, "")
        if pubsub.get_message(timeout=SILENCE) is None:
            raise RedisTimeoutError("no answer to SUBSCRIBE, or no message")


class Subscription:
    """Tells ``listener`` of the changes of all records whose keys begin with ``prefix``."""

    def __init__(self, client: Channels, prefix: str, listener: Listener) -> None:
        self._client = client
        self._channel = f"{prefix}:changes"
        self._own = f"{self._channel}:{uuid.uuid4().hex}"
        self._listener = listener
        self._stopped = threading.Event()
        self._reason: Reason | None = None

    def run(self) -> None:
        """Listen until :meth:`stop`; meant for a thread of its own."""
        while not self._stopped.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001  # whatever it is: heard by looks, then
                reason = reason_of(error)
                with suppress(Exception):
                    self._lose(reason)
                self._stopped.wait(RETRY_DENIED if reason.fault in _DENIED else RETRY)

    def stop(self) -> None:
        """End :meth:`run` within a beat."""
        self._stopped.set()

    def _lose(self, reason: Reason) -> None:
        if reason != self._reason:
            self._reason = reason
            self._listener.lost(reason)

    def _listen(self) -> None:
        self._client.publish(self._own, "")
        with closing(self._client.pubsub()) as pubsub:
            pubsub.subscribe(self._own, self._channel)
            heard = time.monotonic()
            while not self._stopped.is_set():
                messages = list(_read(pubsub))
                if messages:
                    self._tell(messages)
                    heard = time.monotonic()  # only now: to tell of them may take a while
                elif time.monotonic() - heard > SILENCE:
                    raise RedisTimeoutError("no message of its own")
                else:
                    self._client.publish(self._own, "")

    def _tell(self, messages: list[Any]) -> None:
        if any(one["type"] == "subscribe" and one["data"] == _BOTH for one in messages):
            self._reason = None
            self._listener.connected()
        changes = [read_change(one["data"]) for one in messages if one["type"] == "message"]
        self._listener.heard([one for one in changes if one is not None])


def _read(pubsub: Any) -> Iterator[Any]:
    """Yield what comes within a beat, and all that has come with it."""
    wait = BEAT
    for _ in range(_AT_ONCE):
        message = pubsub.get_message(timeout=wait)
        if message is None:
            return
        yield message
        wait = 0.0


def read_change(data: bytes) -> Change | None:
    """Return the change that a message tells of; None for any other, which may be of anybody."""
    found = _CHANGE.fullmatch(data)
    try:
        return found and Change(found[1].decode(), found[2].decode(), int(found[3]))
    except UnicodeDecodeError:
        return None
