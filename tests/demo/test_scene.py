"""The files and addresses of a demonstration are such as the broker and the emulator take."""

from pathlib import Path

import pytest

from broker.cli.emulator import emulator
from broker.demo.scene import LIFETIME, ORGANIZATION, Scene, make_scene
from broker.settings import load, load_inputs


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Make a scene; nothing is started."""
    return make_scene(tmp_path, 8081, 8091, "redis://127.0.0.1:6390/0", 3)


def test_the_broker_takes_its_environment(scene: Scene) -> None:
    """Settings, credentials and callers have no problem."""
    settings = load(scene.environ())
    assert settings.bind == ("127.0.0.1:8081",)
    assert settings.workers == 3
    assert settings.canvas_url == "http://127.0.0.1:8091/api"
    assert settings.redis_url.reveal() == "redis://127.0.0.1:6390/0"
    assert list(load_inputs(settings).credentials.current) == [ORGANIZATION]


def test_the_key_that_is_shown_is_a_callers(scene: Scene) -> None:
    """The file holds its digest only."""
    callers = load_inputs(load(scene.environ())).callers
    assert callers is not None
    caller = callers.current.find(scene.key)
    assert caller is not None
    assert caller.may_use(ORGANIZATION)
    assert scene.key not in (scene.directory / "callers.toml").read_text()


def test_settings_of_another_broker_do_not_reach_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the environment does."""
    monkeypatch.setenv("BROKER_NONSENSE", "1")
    monkeypatch.setenv("BROKER_CONSUMER", "another")
    monkeypatch.setenv("OTHER", "kept")
    environ = scene.environ()
    load(environ)
    assert environ["OTHER"] == "kept"


def test_the_emulator_takes_its_command_line(scene: Scene) -> None:
    """It plays the same keys, and tokens that live briefly."""
    name, *arguments = scene.emulator_arguments()
    given = emulator.make_context(name, arguments).params
    assert given["port"] == 8091
    assert Path(given["credentials_dir"]) == scene.credentials
    assert given["access_lifetime_authenticate"] == LIFETIME
    assert given["access_lifetime_refresh"] == LIFETIME


def test_no_two_scenes_share_a_secret(scene: Scene, tmp_path: Path) -> None:
    """Everything is made up anew."""
    other = make_scene(tmp_path / "other", 1, 2, "redis://127.0.0.1:1/0", 1)
    assert other.key != scene.key
    for name in ("consumer", "secret-key"):
        one, two = (s.credentials / ORGANIZATION / name for s in (scene, other))
        assert one.read_text() != two.read_text()


def test_everything_lies_below_its_directory(scene: Scene) -> None:
    """So it goes with it."""
    files = sorted(str(f.relative_to(scene.directory)) for f in scene.directory.rglob("*"))
    assert files == [
        "callers.toml",
        "credentials",
        "credentials/acme",
        "credentials/acme/consumer",
        "credentials/acme/secret-key",
    ]
    assert scene.address == "http://127.0.0.1:8081"
