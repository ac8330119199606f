"""Counting in several processes: what was counted once is told once, whoever comes and goes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from broker.metrics import directory as counting
from broker.metrics.directory import CAPACITY, MAPPED, forget, prepared
from broker.metrics.meters import Meters
from tests.metrics import scenes
from tests.metrics.crew import theatre, within_bounds

T = TypeVar("T")


class Stage(Protocol):
    """Plays a scene in a directory that does not exist yet, and returns its outcome."""

    def __call__(self, scene: Callable[[Path], T]) -> T:
        """Play it."""
        ...


@pytest.fixture(scope="module")
def master() -> Iterator[ProcessPoolExecutor]:
    """Return the process of the master; each scene prepares it anew, one that hangs ends it."""
    with theatre() as executor:
        yield executor


@pytest.fixture
def play(master: ProcessPoolExecutor, tmp_path: Path) -> Stage:
    """Return how to play a scene."""

    def play(scene: Callable[[Path], T]) -> T:
        return master.submit(within_bounds, scene, tmp_path / "metrics").result()

    return play


def test_a_scrape_tells_the_sum_whichever_worker_answers(play: Stage) -> None:
    """1 + 2 + 3."""
    assert play(scenes.three_count) == [6, 6, 6]


def test_histograms_add_up_bucket_by_bucket(play: Stage) -> None:
    """Each bucket holds all below it, also of a worker that has ended."""
    told = play(scenes.histogram_of_two)
    assert told["bucket"] == {
        ("0.01",): 0,
        ("0.05",): 1,
        ("0.1",): 1,
        ("0.25",): 2,
        ("0.5",): 2,
        ("1.0",): 2,
        ("2.0",): 2,
        ("3.0",): 3,
        ("+Inf",): 3,
    }
    assert told["count"] == {(): 3}
    assert told["sum"][()] == pytest.approx(2.72)


def test_a_worker_that_ended_stays_counted(play: Stage) -> None:
    """Its successor goes on from there; its files are gone."""
    assert play(scenes.one_is_replaced) == ([5, 5, 7], False)


def test_refreshes_add_up(play: Stage) -> None:
    """Of all workers, ended ones included; a worker that refreshed has one file more."""
    told, later, more = play(scenes.an_organization_is_refreshed)
    seen = {
        ("authenticate", "acme", "success"): 1,
        ("refresh", "acme", "success"): 2,
        ("refresh", "acme", "definite"): 1,
    }
    assert {key: value for key, value in told.items() if value} == seen
    assert {key: value for key, value in later.items() if value} == seen | {
        ("refresh", "acme", "success"): 3
    }
    assert more == 2


def test_fifty_workers_leave_one_file(play: Stage) -> None:
    """However often workers restart, files and bytes do not grow."""
    served, most_files, sizes = play(scenes.fifty_are_replaced)
    assert served == 50
    assert most_files == 2 * 2 + 1
    (size,) = set(sizes)
    assert 2 * CAPACITY < size < 3 * CAPACITY


def test_what_a_killed_worker_counted_stays(play: Stage) -> None:
    """To the last number that it can have written, and the next one is 1 more."""
    said, told, then = play(scenes.one_is_killed)
    assert told >= said
    assert told == int(told)
    assert then == told + 1


def test_a_worker_counts_until_the_master_notices_its_end(play: Stage) -> None:
    """Nothing is missing in between."""
    assert play(scenes.ended_but_not_noticed) == 4


def test_counters_never_go_back_while_workers_come_and_go(play: Stage) -> None:
    """A counter that does is taken for a restart, and its whole value for news."""
    told = play(scenes.scraped_while_all_move)
    assert all(later >= earlier for earlier, later in pairwise(told))
    assert told[-1] == 25 * 20


def test_the_master_does_not_wait_for_a_scrape(play: Stage) -> None:
    """It leaves the files where they are, and takes them with the next worker that ends."""
    told, files = play(scenes.scraped_meanwhile)
    assert told == [3, 3]
    assert files == [3 * 2, 2 + 1]


def test_a_scrape_does_not_wait_long_for_the_master(play: Stage) -> None:
    """It fails, and the next one is half a minute away."""
    assert play(scenes.added_up_meanwhile) == "BlockingIOError"


def test_a_worker_with_the_id_of_one_that_ended_keeps_its_files(play: Stage) -> None:
    """Ids are used again, in a small container soon."""
    assert play(scenes.an_id_is_used_again) == (3, 3)


def test_a_broken_file_costs_nothing_but_its_own_numbers(play: Stage) -> None:
    """As a worker that begins at that moment leaves an empty one."""
    assert play(scenes.broken_files) == 1


def test_a_master_begins_at_0_in_a_directory_of_its_own(play: Stage, tmp_path: Path) -> None:
    """It removes what an earlier one left, nothing else, and lets nobody else in."""
    left, mode, told = play(scenes.begun_again)
    assert left == ["lock", "someone-elses"]
    assert mode == 0o700
    assert told == tmp_path / "metrics"


def test_what_the_master_loses_is_counted_beside_the_workers(play: Stage) -> None:
    """Before and after they are forked, and whoever of them ends."""
    assert play(scenes.master_loses_lines) == [3, 5]


def test_the_master_survives_a_directory_that_it_cannot_use(play: Stage) -> None:
    """What it could not add up is counted where it lies."""
    assert play(scenes.master_cannot_write) == 1


def test_mapped_files_have_room_before_they_are_mapped(play: Stage) -> None:
    """Writing to a page without any ends the process; the library needs no more than there is."""
    for name, used, allocated, size in play(scenes.files_of_one_worker):
        assert allocated >= size, name
        if name.startswith(MAPPED):
            assert size == CAPACITY
            assert used < CAPACITY // 2


def test_a_worker_without_room_counts_for_itself(play: Stage) -> None:
    """It serves, and the others are told of as ever; what it counted later is told, too."""
    others, own, left, reason = play(scenes.no_room_for_one)
    assert (others, own) == (2, 2)
    assert not left
    assert reason == "No space left on device"


def test_a_process_knows_whether_it_has_room(play: Stage) -> None:
    """Health tells of it, for that of its process alone."""
    assert play(scenes.room) == (False, True)


def test_refreshes_that_there_is_no_room_for_are_counted_when_there_is(play: Stage) -> None:
    """Once."""
    assert play(scenes.no_room_for_a_while) == (0, 3)


def test_without_a_directory_everything_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in tests and in the development server: nothing is written, nothing to forget."""
    monkeypatch.setattr(counting, "_add_up", None)
    assert prepared() is None
    forget(1)
    assert Meters().collect()
