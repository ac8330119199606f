"""The credentials folder: read whole, re-read when it changes, one organization at a time."""

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from broker.credentials import Credentials
from broker.files import credentials as module
from broker.files.credentials import CredentialsSource, read_credentials
from broker.files.reading import read_text
from broker.files.watch import Polled, Watched
from tests.files.folders import Mount, MountOfFiles, keys, write


def watch(directory: Path) -> Watched[Mapping[str, Credentials]]:
    """Return a watcher of the folder that has come to rest."""
    watched = Watched(CredentialsSource(directory), {})
    assert watched.poll() == Polled()
    return watched


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold the keys of acme and globex."""
    write(tmp_path / "keys" / "acme", keys("a"))
    write(tmp_path / "keys" / "globex", keys("b"))
    return tmp_path / "keys"


def test_a_touched_folder_keeps_the_objects_of_before(folder: Path) -> None:
    """Workers share them with their master; only who is written anew is another."""
    watched = watch(folder)
    before = watched.current
    (folder / "acme" / "README").write_text("of no matter")
    os.utime(folder / "acme")
    for _ in range(2):
        assert watched.poll() == Polled()
    assert watched.current is before
    write(folder / "globex", keys("b"))
    assert watched.poll() == Polled()
    assert watched.current["acme"] is before["acme"]
    assert watched.current["globex"].writing != before["globex"].writing


def test_each_folder_is_an_organization(folder: Path) -> None:
    """Blanks around a key are dropped, hidden names are skipped, other files do not matter."""
    (folder / "..2024").mkdir()
    (folder / ".git").write_text("")
    (folder / "acme" / "README").write_text("the keys of acme")
    found = read_credentials(folder)
    assert found.organizations == {"acme": keys("a"), "globex": keys("b")}
    assert found.problems == ()


def test_what_is_watched_takes_no_room(folder: Path) -> None:
    """Every time of every file would be a kilobyte for each organization, in each worker."""
    seen = CredentialsSource(folder).signature()
    assert isinstance(seen, bytes)
    for number in range(50):
        write(folder / f"org-{number}", keys("c"))
    later = CredentialsSource(folder).signature()
    assert isinstance(later, bytes)
    assert later != seen
    assert len(later) == len(seen) <= 32


CANARY = "canary-7d1f"


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("acme/consumer", CANARY, "acme/consumer must be 64 hexadecimal digits"),
        ("acme/consumer", "", "acme/consumer must be 64 hexadecimal digits"),
        ("acme/secret-key", CANARY, "acme/secret-key must be a UUID"),
        ("acme/secret-key", None, "acme/secret-key does not exist"),
        ("Acme/consumer", CANARY, "'Acme' is no name for an organization: 1 to 63 characters"),
        ("consumer", CANARY, "'consumer' is not a folder; each organization has a folder"),
        ("initech/consumer", "c" * 64, "initech/secret-key does not exist"),
    ],
)
def test_a_problem_names_the_file_and_never_the_value(
    folder: Path, path: str, content: str | None, problem: str
) -> None:
    """The others are read as if nothing was."""
    file = folder / path
    file.parent.mkdir(exist_ok=True)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    found = read_credentials(folder)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"BROKER_CREDENTIALS_DIR: {problem}")
    assert CANARY not in repr(found)
    assert found.organizations["globex"] == keys("b")


def test_all_problems_are_told_at_once(folder: Path) -> None:
    """Both keys of one organization and one of the other."""
    (folder / "acme" / "consumer").write_text("x")
    (folder / "acme" / "secret-key").write_text("x")
    (folder / "globex" / "consumer").unlink()
    assert len(read_credentials(folder).problems) == 3


def test_an_organization_that_may_not_be_looked_at_is_a_problem_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal of the system does not end the reading of the others."""
    is_dir = Path.is_dir

    def refuse(path: Path) -> bool:
        if path.name == "acme":
            raise PermissionError(13, "Permission denied")
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refuse)
    found = read_credentials(folder)
    assert found.problems == ("BROKER_CREDENTIALS_DIR: 'acme' cannot be read (Permission denied)",)
    assert set(found.organizations) == {"globex"}


@pytest.mark.parametrize("layout", [Mount, MountOfFiles])
def test_a_swapped_mount_is_taken(tmp_path: Path, layout: type[Mount]) -> None:
    """Kubernetes replaces all files by moving one link; both keys change together."""
    mount = layout(tmp_path / "mount")
    mount.swap({"acme": keys("a")})
    watched = watch(mount.root)
    assert watched.current == {"acme": keys("a")}
    mount.swap({"acme": keys("b"), "globex": keys("c")})
    assert watched.poll() == Polled(reloaded=True)
    assert watched.current == {"acme": keys("b"), "globex": keys("c")}
    assert watched.poll() == Polled()


