"""Secrets come from variables or files, and leave by no message, repr or log line."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.errors import SettingsError
from broker.settings import CATALOGUE, load, redacted
from tests.files.folders import keys

CANARY = "canary-7d1f"
SECRETS = [setting.name for setting in CATALOGUE if setting.secret]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], str]:
    """Write a secret's file and return its path."""

    def write(content: bytes) -> str:
        (tmp_path / "secret").write_bytes(content)
        return str(tmp_path / "secret")

    return write


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.problems


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_secret_is_read_from_its_file(
    environ: dict[str, str], file: Callable[[bytes], str], end: bytes
) -> None:
    """One newline at the end is the editor's."""
    environ.pop("BROKER_REDIS_URL")
    environ["BROKER_REDIS_URL_FILE"] = file(b"redis://:pass@redis" + end)
    assert load(environ).redis_url.reveal() == "redis://:pass@redis"


def test_only_one_newline_is_dropped(environ: dict[str, str], file: Callable[[bytes], str]) -> None:
    """What else is wrong with the file is told."""
    environ.pop("BROKER_REDIS_URL")
    environ["BROKER_REDIS_URL_FILE"] = file(b"redis://redis\n\n")
    assert problems(environ)[0].startswith("BROKER_REDIS_URL must be a URL")


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_has_a_file(environ: dict[str, str], name: str) -> None:
    """The path is not repeated: somebody may have put the secret itself there."""
    environ.pop(name, None)
    told = problems(environ | {f"{name}_FILE": CANARY})
    assert told[0] == f"{name}_FILE names a file that does not exist"
    assert CANARY not in repr(told)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "names an empty file"),
        (b"\n", "names an empty file"),
        (b"\xff", "names a file that is not UTF-8 text"),
    ],
)
def test_a_file_without_a_secret_is_a_problem(
    environ: dict[str, str], file: Callable[[bytes], str], content: bytes, problem: str
) -> None:
    """It is the only one: the setting does not count as missing beside it."""
    environ.pop("BROKER_REDIS_URL")
    environ["BROKER_REDIS_URL_FILE"] = file(content)
    assert problems(environ) == (f"BROKER_REDIS_URL_FILE {problem}",)


def test_a_secret_and_its_file_are_not_both_set(
    environ: dict[str, str], file: Callable[[bytes], str]
) -> None:
    """Nobody can tell which one was meant."""
    environ["BROKER_REDIS_URL_FILE"] = file(b"redis://redis")
    assert problems(environ) == (
        "BROKER_REDIS_URL and BROKER_REDIS_URL_FILE are both set; set one of them",
    )


def test_no_message_repeats_any_value(environ: dict[str, str]) -> None:
    """People paste a secret into the wrong variable."""
    environ |= {setting.name: CANARY for setting in CATALOGUE}
    environ["BROKER_REDIS_URL"] = f"redis://me:{CANARY}/@redis"
    environ["BROKER_CANVAS_PROXY"] = f"http://me:{CANARY}@[proxy"
    environ["BROKER_CANVAS_URL"] = f"https://me:{CANARY}@canvas.example"
    with pytest.raises(SettingsError) as caught:
        load(environ)
    taken_as_text = {
        "BROKER_REDIS_PASSWORD",
        "BROKER_REDIS_PREFIX",
        "BROKER_REDIS_SENTINEL_PASSWORD",
        "BROKER_REDIS_SENTINEL_USERNAME",
        "BROKER_REDIS_USERNAME",
        "BROKER_KUBERNETES_AUDIENCE",
        "BROKER_KUBERNETES_CA_FILE",
        "BROKER_KUBERNETES_ISSUER",
        "BROKER_KUBERNETES_TOKEN_FILE",
        "BROKER_KUBERNETES_TOKEN_HOST",
        "BROKER_LISTENER",
        "BROKER_RUNTIME_DIR",
        "BROKER_TLS_CLIENT_CA_FILE",
        "BROKER_TLS_KEY_FILE",
    }
    told = {problem.split()[0] for problem in caught.value.problems}
    assert {setting.name for setting in CATALOGUE} - told == taken_as_text
    assert CANARY not in str(caught.value)


def test_the_dump_names_every_setting_and_no_secret(environ: dict[str, str]) -> None:
    """What is set, what is a default, and that a secret is there."""
    environ.pop("BROKER_CREDENTIALS_DIR")
    environ |= {
        "BROKER_CONSUMER": keys("a").consumer.reveal(),
        "BROKER_SECRET_KEY": keys("b").secret_key.reveal(),
        "BROKER_BIND": "127.0.0.1:80,[::1]:80",
    }
    dump = redacted(load(environ))
    assert list(dump) == [setting.name for setting in CATALOGUE]
    assert dump["BROKER_CONSUMER"] == dump["BROKER_SECRET_KEY"] == "<secret>"
    assert dump["BROKER_CREDENTIALS_DIR"] is None
    assert dump["BROKER_CANVAS_PROXY"] is None
    assert dump["BROKER_CALLERS_FILE"] == environ["BROKER_CALLERS_FILE"]
    assert dump["BROKER_BIND"] == "127.0.0.1:80,[::1]:80"
    assert (dump["BROKER_WORKERS"], dump["BROKER_LEASE"]) == (2, 25.0)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://me:{CANARY}@redis:6379/0", "redis://redis:6379"),
        (f"redis://{CANARY}@redis", "redis://redis"),
        (f"redis://:%63{CANARY}%2F@redis:6379", "redis://redis:6379"),
        (f"rediss://redis:6379?password={CANARY}", "rediss://redis:6379"),
        (f"unix://me:{CANARY}@/run/redis.sock?password={CANARY}", "unix:///run/redis.sock"),
        (f"redis+sentinel://me:{CANARY}@a:1,b:2/main", "redis+sentinel://a:1,b:2"),
        (f"redis+cluster://me:{CANARY}@[::1]:6379", "redis+cluster://[::1]:6379"),
    ],
)
def test_of_the_url_of_redis_only_the_place_is_shown(
    environ: dict[str, str], url: str, shown: str
) -> None:
    """A password may stand before the host or in the query, encoded or not."""
    settings = load(environ | {"BROKER_REDIS_URL": url})
    assert redacted(settings)["BROKER_REDIS_URL"] == shown
    assert CANARY not in repr(redacted(settings))


def test_of_the_proxy_only_the_place_is_shown(environ: dict[str, str]) -> None:
    """It often has a password."""
    settings = load(environ | {"BROKER_CANVAS_PROXY": f"http://me:{CANARY}@proxy:3128"})
    assert redacted(settings)["BROKER_CANVAS_PROXY"] == "http://proxy:3128"


def test_settings_can_be_logged_without_harm(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither their repr nor the dump holds a canary."""
    settings = load(
        environ
        | {
            "BROKER_REDIS_URL": f"redis://:{CANARY}@redis?password={CANARY}",
            "BROKER_CANVAS_PROXY": f"http://me:{CANARY}@proxy",
        }
    )
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%r %s", settings, redacted(settings))
    assert "redis://redis" in caplog.text
    assert CANARY not in caplog.text
