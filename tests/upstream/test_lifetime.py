import time
from collections.abc import Iterator

import pytest

from broker.upstream.lifetime import (
    Claims,
    access_lifetime,
    canvas_now,
    http_date,
    read_claims,
    refresh_lifetime,
)
from tests.upstream.samples import NOW, jwt


@pytest.fixture
def far_east() -> Iterator[None]:
    """Put the host into another time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC-14")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("Wed, 27 Apr 2022 14:01:21 GMT", NOW),
        ("Wednesday, 27-Apr-22 14:01:21 GMT", NOW),
        ("Wed Apr 27 14:01:21 2022", NOW),
        ("Wed, 27 Apr 2022 16:01:21 +0200", NOW),
        (None, None),
        ("", None),
        ("today", None),
        ("Wed, 27 Apr 99999 14:01:21 GMT", None),
        ("Wed, 27 Apr 2022 14:01:21 +9999", None),
        ("Wed, 99 Apr 2022 14:01:21 GMT", None),
    ],
)
@pytest.mark.usefixtures("far_east")
def test_a_date_header_is_read_or_not_there(text: str | None, unix: float | None) -> None:
    """All three forms of an HTTP date are read, wherever the host is; the rest is missing."""
    assert http_date(text) == unix


def test_the_times_of_a_jwt_are_read_unverified() -> None:
    """The signature is the vendor's own business."""
    assert read_claims(jwt({"iat": NOW, "exp": NOW + 600})) == Claims(NOW, NOW + 600)


@pytest.mark.parametrize(
    "value", ["1651068081", None, True, -1, 1e400, float("nan"), 10**30, 10**400, [], {}]
)
def test_a_strange_time_in_a_jwt_counts_as_missing(value: object) -> None:
    """Only a number that can be a time is one."""
    assert read_claims(jwt({"iat": value, "exp": value})) == Claims()


@pytest.mark.parametrize(
    "token", ["opaque", "a.b", "a.b.c.d", "..", "a.!.c", "a.W10.c", "a.éé.c", "a.gA.c"]
)
def test_an_opaque_token_says_nothing_of_its_times(token: str) -> None:
    """A token that is no readable JWT is no failure."""
    assert read_claims(token) == Claims()


def test_a_deeply_nested_jwt_says_nothing_of_its_times() -> None:
    """A payload made to exhaust the stack is no crash."""
    header, _, signature = jwt({}).split(".")
    payload = "W1tb" * 20000
    assert read_claims(f"{header}.{payload}.{signature}") == Claims()


@pytest.mark.parametrize(
    ("date", "issued", "now"),
    [
        (100.0, None, 101.0),
        (None, 100.0, 100.0),
        (100.0, 100.0, 101.0),
        (100.0, 150.0, 150.0),
        (150.0, 100.0, 151.0),
        (None, None, None),
    ],
)
def test_now_by_canvas_is_the_latest_it_can_be(
    date: float | None, issued: float | None, now: float | None
) -> None:
    """A Date is cut to whole seconds; of two clues the later one makes the life shorter."""
    assert canvas_now(date, Claims(issued=issued)) == now


@pytest.mark.parametrize(
    ("expires", "jwt_expires", "lifetime"),
    [
        (1000.9, None, 900),
        (1000.9, 1000.0, 900),
        (1000.9, 950.0, 850),
        (1000.9, 2000.0, 900),
        (100.9, None, 0),
        (50.0, None, -50),
    ],
)
def test_the_smaller_expiry_counts_and_is_cut_down(
    expires: float, jwt_expires: float | None, lifetime: float
) -> None:
    """A token never lives longer than either of its two expiries says."""
    assert access_lifetime(expires, Claims(expires=jwt_expires), 100.0) == lifetime


def test_a_refresh_token_lives_to_its_own_expiry() -> None:
    """The refresh token's life is cut down to whole seconds, too."""
    assert refresh_lifetime(86500.9, 100.0) == 86400
