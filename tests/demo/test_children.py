"""Child processes are watched, and end with their parent: all of them, whatever they do."""

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.demo.children import ChildDiedError, Children

pytestmark = pytest.mark.sockets

PATIENCE = 10.0
STANDS_IN = "import sys; exec(sys.argv[1])"
PIPE = "import os, signal, sys, time; pipe = os.open(os.environ['PIPE'], os.O_WRONLY)\n"
SAYS_SO = "signal.signal(signal.SIGTERM, lambda *_: (os.write(pipe, NAME), sys.exit(0)))\n"
IS_DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
STAYS = "os.write(pipe, b'up '); time.sleep(60)"


class Pipe:
    """What the children say. It ends only when the last process that holds it has ended."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.environ = {**os.environ, "PIPE": str(path)}
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)
        self._heard = b""

    def hear(self, words: int) -> list[str]:
        """Wait for so many words, which each process ends with a space."""
        while self._heard.count(b" ") < words:
            assert self._read(), "all have ended"
        return self._heard.decode().split()

    def hear_all(self) -> list[str]:
        """Wait until nobody is left who could say more."""
        while self._read():
            pass
        return self._heard.decode().split()

    def _read(self) -> bytes:
        assert self._poll.poll(PATIENCE * 1000), "nobody says anything, nor ends"
        said = os.read(self._reader, 100)
        self._heard += said
        return said

    def close(self) -> None:
        """Hear no more."""
        os.close(self._reader)


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """Run tiny scripts in place of the broker: ``-m broker`` is looked for here first."""
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "__init__.py").touch()
    (tmp_path / "broker" / "__main__.py").write_text(STANDS_IN)
    monkeypatch.chdir(tmp_path)
    made = Pipe(tmp_path / "pipe")
    yield made
    made.close()


def _polite(name: str) -> list[str]:
    return [PIPE + SAYS_SO.replace("NAME", repr(f"{name} ".encode())) + STAYS]


def test_children_that_run_raise_nothing_and_end_last_started_first(pipe: Pipe) -> None:
    """The broker has its Canvas until it has ended itself."""
    with Children(PATIENCE) as children:
        for number, name in enumerate(("first", "second", "third"), start=1):
            children.start(name, _polite(name), pipe.environ)
            pipe.hear(number)
        children.check()
    assert pipe.hear_all() == ["up", "up", "up", "third", "second", "first"]


def test_a_child_that_dies_is_told_with_its_exit_code(pipe: Pipe) -> None:
    """And the others end."""
    with Children(PATIENCE) as children:
        children.start("broker", _polite("broker"), pipe.environ)
        pipe.hear(1)
        children.start("emulator", [PIPE + "sys.exit(3)"], pipe.environ)
        children._running[1][1].wait(PATIENCE)
        with pytest.raises(ChildDiedError) as caught:
            children.check()
        assert str(caught.value) == "The emulator has ended by itself (exit 3)."
    assert pipe.hear_all() == ["up", "broker"]


def test_a_child_that_does_not_listen_is_killed(pipe: Pipe) -> None:
    """After the patience that was set."""
    children = Children(patience=0.1)
    children.start("deaf", [PIPE + IS_DEAF + STAYS], pipe.environ)
    pipe.hear(1)
    child = children._running[0][1]
    children.stop()
    assert child.returncode == -9
    assert pipe.hear_all() == ["up"]


def test_the_whole_session_ends_with_a_child(pipe: Pipe) -> None:
    """Also the workers of one that ends well and leaves them."""
    leaves_workers = (
        PIPE
        + "deaf = signal.SIG_IGN\n"
        + (f"if os.fork() == 0:\n    signal.signal(signal.SIGTERM, deaf)\n    {STAYS}\n")
    )
    with Children(PATIENCE) as children:
        children.start("broker", [leaves_workers + STAYS], pipe.environ)
        assert pipe.hear(2) == ["up", "up"]
    assert pipe.hear_all() == ["up", "up"]


def test_workers_of_a_child_that_died_end_too(pipe: Pipe) -> None:
    """They hold its port."""
    orphans = PIPE + f"if os.fork() == 0:\n    {STAYS}\n"
    with Children(PATIENCE) as children:
        children.start("broker", [orphans], pipe.environ)
        pipe.hear(1)
        children._running[0][1].wait(PATIENCE)
    assert pipe.hear_all() == ["up"]


def test_a_child_has_a_session_of_its_own(pipe: Pipe) -> None:
    """Ctrl-C reaches the parent alone, which ends the children in order."""
    said = PIPE + "os.write(pipe, b'%d %d ' % (os.getsid(0), os.getpid()))"
    with Children(PATIENCE) as children:
        children.start("broker", [said], pipe.environ)
        session, child = pipe.hear(2)
    assert session == child != str(os.getsid(0))


def test_children_end_when_the_parent_fails(pipe: Pipe) -> None:
    """Whatever it fails with."""
    with contextlib.suppress(ZeroDivisionError), Children(PATIENCE) as children:
        children.start("broker", _polite("broker"), pipe.environ)
        pipe.hear(1)
        raise ZeroDivisionError
    assert pipe.hear_all() == ["up", "broker"]


def test_stopping_twice_is_as_once(pipe: Pipe) -> None:
    """Nothing is left to stop."""
    children = Children(PATIENCE)
    children.start("broker", ["pass"], pipe.environ)
    children.stop()
    children.stop()
    children.check()


def test_children_run_the_same_python(pipe: Pipe) -> None:
    """The one of the environment that was installed."""
    said = PIPE + "os.write(pipe, sys.executable.encode() + b' ')"
    with Children(PATIENCE) as children:
        children.start("broker", [said], pipe.environ)
        assert pipe.hear(1) == [sys.executable]
