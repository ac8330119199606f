"""Records as they lie sealed in Redis, also between versions of the broker."""

from dataclasses import replace
from typing import Any

import pytest

from broker.secret import Secret
from broker.store.codec import open_record, seal_record
from broker.store.seal import Seal
from broker.tokens import Flaw, Record
from tests.fakes import START, credentials

SEAL = Seal("acme", credentials(), "scope")
RECORD = Record(
    generation=7,
    provisional=5,
    access_token=Secret("access"),
    lifetime=600.0,
    expires_at=START + 500.0,
    margin=200.0,
    refresh_token=Secret("refresh"),
    refresh_expires_at=START + 86300.0,
    flaws=frozenset({Flaw.NO_PREFIX}),
)
BARE = replace(RECORD, refresh_token=None, refresh_expires_at=None)


def content(record: Record) -> dict[str, Any]:
    """Return what is sealed of a record, in the open."""
    found: dict[str, Any] = SEAL.open("record", seal_record(SEAL, record))
    return found


@pytest.mark.parametrize("record", [RECORD, BARE])
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    """Also one without a refresh token."""
    assert open_record(SEAL, 7, seal_record(SEAL, record)) == record


def test_a_worker_of_an_older_version_takes_no_refresh_token_for_one_that_is_over() -> None:
    """It wants a text and a number: this text is never presented, for its life has ended."""
    found = content(BARE)
    assert isinstance(found["refresh_token"], str)
    assert found["refresh_expires_at"] == BARE.expires_at - BARE.lifetime < START


def test_a_record_of_an_older_version_has_no_flaws() -> None:
    """It did not keep them."""
    older = content(RECORD)
    del older["flaws"]
    found = open_record(SEAL, 7, SEAL.close("record", older))
    assert found == replace(RECORD, flaws=frozenset())


def test_a_flaw_of_a_newer_version_is_passed_over() -> None:
    """The token beside it is as good as ever."""
    newer = content(RECORD) | {"flaws": ["no_prefix", "of_the_future", 7]}
    assert open_record(SEAL, 7, SEAL.close("record", newer)) == RECORD