@pytest.mark.parametrize("layout", [Mount, MountOfFiles])
def test_a_swap_between_the_two_keys_does_not_mix_them(
    tmp_path: Path, layout: type[Mount], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The swap comes after the old Consumer was read: both are read again."""
    mount = layout(tmp_path / "mount")
    mount.swap({"acme": keys("a")})
    swaps = iter([{"acme": keys("b")}])

    def read_then_swap(path: Path) -> str:
        text = read_text(path)
        if path.name == "consumer" and (version := next(swaps, None)):
            mount.swap(version)
        return text

    monkeypatch.setattr(module, "read_text", read_then_swap)
    assert read_credentials(mount.root).organizations == {"acme": keys("b")}


def test_an_organization_that_never_rests_is_refused_in_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of readings is bounded, and the others are not kept waiting."""

    def read_then_write(path: Path) -> str:
        text = read_text(path)
        if path.parent.name == "acme" and path.name == "consumer":
            path.write_text(f"{text}\n")
        return text

    monkeypatch.setattr(module, "read_text", read_then_write)
    found = read_credentials(folder)
    assert found.problems == (
        "BROKER_CREDENTIALS_DIR: acme changed each of the 3 times it was read",
    )
    assert found.organizations == {"globex": keys("b")}


def test_one_broken_organization_keeps_its_old_keys_and_stops_nobody(folder: Path) -> None:
    """In one change acme breaks, globex gets new keys and initech arrives."""
    watched = watch(folder)
    (folder / "acme" / "secret-key").write_text("half a k")
    write(folder / "globex", keys("c"))
    write(folder / "initech", keys("d"))
    polled = watched.poll()
    assert polled.reloaded
    assert polled.problems == (
        "BROKER_CREDENTIALS_DIR: acme/secret-key must be a UUID (8-4-4-4-12 hexadecimal digits)",
    )
    assert watched.current == {"acme": keys("a"), "globex": keys("c"), "initech": keys("d")}
    assert watched.poll() == Polled()


def test_a_repaired_organization_is_taken(folder: Path) -> None:
    """The new keys come into force as soon as both are whole."""
    watched = watch(folder)
    (folder / "acme" / "consumer").unlink()
    watched.poll()
    write(folder / "acme", keys("e"))
    assert watched.poll() == Polled(reloaded=True)
    assert watched.current["acme"] == keys("e")


def test_a_newcomer_that_is_broken_is_not_there(folder: Path) -> None:
    """Nothing of it was ever in force."""
    watched = watch(folder)
    (folder / "initech").mkdir()
    polled = watched.poll()
    assert not polled.reloaded
    assert len(polled.problems) == 2
    assert set(watched.current) == {"acme", "globex"}


def test_a_removed_folder_removes_the_organization(folder: Path) -> None:
    """That is how an organization is taken out of service."""
    watched = watch(folder)
    shutil.rmtree(folder / "acme")
    assert watched.poll() == Polled(reloaded=True)
    assert watched.current == {"globex": keys("b")}


def test_a_lost_root_keeps_everything(folder: Path, tmp_path: Path) -> None:
    """A mount that went away, or shows nothing, says nothing about who exists."""
    watched = watch(folder)
    folder.rename(tmp_path / "elsewhere")
    assert watched.poll().problems == (
        "BROKER_CREDENTIALS_DIR cannot be read (No such file or directory)",
    )
    assert watched.poll() == Polled()
    folder.mkdir()
    assert watched.poll().problems == ("BROKER_CREDENTIALS_DIR holds no organization's folder",)
    assert set(watched.current) == {"acme", "globex"}
    folder.rmdir()
    (tmp_path / "elsewhere").rename(folder)
    assert watched.poll() == Polled(reloaded=True)


def test_a_file_in_place_of_the_folder_is_a_problem(tmp_path: Path) -> None:
    """Nobody is read from it."""
    (tmp_path / "file").write_text("")
    found = read_credentials(tmp_path / "file")
    assert found.problems == ("BROKER_CREDENTIALS_DIR cannot be read (Not a directory)",)
    assert found.lost


def writings(watched: Watched[Mapping[str, Credentials]]) -> dict[str, str]:
    """Look once more; return by which writing each organization has its keys."""
    assert watched.poll() == Polled()
    return {name: one.writing for name, one in watched.current.items()}


def test_files_written_anew_are_told_apart_though_they_say_the_same(folder: Path) -> None:
    """A rewrite, a touch, a replaced file: each is another writing, of that organization alone."""
    watched = watch(folder)
    seen = [writings(watched)]
    key = folder / "acme" / "secret-key"

    def replace() -> None:
        other = key.with_name(".new")
        other.write_text(key.read_text())
        other.replace(key)

    def touch() -> None:
        later = key.stat().st_mtime + 5
        os.utime(key, (later, later))

    def rewrite() -> None:
        write(folder / "acme", keys("a"))

    for change in (rewrite, touch, replace):
        change()
        seen.append(writings(watched))
        assert watched.current == {"acme": keys("a"), "globex": keys("b")}
    assert len({one["acme"] for one in seen}) == len(seen)
    assert len({one["globex"] for one in seen}) == 1


def test_other_rights_are_no_writing(folder: Path) -> None:
    """Kubelets set them anew each minute or so, and some backups."""
    watched = watch(folder)
    before = writings(watched)
    for mode in (0o600, 0o640):
        (folder / "acme" / "secret-key").chmod(mode)
        assert writings(watched) == before


def test_a_writing_that_is_looked_at_again_is_the_same(folder: Path) -> None:
    """Each worker reads the files by itself, and all of a host must give them one name."""
    first, second = writings(watch(folder)), writings(watch(folder))
    assert first == second
    assert first["acme"] != first["globex"]
    assert first["acme"].startswith(f"{platform.node()}/")


@pytest.mark.parametrize("layout", [Mount, MountOfFiles])
def test_a_swap_to_the_same_keys_is_another_writing(tmp_path: Path, layout: type[Mount]) -> None:
    """As Kubernetes does it when something else in the Secret has changed."""
    mount = layout(tmp_path / "mount")
    mount.swap({"acme": keys("a")})
    watched = watch(mount.root)
    before = writings(watched)
    mount.swap({"acme": keys("a")})
    assert writings(watched) != before


def test_a_broken_writing_is_none(folder: Path) -> None:
    """The keys in use are still those of the last good one."""
    watched = watch(folder)
    before = {name: one.writing for name, one in watched.current.items()}
    (folder / "acme" / "consumer").write_text("broken")
    assert watched.poll().problems
    assert {name: one.writing for name, one in watched.current.items()} == before
