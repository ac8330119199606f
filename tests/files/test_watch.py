"""A watched source: what is in force, what is told, and when."""

from dataclasses import dataclass, field

from broker.files.watch import Fixed, Polled, Reading, Watched


@dataclass
class Board:
    """A source whose next version a test writes down."""

    signed: int = 0
    value: str = "one"
    problems: tuple[str, ...] = ()
    reads: list[str] = field(default_factory=list)

    def write(self, value: str, *problems: str) -> None:
        """Put up a version, whole or broken."""
        self.signed += 1
        self.value, self.problems = value, problems

    def signature(self) -> object:
        """Return the number of the version."""
        return self.signed

    def read(self, current: str) -> Reading[str]:
        """Return the version, or what was in force where it is broken."""
        self.reads.append(self.value)
        return Reading(current if self.problems else self.value, self.problems)


def settled(board: Board) -> Watched[str]:
    """Return a watcher that has seen that nothing more happens."""
    watched = Watched(board, "initial")
    assert watched.poll() == Polled()
    return watched


def test_the_first_version_is_in_force_at_once() -> None:
    """No poll is needed before the value can be used."""
    assert Watched(Board(), "initial").current == "one"


def test_a_broken_first_version_leaves_the_initial_value() -> None:
    """The problems are there for whoever starts the process to refuse."""
    board = Board(problems=("broken",))
    watched = Watched(board, "initial")
    assert (watched.current, watched.problems) == ("initial", ("broken",))


def test_an_unchanged_source_is_not_read_again() -> None:
    """Looking costs a signature."""
    board = Board()
    watched = settled(board)
    board.reads.clear()
    assert [watched.poll() for _ in range(3)] == [Polled()] * 3
    assert board.reads == []


def test_a_new_version_is_taken_once() -> None:
    """It is told once and stays."""
    board = Board()
    watched = settled(board)
    board.write("two")
    assert watched.poll() == Polled(reloaded=True)
    assert watched.poll() == Polled()
    assert watched.current == "two"


def test_a_write_hidden_in_the_same_tick_is_seen_one_poll_later() -> None:
    """The file's times did not move between two writes; the second is found all the same."""
    board = Board()
    watched = settled(board)
    board.write("two")
    watched.poll()
    board.value = "three"
    assert watched.poll() == Polled(reloaded=True)
    assert watched.current == "three"


def test_a_broken_version_is_refused_and_told_once() -> None:
    """The old value stays; the log is not filled at every look."""
    board = Board()
    watched = settled(board)
    board.write("two", "broken")
    assert watched.poll() == Polled(problems=("broken",))
    assert [watched.poll() for _ in range(3)] == [Polled()] * 3
    assert (watched.current, watched.problems) == ("one", ("broken",))


def test_a_second_broken_version_is_told_again() -> None:
    """Somebody tried to repair it and has to hear that it is not."""
    board = Board()
    watched = settled(board)
    board.write("two", "broken")
    watched.poll()
    watched.poll()
    board.write("three", "broken")
    assert watched.poll() == Polled(problems=("broken",))


def test_a_repaired_version_is_taken() -> None:
    """Also where it says what was in force all along."""
    board = Board()
    watched = settled(board)
    board.write("two", "broken")
    watched.poll()
    board.write("one")
    assert watched.poll() == Polled(reloaded=True)
    assert (watched.current, watched.problems) == ("one", ())


def test_a_touched_file_is_no_news() -> None:
    """A new version that says the same changes nothing."""
    board = Board()
    watched = settled(board)
    board.write("one")
    assert watched.poll() == Polled()


def test_a_fixed_source_stays() -> None:
    """Keys from the environment are watched like any other, without effect."""
    watched = Watched(Fixed("keys"), "")
    assert (watched.current, watched.poll(), watched.current) == ("keys", Polled(), "keys")
