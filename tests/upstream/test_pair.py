import json
from collections.abc import Mapping

import pytest

from broker.errors import AmbiguousError, UnusableTokenError, UpstreamError
from broker.secret import Secret
from broker.tokens import Flaw, RefreshToken, TokenPair
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

REFRESH = RefreshToken(Secret(REFRESH_TOKEN), 86399)


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
        refresh=REFRESH,
        sent=1000.0,
        skew=0.0,
    )


@pytest.mark.parametrize("error", [-600.0, 0.0, 600.0])
def test_the_hosts_clock_changes_only_the_skew(error: float) -> None:
    """A host that is ten minutes off gives the same lives and reports the skew."""
    found = pair(arrived=NOW + error)
    assert (found.lifetime, found.refresh, found.skew) == (899, REFRESH, error)


def test_the_vendors_own_example_lives_899_seconds() -> None:
    """Its iat is a second after the instant that its expiry was counted from."""
    example = jwt({"iat": NOW + 1, "exp": NOW + 900})
    assert pair(access_token=f"Bearer {example}").lifetime == 899


def test_without_a_date_the_jwt_is_the_clock() -> None:
    """Its ``iat`` is when the lives began, and the skew is unknown."""
    found = pair(date=None)
    assert (found.lifetime, found.skew) == (900, None)
    assert found.refresh == RefreshToken(Secret(REFRESH_TOKEN), 86400)


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
        ({"access_token": "Bearer opaque", "accessTokenExpiresDateTime": ...}, "bad_access_token"),
        (
            {"access_token": "opaque", "accessTokenExpiresDateTime": "2022-04-27T14:16:21"},
            "bad_access_token",
        ),
        ({"accessTokenExpiresDateTime": None, "access_token": "Bearer a.b.c"}, "bad_access_token"),
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
    assert found.spare == REFRESH


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"refresh_token": ..., "access_token": ...}, "bad_answer"),
        ({"refreshTokenExpiresDateTime": ..., "access_token": "Bearer "}, "bad_answer"),
        ({"access_token": ..., "refreshTokenExpiresDateTime": instant(NOW - 1)}, "bad_answer"),
        (
            {"refresh_token": None, "accessTokenExpiresDateTime": instant(NOW - 1)},
            "expired_on_arrival",
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


@pytest.mark.parametrize(
    ("field", "value", "flaw"),
    [
        ("refresh_token", ..., Flaw.NO_REFRESH_TOKEN),
        ("refresh_token", None, Flaw.NO_REFRESH_TOKEN),
        ("refresh_token", "", Flaw.BAD_REFRESH_TOKEN),
        ("refresh_token", 7, Flaw.BAD_REFRESH_TOKEN),
        ("refreshTokenExpiresDateTime", ..., Flaw.NO_REFRESH_EXPIRY),
        ("refreshTokenExpiresDateTime", None, Flaw.NO_REFRESH_EXPIRY),
        ("refreshTokenExpiresDateTime", "2022-04-28T14:01:21.9458102", Flaw.BAD_REFRESH_EXPIRY),
        ("refreshTokenExpiresDateTime", instant(NOW - 60), Flaw.REFRESH_TOKEN_EXPIRED),
    ],
)
def test_a_good_access_token_is_kept_beside_a_bad_refresh_token(
    field: str, value: object, flaw: Flaw
) -> None:
    """It lives as long as ever; there is nothing to present, and the answer's flaw has a name."""
    found = read_pair(answer(content=body(**{field: value})))
    assert isinstance(found, TokenPair)
    assert (found.access_token, found.lifetime) == (Secret(ACCESS_TOKEN), 899)
    assert found.refresh is None
    assert found.flaws == {flaw}


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        (..., Flaw.NO_ACCESS_EXPIRY),
        (None, Flaw.NO_ACCESS_EXPIRY),
        ("2022-04-27T14:16:21.9458102", Flaw.BAD_ACCESS_EXPIRY),
        (1651068981, Flaw.BAD_ACCESS_EXPIRY),
    ],
)
def test_the_jwts_expiry_counts_where_the_answers_cannot_be_read(value: object, flaw: Flaw) -> None:
    """A life that is told once is told; an expiry without offset may mean any of 27 hours."""
    found = pair(accessTokenExpiresDateTime=value)
    assert found.lifetime == 899
    assert found.flaws == {flaw}
    assert found.refresh == REFRESH


def test_an_access_token_without_its_prefix_is_the_same_token() -> None:
    """Callers never see the prefix."""
    found = pair(access_token=ACCESS_TOKEN)
    assert found.access_token == Secret(ACCESS_TOKEN)
    assert found.flaws == {Flaw.NO_PREFIX}


def test_flaws_add_up() -> None:
    """All that can be missing at once: a bare JWT is a whole answer."""
    content = json.dumps({"access_token": ACCESS_TOKEN}).encode()
    found = read_pair(answer(content=content))
    assert isinstance(found, TokenPair)
    assert (found.lifetime, found.refresh) == (899, None)
    assert found.flaws == {
        Flaw.NO_PREFIX,
        Flaw.NO_ACCESS_EXPIRY,
        Flaw.NO_REFRESH_TOKEN,
        Flaw.NO_REFRESH_EXPIRY,
    }


class TestFromCache:
    """A shared cache answers with an old ``Date`` and an honest ``Age``."""

    def test_the_age_shortens_the_life(self) -> None:
        """Both are cut to whole seconds, so each may be a second more than it says."""
        found = read_pair(answer(content=body(), age=400, arrived=NOW + 400.5))
        assert isinstance(found, TokenPair)
        assert (found.lifetime, found.skew) == (498, 0.5)

    def test_its_refresh_token_counts_as_presented(self) -> None:
        """Whoever else was given this answer may have redeemed it."""
        found = read_pair(answer(content=body(), age=1))
        assert isinstance(found, TokenPair)
        assert found.refresh is None
        assert found.flaws == {Flaw.FROM_CACHE}

    def test_without_a_date_the_age_of_the_jwt_is_not_less(self) -> None:
        """It was minted before the answer was stored."""
        found = read_pair(answer(content=body(), date=None, age=400))
        assert isinstance(found, TokenPair)
        assert found.lifetime == 499

    def test_a_token_that_died_in_the_cache_is_dead(self) -> None:
        """And its refresh token is not kept."""
        found = read_pair(answer(content=body(), age=899))
        assert type(found) is AmbiguousError
        assert found.kind == "expired_on_arrival"
