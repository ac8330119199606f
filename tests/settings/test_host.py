"""The settings and the limits of this host fit each other, or the start says what to change."""

import os
import resource
from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import host, load
from broker.settings.host import MANAGEMENT_CONNECTIONS, connections, own_files, pids_max

FILES, TASKS = resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC


class Host:
    """A host with limits of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limits = {FILES: -1, TASKS: -1}
        self.pids: int | None = None
        self.user = 1000
        monkeypatch.setattr(resource, "getrlimit", lambda which: (0, self.limits[which]))
        monkeypatch.setattr(os, "geteuid", lambda: self.user)
        monkeypatch.setattr(host, "pids_max", lambda: self.pids)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Play a host without limits."""
    return Host(monkeypatch)


def problems(environ: dict[str, str], **settings: str) -> tuple[str, ...]:
    """Return what is wrong with the settings here."""
    try:
        load(environ | {f"BROKER_{name.upper()}": value for name, value in settings.items()})
    except SettingsError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("hard", "expected"),
    [(-1, 10_000), (1_048_576, 10_000), (4096, 3652), (1024, 580), (702, 258)],
)
def test_connections_are_as_many_as_files_allow(hard: int, expected: int) -> None:
    """Beside those of Redis and Canvas."""
    assert connections(256, hard) == expected


def test_each_user_of_redis_and_each_call_to_canvas_has_its_files() -> None:
    """So many that no connection of a client takes one of theirs."""
    assert own_files(256) - own_files(1) == 255
    assert own_files(0) >= 43 + 2 * 40


def test_a_management_port_has_files_of_its_own() -> None:
    """As many as its connections; callers get no more than they did, nor less where there are."""
    assert own_files(256, management=True) - own_files(256) > MANAGEMENT_CONNECTIONS
    assert connections(256, -1, management=True) == connections(256, -1)
    assert connections(256, 1024, management=True) < connections(256, 1024) - 64


def test_a_management_port_counts_at_start(machine: Host, environ: dict[str, str]) -> None:
    """Its files and threads."""
    machine.limits[FILES], machine.pids = 701, 748
    assert problems(environ) == ()
    told = problems(environ, management_bind="127.0.0.1:8081")
    assert "needs 773 open files" in told[0]
    assert "needs 782 threads" in told[1]
    machine.limits[FILES], machine.pids = 773, 782
    assert problems(environ, management_bind="127.0.0.1:8081") == ()


def test_more_threads_than_connections_are_usual_have_one_each() -> None:
    """And one is left for a health probe."""
    assert connections(20_000, -1) == 20_001


def test_no_limit_is_no_problem(machine: Host, environ: dict[str, str]) -> None:
    """As on most hosts."""
    assert problems(environ) == ()
    assert machine.limits[FILES] == -1


@pytest.mark.parametrize("hard", [256, 300, 700])
def test_too_few_open_files(machine: Host, environ: dict[str, str], hard: int) -> None:
    """What is told to set can be set."""
    machine.limits[FILES] = hard
    (told,) = problems(environ)
    assert told.startswith(
        f"BROKER_THREADS is 256 and needs 701 open files in a worker, of which the hard limit "
        f"allows {hard}: raise it (ulimit -n, "
    )
    most = int(told.rpartition(" ")[2])
    assert problems(environ, threads=str(most)) == ()
    assert problems(environ, threads=str(most + 1)) != ()
    machine.limits[FILES] = 701
    assert problems(environ) == ()


def test_hardly_any_open_files(machine: Host, environ: dict[str, str]) -> None:
    """No number of threads helps."""
    machine.limits[FILES] = 128
    (told,) = problems(environ)
    assert told.endswith("allows 128: raise it (ulimit -n, LimitNOFILE=, --ulimit nofile=)")


@pytest.mark.parametrize("by_group", [True, False])
def test_too_few_threads(machine: Host, environ: dict[str, str], *, by_group: bool) -> None:
    """Whether the control group or the user is limited."""

    def limit(tasks: int) -> None:
        machine.pids = tasks if by_group else None
        machine.limits[TASKS] = -1 if by_group else tasks

    limit(500)
    (told,) = problems(environ)
    assert told.startswith("BROKER_THREADS is 256 and BROKER_WORKERS 2, which needs 748 threads, ")
    assert ("pids.max" if by_group else "ulimit -u") in told
    most = int(told.rpartition(" ")[2])
    assert problems(environ, threads=str(most)) == ()
    assert problems(environ, threads=str(most + 1)) != ()
    limit(748)
    assert problems(environ) == ()


def test_root_is_held_to_no_limit_of_processes(machine: Host, environ: dict[str, str]) -> None:
    """The kernel does not count its processes."""
    machine.limits[TASKS] = 10
    machine.user = 0
    assert problems(environ) == ()


def test_settings_that_cannot_be_read_are_told_alone(
    machine: Host, environ: dict[str, str]
) -> None:
    """Nothing can be said of threads that are no number."""
    machine.limits[FILES], machine.pids = 256, 100
    assert len(problems(environ, threads="many")) == 1


def test_the_smallest_limit_of_all_groups_counts(tmp_path: Path) -> None:
    """Version 2, and version 1 with a hierarchy of its own."""
    (tmp_path / "proc/self").mkdir(parents=True)
    cgroup = tmp_path / "proc/self/cgroup"
    assert pids_max(tmp_path) is None
    cgroup.write_text("4:memory:/other\n0::/pod/broker\n")
    assert pids_max(tmp_path) is None
    group = tmp_path / "sys/fs/cgroup/pod/broker"
    group.mkdir(parents=True)
    (group / "pids.max").write_text("max\n")
    assert pids_max(tmp_path) is None
    (group.parent / "pids.max").write_text("700\n")
    (group / "pids.max").write_text("900\n")
    assert pids_max(tmp_path) == 700
    cgroup.write_text("8:pids:/\n0::/\n")
    first = tmp_path / "sys/fs/cgroup/pids"
    first.mkdir()
    (first / "pids.max").write_text("500\n")
    assert pids_max(tmp_path) == 500
