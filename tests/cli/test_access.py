"""Who else may read or change keys and callers is told by ``broker check``."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from broker.cli.access_steps import access_steps, is_open_to_others
from broker.cli.steps import Finding, Word
from broker.settings import load
from tests.redis.certificates import LOOPBACK, Authority
from tests.web.conftest import write_callers, write_environ

CLOSED = Finding(Word.OK, ("Files of keys and callers are closed to others.",))


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder that every user can enter, seen by one who is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        if not all(parent.stat().st_mode & 0o001 for parent in folder.parents):
            pytest.skip("others cannot reach this machine's temporary files")
        yield folder


@pytest.fixture
def environ(public: Path) -> dict[str, str]:
    """Give settings whose files are closed to others."""
    pair = Authority(public, "authority").server(LOOPBACK)
    for user in ("tls", "redis"):
        (public / f"{user}.crt").write_bytes(pair.certificate.read_bytes())
        (public / f"{user}.key").write_bytes(pair.key.read_bytes())
    options = f"ssl_certfile={public}/redis.crt&ssl_keyfile={public}/redis.key"
    (public / "redis-url").write_text(f"rediss://redis?{options}")
    (public / "proxy").write_text("http://me:password@proxy")
    environ = write_environ(public) | {
        "BROKER_CANVAS_PROXY_FILE": f"{public}/proxy",
        "BROKER_REDIS_URL_FILE": f"{public}/redis-url",
        "BROKER_TLS_CERT_FILE": f"{public}/tls.crt",
        "BROKER_TLS_KEY_FILE": f"{public}/tls.key",
    }
    del environ["BROKER_REDIS_URL"]
    for file in filter(Path.is_file, public.rglob("*")):
        file.chmod(0o640)
    return environ


def access(environ: dict[str, str]) -> Finding:
    """Return what the step finds."""
    (step,) = access_steps(load(environ))
    return step.work()


def open_to_all(*names: str) -> Finding:
    """Return what is said of these files."""
    away = "take that away by chmod o=, or by chmod o-w of a folder above it."
    told = (f"Every user of this machine may read or change {name}: {away}" for name in names)
    return Finding(Word.WARN, tuple(told))


def test_files_of_its_own(environ: dict[str, str]) -> None:
    """The group may read them: it is the broker's, as in a pod."""
    assert access(environ) == CLOSED


def test_files_that_are_for_everybody(environ: dict[str, str], public: Path) -> None:
    """Certificates hold no secret."""
    for name in ("tls.crt", "redis.crt"):
        (public / name).chmod(0o644)
    assert access(environ) == CLOSED


def test_a_file_of_the_callers_folder_that_others_may_change(
    environ: dict[str, str], public: Path
) -> None:
    """Each file is looked at; only what is open is named."""
    folder = public / "callers"
    folder.mkdir()
    for name in ("one.toml", "two.toml"):
        write_callers(folder / name, f"ctb_the-key-of-{name}", name[:3])
        (folder / name).chmod(0o640)
    (folder / "two.toml").chmod(0o642)
    environ["BROKER_CALLERS_FILE"] = str(folder)
    assert access(environ) == open_to_all("two.toml in BROKER_CALLERS_FILE")


@pytest.mark.parametrize("mode", [0o644, 0o602])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("credentials/acme/consumer", "acme/consumer in BROKER_CREDENTIALS_DIR"),
        ("credentials/acme/secret-key", "acme/secret-key in BROKER_CREDENTIALS_DIR"),
        ("callers.toml", "BROKER_CALLERS_FILE"),
        ("redis-url", "BROKER_REDIS_URL_FILE"),
        ("proxy", "BROKER_CANVAS_PROXY_FILE"),
        ("tls.key", "BROKER_TLS_KEY_FILE"),
        ("redis.key", "ssl_keyfile of BROKER_REDIS_URL"),
    ],
    ids=str,
)
def test_a_file_that_others_may_read_or_change(
    environ: dict[str, str], public: Path, file: str, name: str, mode: int
) -> None:
    """A warning names it, and what to do."""
    (public / file).chmod(mode)
    assert access(environ) == open_to_all(name)


def test_a_key_beside_its_certificate(environ: dict[str, str], public: Path) -> None:
    """In one file, as Redis's options allow."""
    both = (public / "redis.crt").read_bytes() + (public / "redis.key").read_bytes()
    (public / "redis.crt").write_bytes(both)
    (public / "redis-url").write_text(f"rediss://redis?ssl_certfile={public}/redis.crt")
    (public / "redis.crt").chmod(0o644)
    found = access(environ)
    assert "change ssl_certfile of BROKER_REDIS_URL:" in found.sentences[0]


def test_a_folder_in_which_others_may_put_another_file(
    environ: dict[str, str], public: Path
) -> None:
    """Its own mode does not help; but for a sticky folder, where each file is its owner's."""
    keys = ("consumer", "secret-key")
    told = open_to_all(*(f"acme/{key} in BROKER_CREDENTIALS_DIR" for key in keys))
    for folder in (public / "credentials", public / "credentials/acme"):
        folder.chmod(0o757)
        assert access(environ) == told
        folder.chmod(0o1757)
        assert access(environ) == CLOSED
        folder.chmod(0o756)
        assert access(environ) == CLOSED
        folder.chmod(0o755)


def test_a_link_that_others_may_replace(public: Path) -> None:
    """What it leads to may be as closed as it likes."""
    (public / "key").touch(0o600)
    folder = public / "links"
    folder.mkdir()
    (folder / "key").symlink_to(public / "key")
    assert not is_open_to_others(folder / "key")
    folder.chmod(0o777)
    assert is_open_to_others(folder / "key")


def test_what_is_mounted_read_only(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is replaced by nobody: a ConfigMap in a pod, whose folder all might write to."""
    public.chmod(0o777)
    (public / "callers.toml").touch(0o640)
    assert is_open_to_others(public / "callers.toml")
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert not is_open_to_others(public / "callers.toml")


def test_a_link_counts_as_its_target(public: Path) -> None:
    """So does a mounted Secret, whose files are links."""
    file = public / "key"
    file.touch(0o600)
    link = public / "link"
    link.symlink_to(file)
    assert not is_open_to_others(link)
    file.chmod(0o604)
    assert is_open_to_others(link)


def test_a_folder_that_others_cannot_enter(public: Path) -> None:
    """Closes all that is in it; what is not there is closed as well."""
    folder = public / "closed"
    folder.mkdir()
    (folder / "key").touch()
    (folder / "key").chmod(0o666)
    assert is_open_to_others(folder / "key")
    folder.chmod(0o750)
    assert not is_open_to_others(folder / "key")
    assert not is_open_to_others(folder / "nothing")


def test_root(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs no rights to read all, and gives a thief as much."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    told = "This is root: give the broker a user of its own."
    assert access(environ) == Finding(Word.WARN, (told,))
