from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from broker.errors import SettingsError
from broker.files.watch import Polled, Watched
from broker.limits import Limits
from broker.secret import Secret
from broker.settings import load, load_inputs, redacted, redis_address
from broker.store.connect import connect
from tests.servers import RedisServer, valkey_binary

PASSWORD = "p @ss+w/ö%rd&username=x"
SENTINELS = "redis+sentinel://one:26379,two:26379/service"


def problems(environ: dict[str, str], **given: str) -> str:
    """Return all that is wrong when these are set as well."""
    with pytest.raises(SettingsError) as caught:
        load(environ | {f"BROKER_REDIS_{name.upper()}": text for name, text in given.items()})
    return str(caught.value)


def test_without_a_login_the_address_is_the_url(environ: dict[str, str]) -> None:
    """Nothing is added to it."""
    assert redis_address(load(environ)) == "redis://redis:6379/0"


def test_the_login_becomes_part_of_the_address(environ: dict[str, str]) -> None:
    """After an option that is there already, percent-encoded."""
    environ["BROKER_REDIS_URL"] = "rediss://redis:6379/0?ssl_cert_reqs=none"
    settings = load(environ | {"BROKER_REDIS_USERNAME": "me", "BROKER_REDIS_PASSWORD": "a b&c"})
    assert redis_address(settings) == (
        "rediss://redis:6379/0?ssl_cert_reqs=none&username=me&password=a%20b%26c"
    )


def test_the_sentinels_have_their_own(environ: dict[str, str]) -> None:
    """Theirs is not Redis's."""
    environ["BROKER_REDIS_URL"] = SENTINELS
    settings = load(
        environ
        | {"BROKER_REDIS_SENTINEL_USERNAME": "watch", "BROKER_REDIS_SENTINEL_PASSWORD": "word"}
    )
    assert redis_address(settings) == (
        f"{SENTINELS}?sentinel_username=watch&sentinel_password=word"
    )


