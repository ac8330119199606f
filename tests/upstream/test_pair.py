from collections.abc import Mapping

import pytest

from broker.errors import AmbiguousError, UnusableTokenError, UpstreamError
from broker.secret import Secret
from broker.tokens import RefreshToken, TokenPair
from broker.upstream.pair import read_pair
from tests.upstream.samples import (
    ACCESS_TOKEN,
    DATE,
    NOW,
    REFRESH_TOKEN,
    answer,
    body,
    instant,
    jwt,
)


def pair(date: str | None = DATE, arrived: float = float(NOW), **changes: object) -> TokenPair:
    """Read an answer that must give a pair."""
    found = read_pair(answer(content=body(**changes), date=date, arrived=arrived))
    assert isinstance(found, TokenPair)
    return found


def failure(changes: Mapping[str, object], date: str | None = DATE) -> UpstreamError:
    """Read an answer that must give an error."""
    found = read_pair(answer(content=body(**changes), date=date))
    assert isinstance(found, UpstreamError)
    return found


def test_a_good_answer_gives_both_tokens_and_their_lives() -> None:
    """Lives count from sending, a second short since Date is cut to whole seconds."""
    assert pair() == TokenPair(
        access_token=Secret(ACCESS_TOKEN),
        lifetime=899,
        refresh=RefreshToken(Secret(REFRESH_TOKEN), 86399),
        sent=1000.0,
        skew=0.0,
    )


@pytest.mark.parametrize("error", [-600.0, 0.0, 600.0])
def test_the_hosts_clock_changes_only_the_skew(error: float) -> None:
    """A host that is ten minutes off gives the same lives and reports the skew."""
    found = pair(arrived=NOW + error)
    assert (found.lifetime, found.refresh.lifetime, found.skew) == (899, 86399, error)


def test_the_vendors_own_example_lives_899_seconds() -> None:
    """Its iat is a second after the instant that its expiry was counted from."""
    example = jwt({"iat": NOW + 1, "exp": NOW + 900})
    assert pair(access_token=f"Bearer {example}").lifetime == 899


def test_without_a_date_the_jwt_is_the_clock() -> None:
    """Its ``iat`` is when the lives began, and the skew is unknown."""
    found = pair(date=None)
    assert (found.lifetime, found.refresh.lifetime, found.skew) == (900, 86400, None)


def test_without_a_jwt_the_date_is_the_clock() -> None:
    """An opaque access token is as good as any."""
    found = pair(access_token="Bearer opaque")
    assert (found.access_token, found.lifetime) == (Secret("opaque"), 899)


def test_an_old_token_lives_only_what_is_left_of_it() -> None:
    """A token that Canvas issued earlier and hands out again is not as young as it looks."""
    old = jwt({"iat": NOW - 700, "exp": NOW + 200})
    found = pair(access_token=f"Bearer {old}", accessTokenExpiresDateTime=instant(NOW + 200))
    assert found.lifetime == 199


def test_a_date_that_is_behind_does_not_lengthen_life() -> None:
    """Where Date and iat disagree, the shorter life counts."""
    found = pair(date="Wed, 27 Apr 2022 13:01:21 GMT")
    assert found.lifetime == 900


def test_the_jwts_own_expiry_counts_if_it_is_earlier() -> None:
    """What checks the token reads the JWT, not the field beside it."""
    found = pair(access_token=f"Bearer {jwt({'iat': NOW, 'exp': NOW + 300})}")
    assert found.lifetime == 299


def test_a_short_life_is_returned_as_it_is() -> None:
    """Whether a life is too short is for the policy to say."""
    assert pair(accessTokenExpiresDateTime=instant(NOW + 2)).lifetime == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"access_token": ...}, "bad_access_token"),
        ({"access_token": None}, "bad_access_token"),
        ({"access_token": ["Bearer x"]}, "bad_access_token"),
        ({"access_token": "eyJ.no.prefix"}, "bad_access_token"),
        ({"accessTokenExpiresDateTime": ...}, "bad_access_token"),
        ({"accessTokenExpiresDateTime": "2022-04-27T14:16:21"}, "bad_access_token"),
        ({"accessTokenExpiresDateTime": instant(NOW)}, "expired_on_arrival"),
        ({"accessTokenExpiresDateTime": instant(NOW + 1)}, "expired_on_arrival"),
        ({"accessTokenExpiresDateTime": instant(NOW - 3600)}, "expired_on_arrival"),
        ({"access_token": f"Bearer {jwt({'iat': NOW, 'exp': NOW})}"}, "expired_on_arrival"),
    ],
)
def test_a_bad_access_token_saves_the_refresh_token(changes: dict[str, object], word: str) -> None:
    """The refresh token rotated, so the new one is kept although the access token is useless."""
    found = failure(changes)
    assert isinstance(found, UnusableTokenError)
    assert found.kind == word
    assert found.spare == RefreshToken(Secret(REFRESH_TOKEN), 86399)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"refresh_token": ...}, "bad_answer"),
        ({"refreshTokenExpiresDateTime": ...}, "bad_answer"),
        ({"refresh_token": ..., "access_token": ...}, "bad_answer"),
        (
            {"access_token": ..., "refreshTokenExpiresDateTime": instant(NOW - 1)},
            "bad_access_token",
        ),
    ],
)
def test_without_a_live_refresh_token_nothing_is_saved(
    changes: dict[str, object], word: str
) -> None:
    """The next attempt authenticates."""
    found = failure(changes)
    assert type(found) is AmbiguousError
    assert found.kind == word


@pytest.mark.parametrize("token", ["Bearer opaque", None])
def test_without_any_clock_nothing_is_kept(token: str | None) -> None:
    """Neither Date nor iat: no life can be told, and the host's clock is no help."""
    found = failure({"access_token": token}, date=None)
    assert type(found) is AmbiguousError
    assert found.kind == "no_clock"


def test_html_with_status_200_is_ambiguous() -> None:
    """A login page of some proxy is not a token pair."""
    found = read_pair(answer(content=b"<!doctype html>"))
    assert type(found) is AmbiguousError
    assert found.kind == "unreadable"


def test_a_refresh_token_that_is_over_does_not_spoil_a_good_access_token() -> None:
    """It lives zero seconds, so nobody will present it."""
    found = pair(refreshTokenExpiresDateTime=instant(NOW - 60))
    assert (found.lifetime, found.refresh.lifetime) == (899, 0)
