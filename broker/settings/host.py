"""What a worker may need of its host, and whether the host gives it.

Counted is what may happen, not what is usual: a host that refuses a file or a thread does so under
load, when it hurts most.
"""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from broker.settings.reading import is_set
from broker.settings.table import Settings
from broker.threads import FLIGHTS, SWEEPS, redis_connections

MOST_CONNECTIONS = 10_000
"""Connections that a worker holds at most, where the host allows as many."""
MANAGEMENT_CONNECTIONS = 64
"""Connections that a worker holds on the management port, beside all others."""
MANAGEMENT_THREADS = 16
"""Threads of a worker for these; none of them uses Redis or Canvas."""
_MANAGEMENT_FILES = MANAGEMENT_CONNECTIONS + 8
"""With its listeners, poller and pipe."""
_OTHER_FILES = 64
"""Standard streams, listeners, pipes, metrics, the sockets of the other workers."""
_OTHER_THREADS = 24
"""The main loop, those of the service and its logs, and of connections that are set up."""
_UNLIMITED = "max"


def own_files(threads: int, *, management: bool = False) -> int:
    """Return how many files a worker may have open beside the connections of its callers.

    Each thread that uses Redis has a connection, each call to Canvas a socket and its duplicate;
    with ``management`` there is a port for operators.
    """
    others = _OTHER_FILES + (_MANAGEMENT_FILES if management else 0)
    return redis_connections(threads) + 2 * FLIGHTS + others


def connections(threads: int, hard: int, *, management: bool = False) -> int:
    """Return how many callers' connections a worker may hold under a hard limit of open files."""
    return open_files(threads, hard, management=management) - own_files(
        threads, management=management
    )


def open_files(threads: int, hard: int, *, management: bool = False) -> int:
    """Return how many files a worker opens at most; a hard limit of -1 is none."""
    most = own_files(threads, management=management) + max(MOST_CONNECTIONS, threads + 1)
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def own_threads(threads: int, *, management: bool = False) -> int:
    """Return how many threads a worker may have: each flight has one more that carries its call."""
    others = _OTHER_THREADS + (MANAGEMENT_THREADS + 1 if management else 0)
    return threads + 2 * FLIGHTS + SWEEPS + others


def host(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each limit of this host that the settings do not fit."""
    management = is_set(settings, "management_bind")
    yield from _files(settings.threads, management=management)
    yield from _tasks(settings.threads, settings.workers, management=management)


def _files(threads: int, *, management: bool) -> Iterator[str]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if connections(threads, hard, management=management) > threads:
        return
    least = own_files(threads, management=management) + threads + 1
    most = (hard - own_files(0, management=management) - 1) // 2
    yield (
        f"BROKER_THREADS is {threads} and needs {least} open files in a worker, of which the hard "
        f"limit allows {hard}: raise it (ulimit -n, LimitNOFILE=, --ulimit nofile=)"
        + _or_lower(most)
    )


def _tasks(threads: int, workers: int, *, management: bool) -> Iterator[str]:
    needed = (own_threads(threads, management=management) + 1) * workers + _OTHER_THREADS
    for limit, name in _task_limits():
        if needed > limit:
            others = own_threads(0, management=management)
            most = (limit - _OTHER_THREADS) // workers - others - 1
            yield (
                f"BROKER_THREADS is {threads} and BROKER_WORKERS {workers}, which needs {needed} "
                f"threads, of which {name} allows {limit}: raise it, or lower BROKER_WORKERS"
                + _or_lower(most)
            )


def _or_lower(most: int) -> str:
    return f", or set BROKER_THREADS to at most {most}" if most > 1 else ""


def _task_limits() -> Iterator[tuple[int, str]]:
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if os.geteuid() != 0 and processes != resource.RLIM_INFINITY:  # root is not held to it
        yield processes, "the hard limit of processes (ulimit -u)"
    pids = pids_max()
    if pids is not None:
        yield pids, "the control group (pids.max, podPidsLimit, --pids-limit)"


def pids_max(root: Path = Path("/")) -> int | None:
    """Return the fewest tasks that a control group of this process allows; None without a limit."""
    try:
        groups = (root / "proc/self/cgroup").read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    limits = [limit for line in groups for limit in _limits_of(root, line)]
    return min(limits, default=None)


def _limits_of(root: Path, line: str) -> Iterator[int]:
    """Yield the limits of one line, ``number:controllers:/path``, and of all groups above it."""
    _, controllers, path = line.split(":", 2)
    if controllers not in {"", "pids"}:
        return
    top = root / "sys/fs/cgroup" / controllers
    group = top / path.strip("/")
    for folder in (group, *group.parents):
        if folder.is_relative_to(top):
            try:
                text = (folder / "pids.max").read_text("ascii").strip()
            except OSError:
                continue
            if text != _UNLIMITED:
                yield int(text)
