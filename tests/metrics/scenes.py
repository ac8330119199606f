"""What happens in a pod, each scene in a process of its own (see :mod:`tests.metrics.crew`)."""

import errno
import fcntl
import logging
import os
import signal
import struct
from pathlib import Path
from typing import NoReturn
from unittest import mock

from broker.metrics import directory as counting
from broker.metrics.directory import forget, prepare, prepared, totals
from broker.metrics.meters import Meters, master_log_losses
from tests.metrics.crew import Crew, Worker
from tests.metrics.pods import Readings, named, seen


def three_count(directory: Path) -> list[float]:
    """Let three workers count 1, 2 and 3; return what a scrape in each tells."""
    with Crew(directory) as crew:
        workers = [crew.hire() for _ in range(3)]
        for times, worker in enumerate(workers, 1):
            worker.serve(times)
        return [worker.served() for worker in workers]


def master_loses_lines(directory: Path) -> list[float]:
    """Let the master and workers lose log lines, and one of them end; return what is told."""
    with Crew(directory) as crew:
        lose = master_log_losses()
        lose()
        old, witness = crew.hire(), crew.hire()
        old.do("log_lost")
        lose()
        told = [_lost(witness)]
        crew.end(old)
        crew.hire().do("log_lost")
        lose()
        return [*told, _lost(witness)]


def _lost(witness: Worker) -> float:
    (number,) = witness.do("scrape", "broker_log_lost_total").values()
    return float(number)


def histogram_of_two(directory: Path) -> dict[str, Readings]:
    """Let two workers measure waits and one end; return the histogram."""
    with Crew(directory) as crew:
        one, other = crew.hire(), crew.hire()
        one.do("waited", 0.2)
        one.do("waited", 2.5)
        other.do("waited", 0.02)
        crew.end(one)
        parts = ("bucket", "count", "sum")
        return {part: other.do("scrape", f"broker_lease_wait_seconds_{part}") for part in parts}


def one_is_replaced(directory: Path) -> tuple[list[float], bool]:
    """Replace a worker that counted; return what is told, and whether a file of it is left."""
    with Crew(directory) as crew:
        old = crew.hire()
        old.serve(5)
        told = [old.served()]
        crew.end(old)
        new = crew.hire()
        told.append(new.served())
        new.serve(2)
        told.append(new.served())
        return told, any(str(old.pid) in name for name in crew.files())


def an_organization_is_refreshed(directory: Path) -> tuple[Readings, Readings, int]:
    """Let two workers refresh an organization, and one end; return what is told, then and later.

    The last is how many files more there are than before the first refresh.
    """
    with Crew(directory) as crew:
        one, other = crew.hire(), crew.hire()
        before = len(crew.files())
        for organization, kind, outcome in (
            ("acme", "authenticate", "success"),
            ("acme", "refresh", "success"),
            ("acme", "refresh", "definite"),
        ):
            one.do("refresh", organization, kind, outcome, 0.2)
        other.do("refresh", "acme", "refresh", "success", 0.2)
        more = len(crew.files()) - before
        name = "broker_refreshes_total"
        told: Readings = other.do("scrape", name)
        crew.end(one)
        other.do("refresh", "acme", "refresh", "success", 0.2)
        return told, other.do("scrape", name), more


def fifty_are_replaced(directory: Path) -> tuple[float, int, list[int]]:
    """Let fifty workers come, count and go; return the sum, the most files, all sizes."""
    with Crew(directory) as crew:
        witness = crew.hire()
        most_files, sizes = 0, []
        for _ in range(50):
            worker = crew.hire()
            worker.serve(1)
            most_files = max(most_files, len(crew.files()))
            crew.end(worker)
            sizes.append(crew.size())
        return witness.served(), most_files, sizes


def one_is_killed(directory: Path) -> tuple[int, float, float]:
    """Kill a worker while it counts; return what it said, what is told, and after one more."""
    with Crew(directory) as crew:
        witness, victim = crew.hire(), crew.hire()
        victim.begin("count for ever")
        said = max(victim.answer() for _ in range(500))
        crew.end(victim, signal.SIGKILL)
        told = witness.served()
        witness.serve(1)
        return said, told, witness.served()


def ended_but_not_noticed(directory: Path) -> float:
    """Return what is told before the master knows that a worker has ended."""
    with Crew(directory) as crew:
        witness = crew.hire()
        worker = crew.hire()
        worker.serve(4)
        worker.end(signal.SIGKILL)
        crew._workers.remove(worker)
        return witness.served()


def scraped_while_all_move(directory: Path) -> list[float]:
    """Return what two hundred scrapes tell, while workers count, end and come."""
    with Crew(directory) as crew:
        witness = crew.hire()
        witness.begin("watch", 200)
        for _ in range(25):
            worker = crew.hire()
            worker.serve(20)
            crew.end(worker, signal.SIGKILL)
        told: list[float] = witness.answer()
        return [*told, witness.served()]