def test_a_password_comes_from_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    """As every secret may; it is not shown."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n", "utf-8")
    settings = load(environ | {"BROKER_REDIS_PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.redis_password is not None
    assert settings.redis_password.reveal() == PASSWORD
    assert PASSWORD not in str(redacted(settings))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:word@redis:6379/0",
        "redis://someone@redis:6379",
        "redis://redis:6379?password=word",
        "redis://redis:6379/0?db=1&username=me",
    ],
)
def test_one_login_is_enough(environ: dict[str, str], url: str) -> None:
    """Which of two would count, nobody could tell."""
    environ["BROKER_REDIS_URL"] = url
    told = problems(environ, password="another", username="other")
    assert "BROKER_REDIS_PASSWORD is set and BROKER_REDIS_URL has a login, too" in told
    assert "BROKER_REDIS_USERNAME is set and BROKER_REDIS_URL has a login, too" in told
    assert "another" not in told


def test_a_login_at_sentinels_needs_sentinels(environ: dict[str, str]) -> None:
    """With one server there is nobody to show it to."""
    told = problems(environ, sentinel_password="word")
    assert "BROKER_REDIS_SENTINEL_PASSWORD needs a BROKER_REDIS_URL with +sentinel" in told


def test_one_login_at_the_sentinels_is_enough(environ: dict[str, str]) -> None:
    """As with Redis itself."""
    environ["BROKER_REDIS_URL"] = f"{SENTINELS}?sentinel_password=word"
    told = problems(environ, sentinel_password="word")
    assert "BROKER_REDIS_SENTINEL_PASSWORD is set and BROKER_REDIS_URL has a login at" in told


def test_a_user_name_has_no_blank(environ: dict[str, str]) -> None:
    """It is told what one may be."""
    assert "BROKER_REDIS_USERNAME must be 1 to 255 visible" in problems(environ, username="a b")


@dataclass(frozen=True)
class Rotated:
    """A setting behind a file, and the address as it is watched."""

    file: Path
    watched: Watched[Secret]

    def holds(self, text: str) -> Polled:
        """Write the file anew, and look at it."""
        self.file.write_text(text, "utf-8")
        return self.watched.poll()

    def address(self) -> str:
        """Return the address in use."""
        return self.watched.current.reveal()


@pytest.fixture
def rotate(environ: dict[str, str], tmp_path: Path) -> Callable[..., Rotated]:
    """Start with a setting from a file; others are given by their endings."""

    def start(name: str, text: str, **given: str) -> Rotated:
        (tmp_path / name).write_text(text)
        environ.update({f"BROKER_REDIS_{key.upper()}": value for key, value in given.items()})
        environ.pop(f"BROKER_REDIS_{name}", None)
        environ[f"BROKER_REDIS_{name}_FILE"] = str(tmp_path / name)
        watched = load_inputs(load(environ)).redis_login
        assert watched is not None
        return Rotated(tmp_path / name, watched)

    return start


def test_without_a_file_no_login_is_watched(environ: dict[str, str]) -> None:
    """A variable stays as it is."""
    assert load_inputs(load(environ | {"BROKER_REDIS_PASSWORD": "word"})).redis_login is None


def test_a_new_password(rotate: Callable[..., Rotated]) -> None:
    """It replaces the old one, and nothing else."""
    rotated = rotate("PASSWORD", "old\n", username="me")
    assert rotated.address() == "redis://redis:6379/0?username=me&password=old"
    assert rotated.watched.poll() == Polled()
    assert rotated.holds("new one\n").reloaded
    assert rotated.address() == "redis://redis:6379/0?username=me&password=new%20one"


def test_a_new_password_at_the_sentinels(rotate: Callable[..., Rotated]) -> None:
    """The same."""
    rotated = rotate("SENTINEL_PASSWORD", "old", url=SENTINELS)
    assert rotated.holds("new").reloaded
    assert rotated.address() == f"{SENTINELS}?sentinel_password=new"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("redis://:old@redis:6379/0", "redis://me:new@redis:6379/0"),
        ("redis://redis:6379?db=1&password=old", "redis://redis:6379?username=me&db=1"),
    ],
)
def test_a_new_login_in_the_url(rotate: Callable[..., Rotated], old: str, new: str) -> None:
    """It may stand in either place."""
    rotated = rotate("URL", old)
    assert rotated.holds(new).reloaded
    assert rotated.address() == new


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("redis://:canary@elsewhere:6379/0", "_FILE holds more that is new than a login, which"),
        ("redis://:canary@redis:6379/1", "_FILE holds more that is new than a login, which"),
        ("canary", " must be a URL"),
        ("", "_FILE names an empty file"),
    ],
)
def test_what_is_more_than_a_login(rotate: Callable[..., Rotated], text: str, told: str) -> None:
    """Another server needs a restart; until then the login of before counts."""
    rotated = rotate("URL", "redis://:old@redis:6379/0")
    polled = rotated.holds(text)
    assert not polled.reloaded
    assert polled.problems[0].startswith(f"BROKER_REDIS_URL{told}")
    assert "canary" not in repr(polled)
    assert rotated.address() == "redis://:old@redis:6379/0"
    assert rotated.holds("redis://:new@redis:6379/0").reloaded


def test_a_second_login_in_a_new_url(rotate: Callable[..., Rotated]) -> None:
    """It is refused as it would be at the start."""
    rotated = rotate("URL", "redis://redis:6379/0", password="word")
    polled = rotated.holds("redis://:other@redis:6379/0")
    assert polled.problems[0].startswith("BROKER_REDIS_PASSWORD is set and BROKER_REDIS_URL has a")


@pytest.mark.sockets
def test_a_real_server_takes_the_new_one(
    rotate: Callable[..., Rotated], guarded: RedisServer
) -> None:
    """Connections that stand go on, and each new one logs in with the password of its moment."""
    url = f"redis://127.0.0.1:{guarded.port}/0"
    rotated = rotate("PASSWORD", PASSWORD, url=url)
    client = connect(rotated.address(), Limits(), current=rotated.address)
    admin = redis.Redis(port=guarded.port, password=PASSWORD)
    assert client.eval("return 7", 0) == 7
    admin.config_set("requirepass", "another")
    assert client.eval("return 7", 0) == 7
    admin.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(redis.ConnectionError):
        client.eval("return 7", 0)
    with pytest.raises(redis.AuthenticationError):
        client.eval("return 7", 0)
    assert rotated.holds("another").reloaded
    assert client.eval("return 7", 0) == 7
    admin.close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Valkey that asks for this password."""
    with RedisServer(valkey_binary(), tmp_path) as server:
        with server.client() as client:
            client.config_set("requirepass", PASSWORD)
        yield server


@pytest.mark.sockets
def test_a_real_server_takes_it(environ: dict[str, str], guarded: RedisServer) -> None:
    """Whatever characters it is made of."""
    environ |= {
        "BROKER_REDIS_URL": f"redis://127.0.0.1:{guarded.port}/0",
        "BROKER_REDIS_PASSWORD": PASSWORD,
    }
    client = connect(redis_address(load(environ)), Limits())
    assert client.eval("return 7", 0) == 7
    stranger = connect(f"redis://127.0.0.1:{guarded.port}/0", Limits())
    with pytest.raises(redis.AuthenticationError):
        stranger.eval("return 7", 0)
    opened: list[Any] = [client.client(), stranger.client()]
    for each in opened:
        each.connection_pool.disconnect()
