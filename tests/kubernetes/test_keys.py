import json
import logging

import pytest

from broker.kubernetes.keys import Keys
from tests.fakes import FakeClock
from tests.kubernetes.asking import cannot_tell
from tests.kubernetes.publisher import DOWN, NEW, OLD, Publisher, document
from tests.kubernetes.signing import rsa_key


def test_a_known_key_costs_no_fetch(fetched: Keys, publisher: Publisher) -> None:
    """However often it is asked for."""
    found = [fetched.find(OLD.kid) for _ in range(100)]
    assert all(key is not None and key.algorithm == "RS256" for key in found)
    assert publisher.fetches == 0


def test_the_first_look_fetches_if_nobody_did(keys: Keys, publisher: Publisher) -> None:
    """A worker that has just started serves at once."""
    assert keys.find(OLD.kid) is not None
    assert publisher.fetches == 1


def test_an_unknown_key_is_looked_for_once(fetched: Keys, publisher: Publisher) -> None:
    """A key that the cluster has just begun to use is found."""
    publisher.answer = document(OLD, NEW)
    assert fetched.find(NEW.kid) is not None
    assert fetched.find(OLD.kid) is not None
    assert publisher.fetches == 1


def test_unknown_keys_cause_one_fetch_a_minute(
    fetched: Keys, publisher: Publisher, clock: FakeClock
) -> None:
    """All of them together: made-up ids cannot be turned against the API server."""
    for second in range(120):
        assert fetched.find(f"made-up-{second}") is None
        clock.sleep(1)
    assert publisher.fetches == 2


def test_the_minute_counts_from_the_first_fetch_for_an_unknown_key(
    keys: Keys, publisher: Publisher, clock: FakeClock
) -> None:
    """Also if that was the very first fetch."""
    assert keys.find("made-up") is None
    clock.sleep(59.9)
    assert keys.find("other") is None
    assert publisher.fetches == 1
    clock.sleep(0.2)
    assert keys.find("other") is None
    assert publisher.fetches == 2


def test_a_background_fetch_does_not_use_up_the_minute(fetched: Keys, publisher: Publisher) -> None:
    """The fetch every five minutes is no answer to an unknown key that comes after it."""
    assert fetched.refresh()
    publisher.answer = document(NEW)
    assert fetched.find(NEW.kid) is not None


def test_a_key_that_vanished_is_not_accepted_any_more(fetched: Keys, publisher: Publisher) -> None:
    """The cluster has withdrawn it."""
    publisher.answer = document(NEW)
    assert fetched.refresh()
    assert fetched.find(OLD.kid) is None


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (DOWN, "connect"),
        (b"<html>", "not_keys"),
        (b'{"keys":[]}', "no_key"),
        (document(rsa_key(0, 1024)), "no_key"),
        (ZeroDivisionError(), "crashed"),
    ],
)
def test_a_failed_fetch_keeps_the_old_keys(
    fetched: Keys, publisher: Publisher, answer: bytes | Exception, word: str
) -> None:
    """An outage of the API server costs nobody whose key is known; the word says what it is."""
    publisher.answer = answer
    assert not fetched.refresh()
    assert fetched.failure == word
    assert fetched.count == 1
    assert fetched.find(OLD.kid) is not None


def test_health_comes_back_with_the_api_server(fetched: Keys, publisher: Publisher) -> None:
    """The word goes with the failure."""
    publisher.answer = DOWN
    assert not fetched.refresh()
    publisher.answer = document(OLD)
    assert fetched.refresh()
    assert fetched.failure is None


def test_no_fetch_ever_succeeded_is_no_refusal(
    keys: Keys, publisher: Publisher, clock: FakeClock
) -> None:
    """Nobody can tell; the next try may come after a second, not earlier."""
    publisher.answer = DOWN
    for _ in range(5):
        assert cannot_tell(keys, OLD.kid) == 1
    assert publisher.fetches == 1
    clock.sleep(1)
    publisher.answer = document(OLD)
    assert keys.find(OLD.kid) is not None


def test_a_failed_fetch_at_start_holds_back_the_first_caller(
    keys: Keys, publisher: Publisher
) -> None:
    """The second without fetches counts from there, too."""
    publisher.answer = DOWN
    assert not keys.refresh()
    cannot_tell(keys, OLD.kid)
    assert publisher.fetches == 1


def test_a_failed_fetch_for_an_unknown_key_is_no_refusal(
    fetched: Keys, publisher: Publisher, clock: FakeClock
) -> None:
    """It may have been rotated in; when to ask again is when it may be looked for again."""
    publisher.answer = DOWN
    assert cannot_tell(fetched, NEW.kid) == 60
    clock.sleep(20)
    assert cannot_tell(fetched, NEW.kid) == 40
    assert publisher.fetches == 1
    publisher.answer = document(NEW)
    clock.sleep(40)
    assert fetched.find(NEW.kid) is not None


def test_a_background_fetch_ends_the_doubt(fetched: Keys, publisher: Publisher) -> None:
    """It shows that the unknown key is none of the cluster's."""
    publisher.answer = DOWN
    cannot_tell(fetched, "made-up")
    publisher.answer = document(OLD)
    fetched.refresh()
    assert fetched.find("made-up") is None


def test_a_key_is_held_while_it_is_in_force(fetched: Keys, publisher: Publisher) -> None:
    """Another key under the same id is not the same."""
    key = fetched.find(OLD.kid)
    assert key is not None
    fetched.refresh()
    assert fetched.holds(OLD.kid, key)
    impostor = {"keys": [rsa_key(1).jwk(kid=OLD.kid)]}
    publisher.answer = json.dumps(impostor).encode()
    fetched.refresh()
    assert not fetched.holds(OLD.kid, key)
    assert not fetched.holds(NEW.kid, key)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, object]]:
    """Return level, event and detail of what was logged."""
    return [
        (line.levelname, line.message, getattr(line, "reason", getattr(line, "keys", None)))
        for line in caplog.records
    ]


def test_changes_are_logged_at_once_and_the_rest_once_a_minute(
    keys: Keys, publisher: Publisher, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken API server fills no disk, and is not forgotten."""
    caplog.set_level(logging.INFO)
    publisher.answer = DOWN
    for _ in range(61):
        keys.refresh()
        clock.sleep(1)
    publisher.answer = document(OLD, NEW)
    for _ in range(30):
        keys.refresh()
        clock.sleep(1)
    failed = ("WARNING", "kubernetes.keys_failed", "connect")
    assert logged(caplog) == [failed, failed, ("INFO", "kubernetes.keys_fetched", 2)]
