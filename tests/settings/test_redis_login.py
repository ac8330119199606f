from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from broker.errors import SettingsError
from broker.limits import Limits
from broker.settings import load, redacted, redis_address
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
    with pytest.raises(redis.AuthenticationError):
        connect(f"redis://127.0.0.1:{guarded.port}/0", Limits()).eval("return 7", 0)
