"""New credentials: the old token is served until there is a new one, and never after."""

import pytest

from broker.errors import ForbiddenError, KeysRejectedError
from broker.policy.server_clock import RoundTrip
from broker.tokens import Kind
from tests.fakes import credentials
from tests.policy.fleet import ACME, KEYS, NEW_KEYS, Fleet, Worker, make_stale

OLD, NEW = KEYS.version, NEW_KEYS.version


def replace_keys(fleet: Fleet) -> None:
    """Give all workers the new credentials of acme."""
    fleet.configure({"acme": NEW_KEYS})


class TestReplaced:
    def test_new_version_authenticates_at_once(self, fleet: Fleet, worker: Worker) -> None:
        """The next tick authenticates under the new keys, fresh as the old token may be."""
        worker.ask()
        replace_keys(fleet)
        fleet.run(0.2)
        assert fleet.canvas.versions == [OLD, NEW]
        assert fleet.canvas.calls == [Kind.AUTHENTICATE] * 2
        assert worker.token() == "access-2"

    def test_old_token_is_served_until_then(self, fleet: Fleet, worker: Worker) -> None:
        """No caller waits while the new version authenticates."""
        worker.ask()
        replace_keys(fleet)
        seen: list[str] = []
        fleet.canvas.before_answer = lambda: seen.append(worker.token())
        assert worker.token() == "access-1"
        fleet.run(0.2)
        assert seen == ["access-1"]

    def test_old_token_is_served_while_canvas_refuses_the_new_keys(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """A mistake in the new keys costs nothing before the old token's end."""
        worker.ask()
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 9
        replace_keys(fleet)
        fleet.run(170)
        assert worker.token() == "access-1"
        health = worker.health()
        assert (health.latched, health.credential_version, health.record_version) == (
            True,
            NEW,
            OLD,
        )
        assert fleet.shelf(NEW_KEYS).record is None

    def test_one_authenticate_for_the_fleet(self, fleet: Fleet) -> None:
        """All workers go over to the new version with one call."""
        fleet.run(5, asking=True)
        replace_keys(fleet)
        fleet.run(5, asking=True)
        assert fleet.canvas.versions == [OLD, NEW]
        assert {worker.token() for worker in fleet.workers} == {"access-2"}

    def test_who_watches_an_attempt_under_the_old_ones_goes_over_at_once(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """It does not wait for the end of an attempt that concerns it no more."""
        make_stale(fleet)
        shelf = fleet.shelf()
        shelf.lease, shelf.lease_until = ("elsewhere", "one"), fleet.clock.redis() + 25

        def replace_them() -> None:
            replace_keys(fleet)
            other.tick()

        worker.link.before["acquire"] = replace_them
        began = fleet.clock.monotonic()
        worker.tick()
        fleet.run(1)
        assert worker.token() == "access-2"
        assert fleet.clock.monotonic() - began < 1.5

    def test_workers_change_one_after_the_other(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """While the secret is rolled out, each worker serves its own version; none goes back."""
        fleet.run(5, asking=True)
        worker.broker.configure({"acme": NEW_KEYS})
        fleet.run(450, asking=True)
        assert worker.health().record_version == NEW
        assert other.health().record_version == OLD
        other.broker.configure({"acme": NEW_KEYS})
        fleet.run(1, asking=True)
        assert other.ask().generation == worker.ask().generation
        assert other.health().record_version == NEW

    def test_same_keys_again_change_nothing(self, fleet: Fleet, worker: Worker) -> None:
        """Credentials that are read again, unchanged, cause no call and no look."""
        worker.ask()
        worker.link.counts.clear()
        fleet.configure({"acme": credentials("a")})
        worker.tick()
        assert not worker.link.counts

    def test_on_a_server_whose_clock_is_behind(self, fleet: Fleet, worker: Worker) -> None:
        """The new version's first generation is above the old version's last, without a loop."""
        before = worker.ask().generation
        fleet.workers.remove(fleet.workers[1])
        fleet.server.now = lambda: fleet.clock.redis() - 86400
        fleet.fail_over()
        replace_keys(fleet)
        fleet.run(5, asking=True)
        assert worker.ask().generation > before
        assert worker.health().record_version == NEW
        assert fleet.canvas.versions == [OLD, NEW]

    def test_back_to_the_first_keys(self, fleet: Fleet, worker: Worker) -> None:
        """After a roll-back the first version's old record does not lower the generation."""
        fleet.run(5, asking=True)
        replace_keys(fleet)
        fleet.run(5, asking=True)
        before = worker.ask().generation
        fleet.configure({"acme": KEYS})
        fleet.run(5, asking=True)
        assert worker.ask().generation > before
        assert worker.health().record_version == OLD


class TestWhileARefreshIsInFlight:
    def test_a_look_with_the_old_keys_is_none_with_the_new(self, worker: Worker) -> None:
        """Else a worker that was paused would serve the old ones' token for the next seconds."""
        worker.ask()
        organization = worker.broker.find(ACME)
        assert organization is not None
        old, before = organization.binding, organization.looked
        worker.broker.configure({ACME: NEW_KEYS})
        after = max(organization.looked, before)
        now = worker.clock.monotonic() + 5
        organization.adopt(old, old.store.read(0), RoundTrip(now, now, 1.0))
        assert organization.looked == after
        organization.adopt(
            organization.binding, organization.binding.store.read(0), RoundTrip(now, now, 1.0)
        )
        assert organization.looked == now

    def test_result_lands_under_the_old_version_only(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """The old keys' answer becomes the old version's record, and is served until the new."""
        fleet.run(399, asking=True)
        other.runtime.hold = True

        def change() -> None:
            fleet.canvas.before_answer = lambda: None
            replace_keys(fleet)

        fleet.canvas.before_answer = change
        fleet.clock.sleep(2)
        worker.tick()
        old = fleet.shelf(KEYS).record
        assert old is not None
        assert old.access_token.reveal() == "access-2"
        assert fleet.shelf(NEW_KEYS).record is None
        assert worker.token() == "access-2"
        fleet.run(2)
        assert worker.token() == "access-3"
        assert fleet.canvas.versions == [OLD, OLD, NEW]

    def test_never_goes_back(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """An old result that comes after the new version's record is not served here."""
        fleet.run(399, asking=True)

        def change() -> None:
            fleet.canvas.before_answer = lambda: None
            replace_keys(fleet)
            other.tick()
            organization = worker.broker._organizations["acme"]
            store = organization.binding.store
            now = worker.clock.monotonic()
            trip = RoundTrip(now, now, worker.clock.wall())
            organization.adopt(organization.binding, store.read(0), trip)

        fleet.canvas.before_answer = change
        fleet.clock.sleep(2)
        worker.tick()
        fleet.most_in_flight = 1  # one for each version
        assert worker.health().record_version == NEW
        fleet.run(2, asking=True)
        assert worker.token() == other.token()
        assert worker.health().record_version == NEW

    def test_its_failure_does_not_pause_the_new_version(self, fleet: Fleet, worker: Worker) -> None:
        """The old keys are refused because they were replaced: the new ones are tried at once."""
        fleet.workers.remove(fleet.workers[1])
        worker.ask()
        fleet.clock.sleep(420)

        def change() -> None:
            fleet.canvas.before_answer = lambda: None
            replace_keys(fleet)

        fleet.canvas.before_answer = change
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 2
        worker.tick()
        fleet.run(2)
        assert fleet.canvas.versions == [OLD, OLD, OLD, NEW]
        assert worker.token() == "access-2"

    def test_commit_that_has_not_landed(self, fleet: Fleet, worker: Worker) -> None:
        """It lands under its own version, and does not become the new version's record."""
        fleet.workers.remove(fleet.workers[1])
        worker.link.before["commit"] = lambda: setattr(worker.link, "down", True)
        worker.ask()
        replace_keys(fleet)
        worker.link.down = False
        fleet.run(2)
        old = fleet.shelf(KEYS).record
        assert old is not None
        assert old.access_token.reveal() == "access-1"
        assert worker.token() == "access-2"

    def test_what_its_look_finds_is_not_the_new_versions(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """A latch of the old version that is read after the change does not hold for the new."""
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")]
        worker.refused()
        fleet.clock.sleep(1)
        worker.link.before["read"] = lambda: replace_keys(fleet)
        worker.tick()
        assert not worker.health().latched


class TestConfigured:
    def test_added(self, fleet: Fleet, worker: Worker) -> None:
        """A new organization is there at once, and kept warm from the next tick on."""
        fleet.configure({"acme": KEYS, "globex": NEW_KEYS})
        assert worker.broker.organizations == {"acme", "globex"}
        fleet.run(0.2)
        assert {line.split()[0] for line in worker.notes.lines} == {"acme", "globex"}
        assert worker.ask("globex").organization == "globex"

    def test_removed(self, fleet: Fleet, worker: Worker) -> None:
        """An organization whose credentials are gone is unknown, and not looked at any more."""
        fleet.run(1, asking=True)
        fleet.configure({})
        worker.link.counts.clear()
        fleet.run(2)
        assert not worker.link.counts
        with pytest.raises(ForbiddenError):
            worker.ask()
        assert worker.broker.health() == []

    def test_removed_in_the_middle_of_a_flight(self, fleet: Fleet, worker: Worker) -> None:
        """Its flight ends and is its last."""
        worker.runtime.hold = True
        worker.tick()
        fleet.configure({})
        worker.runtime.hold = False
        worker.runtime.release()
        worker.link.counts.clear()
        fleet.run(5)
        assert not worker.link.counts

    def test_removed_and_added_again(self, fleet: Fleet, worker: Worker) -> None:
        """It finds its record in Redis: no call."""
        worker.ask()
        fleet.configure({})
        fleet.configure({"acme": KEYS})
        assert worker.token() == "access-1"
        assert len(fleet.canvas.calls) == 1