def scraped_meanwhile(directory: Path) -> tuple[list[float], list[int]]:
    """Let a worker end during a scrape, another after it; return numbers and files then."""
    with Crew(directory) as crew:
        witness, first, second = (crew.hire() for _ in range(3))
        first.serve(1)
        second.serve(2)
        told, files = [], []
        with (directory / "lock").open() as scrape:
            fcntl.flock(scrape, fcntl.LOCK_SH)
            crew.end(first)
            told.append(witness.served())
            files.append(len(crew.files()))
        crew.end(second)
        told.append(witness.served())
        files.append(len(crew.files()))
        return told, files


def added_up_meanwhile(directory: Path) -> str:
    """Let the master hold the lock and not let go; return how a scrape ends."""
    prepare(directory)
    with (directory / "lock").open() as master, mock.patch.object(counting, "LOCK_WAIT", 0.02):
        fcntl.flock(master, fcntl.LOCK_EX)
        try:
            totals(directory)
        except OSError as error:
            return type(error).__name__
    return "read"


def an_id_is_used_again(directory: Path) -> tuple[float, float]:
    """Let a worker have the id of one that ended; return what is told, then and at its end."""
    with Crew(directory) as crew:
        witness, worker = crew.hire(), crew.hire()
        worker.serve(1)
        forget(worker.pid)
        worker.serve(2)
        alive = witness.served()
        crew.end(worker)
        return alive, witness.served()


def broken_files(directory: Path) -> float:
    """Put an empty file and one that is no such file beside; return what is told."""
    with Crew(directory) as crew:
        worker = crew.hire()
        worker.serve(1)
        (directory / "counter_1.db").touch()
        (directory / "counter_2.db").write_bytes(b"\xff" * 8192)
        return worker.served()


def begun_again(directory: Path) -> tuple[list[str], int, Path | None]:
    """Begin where another master was; return the files left, the mode, and where it counts."""
    directory.mkdir(mode=0o755)
    for name in ("counter_7.db", "total.db", "total.new", "someone-elses"):
        (directory / name).write_text("")
    prepare(directory)
    left = sorted(path.name for path in directory.iterdir())
    return left, directory.stat().st_mode & 0o777, prepared()


def master_cannot_write(directory: Path) -> float:
    """Hinder the master when a worker ends; return what is told."""
    with Crew(directory) as crew:
        worker = crew.hire()
        worker.serve(1)
        (directory / "lock").unlink()
        crew.end(worker)
        os.close(os.open(directory / "lock", os.O_CREAT))
        witness = Worker()
        told = witness.served()
        witness.end()
        return told


def files_of_one_worker(directory: Path) -> list[tuple[str, int, int, int]]:
    """Let a worker count; return name, bytes in use, allocated bytes and size of its files."""
    with Crew(directory) as crew:
        worker = crew.hire()
        worker.serve(1)
        worker.do("refresh", "acme", "refresh", "success", 1.0)
        found = []
        for file in directory.glob("*.db"):
            (used,) = struct.unpack("i", file.read_bytes()[:4])
            seen = file.stat()
            found.append((file.name, used, seen.st_blocks * 512, seen.st_size))
        return found


def _full(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def room(directory: Path) -> tuple[bool, bool]:
    """Let a process find no room, then some; return what it says of itself."""
    prepare(directory)
    with mock.patch.object(os, "posix_fallocate", _full):
        counting.reserve()
        without = counting.has_room()
    counting.reserve()
    return without, counting.has_room()


def no_room_for_one(directory: Path) -> tuple[float, float, list[str], str]:
    """Let one of two workers find no room; return what each tells, its files, and the reason."""
    with Crew(directory) as crew:
        other = crew.hire()
        other.serve(2)
        lines: list[logging.LogRecord] = []
        keep = mock.Mock(level=0, handle=lines.append)
        with mock.patch.object(os, "posix_fallocate", _full):
            logging.getLogger("broker.metrics.directory").addHandler(keep)
            counting.reserve()
            one = crew.hire()
        one.serve(1)
        left = [name for name in crew.files() if f"_{one.pid}." in name]
        return other.served(), one.served(), left, lines[0].__dict__["reason"]


def no_room_for_a_while(directory: Path) -> tuple[float, float]:
    """Let a file be full and then not; return the refreshes told of meanwhile and later."""
    prepare(directory)
    meters = Meters()

    def told() -> float:
        readings = seen(meters, named("acme"), "broker_refreshes_total")
        return readings.get(("refresh", "acme", "success"), 0.0)

    with mock.patch.object(os, "pwrite", return_value=0):
        for _ in range(2):
            meters.refresh("acme", "refresh", "success", 1.0)
        meanwhile = told()
    meters.refresh("acme", "refresh", "success", 1.0)
    return meanwhile, told()
