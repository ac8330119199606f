"""The feed of changes in virtual time: messages lost, doubled, late and reordered, and its end."""

from collections import deque
from dataclasses import dataclass, field

from broker.feed import Change, Listener
from broker.store.feed import BEAT, RETRY, SILENCE
from broker.store_faults import Reason, StoreFault
from tests.simulation.scheduler import Process, Scheduler, Signal

DELAYS = (0.01, 0.3, 3.0, 40.0)
_BROKEN = Reason(StoreFault.CONNECTION)
_SILENT = Reason(StoreFault.TIMEOUT)
_FORBIDDEN = Reason(StoreFault.CHANNELS)


@dataclass
class Weather:
    """What happens to messages, as parts of one; ``allowed`` says whether there are any."""

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    allowed: bool = True


@dataclass(eq=False)
class SimSubscription:
    """One process's subscription; its thread is :meth:`run`."""

    scheduler: Scheduler
    process: Process
    channel: "SimChannel"
    listener: Listener
    _arrived: deque[Change] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._signal = Signal(self.scheduler)
        self._reason: Reason | None = None

    def run(self) -> None:
        """Subscribe, and again after each loss."""
        while True:
            self.scheduler.sleep(0.001)
            reason = self.channel.trouble()
            if reason is None:
                self._reason = None
                reason = self._listen()
            if reason != self._reason:
                self._reason = reason
                self.listener.lost(reason)
            self.scheduler.sleep(RETRY)

    def arrive(self, change: Change) -> None:
        """Take a message from the network."""
        self._arrived.append(change)
        self._signal.set()

    def _listen(self) -> Reason:
        self._arrived.clear()
        connection, heard = self.channel.connections, self.scheduler.now
        self.channel.subscribers.add(self)
        self.listener.connected()
        try:
            while True:
                self._signal.wait(BEAT)
                self._signal = Signal(self.scheduler)
                if self.channel.connections != connection:
                    return _BROKEN
                reason = self.channel.trouble()
                if reason is not None and reason is not _SILENT:
                    return reason
                if reason is None or self._arrived:
                    heard = self.scheduler.now
                    changes, self._arrived = list(self._arrived), deque()
                    self.listener.heard(changes)
                elif self.scheduler.now - heard > SILENCE:
                    return reason
        finally:
            self.channel.subscribers.discard(self)


class SimChannel:
    """What a server carries from who publishes to who has subscribed."""

    def __init__(self, scheduler: Scheduler, network: Process) -> None:
        self.scheduler = scheduler
        self.network = network
        self.weather = Weather()
        self.connections = 0
        self.subscribers: set[SimSubscription] = set()
        self.hung = self.down = False

    def cut(self) -> None:
        """End every connection."""
        self.connections += 1

    def trouble(self) -> Reason | None:
        """Return what keeps messages from coming now."""
        if self.down:
            return _BROKEN
        if self.hung:
            return _SILENT
        return None if self.weather.allowed else _FORBIDDEN

    def publish(self, change: Change) -> None:
        """Send a message to each subscriber, as the weather lets it."""
        chance = self.scheduler.random
        for subscriber in sorted(self.subscribers, key=lambda one: one.process.name):
            if not self.weather.allowed or chance.random() < self.weather.lost:
                continue
            for _ in range(1 + (chance.random() < self.weather.doubled)):
                late = chance.random() < self.weather.late
                self._carry(subscriber, change, chance.choice(DELAYS) if late else 0.0)

    def _carry(self, subscriber: SimSubscription, change: Change, delay: float) -> None:
        delay += 0.0002 + 0.002 * self.scheduler.random.random()
        connection = self.connections

        def deliver() -> None:
            self.scheduler.sleep(delay)
            if self.connections == connection:
                subscriber.arrive(change)

        self.scheduler.spawn(self.network, "message", deliver)
