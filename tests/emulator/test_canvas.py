"""Canvas's own behaviour: documented where the vendor speaks, settable where it is silent."""

import random
import re
import uuid

import pytest

from broker.emulator.canvas import Canvas, Sessions, UnknownRefreshTokenError, WrongKeysError
from broker.emulator.minting import Answer
from tests.emulator.support import ACME, GLOBEX, NOW, FakeClock, make_canvas, next_pair, payload


def test_authenticate_gives_a_token_of_899_seconds() -> None:
    """As in the vendor's example, in the claims and in the expiry."""
    answer = make_canvas().authenticate(*ACME)
    claims = payload(answer.access_token)
    assert claims["exp"] - claims["iat"] == 899
    assert answer.access_expires == pytest.approx(NOW + 899)


def test_refresh_gives_a_token_of_600_seconds() -> None:
    """As in the vendor's example."""
    canvas = make_canvas()
    claims = payload(next_pair(canvas, canvas.authenticate(*ACME)).access_token)
    assert claims["exp"] - claims["iat"] == 600


def test_a_refresh_token_lives_a_day_from_the_call_that_gave_it() -> None:
    """A refresh begins a new day."""
    clock = FakeClock()
    canvas = make_canvas(clock)
    first = canvas.authenticate(*ACME)
    clock.advance(1000)
    second = next_pair(canvas, first)
    assert first.refresh_expires == pytest.approx(NOW + 86400)
    assert second.refresh_expires == pytest.approx(NOW + 1000 + 86400)


def test_the_claims_are_the_documented_ones() -> None:
    """Issuer, audience, role and identifiers have the documented values and shapes."""
    answer = make_canvas().authenticate(*ACME)
    claims = payload(answer.access_token)
    assert str(uuid.UUID(claims["jti"])) == claims["jti"]
    assert claims["iss"] == "http://canvastest.connectmyapps.com"
    assert claims["aud"] == "cma-users"
    assert claims["LoggedSupportedByCma"] == "True"
    assert "Admin" in claims.values()
    assert claims["exp"] == int(answer.access_expires)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.refresh_token)


def test_each_token_is_another() -> None:
    """Two answers in the same instant share neither token nor identifier."""
    canvas = make_canvas()
    first, second = canvas.authenticate(*ACME), canvas.authenticate(*ACME)
    assert first.access_token != second.access_token
    assert first.refresh_token != second.refresh_token


@pytest.mark.parametrize("keys", [("", ""), (ACME[0], ""), (ACME[0], GLOBEX[1]), ("x", ACME[1])])
def test_wrong_or_missing_keys_are_refused(keys: tuple[str, str]) -> None:
    """Both calls look at both keys before anything else."""
    canvas = make_canvas()
    pair = canvas.authenticate(*ACME)
    with pytest.raises(WrongKeysError):
        canvas.authenticate(*keys)
    with pytest.raises(WrongKeysError):
        canvas.refresh(*keys, pair.refresh_token)
    next_pair(canvas, pair)


def test_a_refresh_token_works_once() -> None:
    """Strict by default: it dies when it is used."""
    canvas = make_canvas()
    pair = canvas.authenticate(*ACME)
    next_pair(canvas, pair)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, pair)


def test_a_refresh_token_belongs_to_its_organization() -> None:
    """Another organization's keys do not find it, and do not use it up."""
    canvas = make_canvas()
    pair = canvas.authenticate(*ACME)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, pair, GLOBEX)
    next_pair(canvas, pair)


def test_a_refresh_token_ends_after_its_day() -> None:
    """One moment before it works, at its expiry it is not found."""
    clock = FakeClock()
    canvas = make_canvas(clock)
    early, late = canvas.authenticate(*ACME), canvas.authenticate(*ACME)
    clock.advance(86399)
    next_pair(canvas, early)
    clock.advance(1)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, late)


def test_within_the_grace_time_a_used_refresh_token_works_again() -> None:
    """Counted from its first use; each use gives another pair."""
    clock = FakeClock()
    canvas = make_canvas(clock, grace=10)
    pair = canvas.authenticate(*ACME)
    first = next_pair(canvas, pair)
    clock.advance(9)
    second = next_pair(canvas, pair)
    assert first.refresh_token != second.refresh_token
    clock.advance(1)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, pair)


def _reuse(canvas: Canvas) -> tuple[Answer, Answer]:
    pair = canvas.authenticate(*ACME)
    successor = next_pair(canvas, pair)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, pair)
    return pair, successor


def test_by_default_reuse_revokes_nothing() -> None:
    """The 404 is all that comes of it."""
    canvas = make_canvas()
    pair, successor = _reuse(canvas)
    assert canvas.whoami(pair.access_token)
    next_pair(canvas, successor)


def test_reuse_may_revoke_the_whole_family() -> None:
    """Then all access and refresh tokens of that Authenticate end, and no others."""
    canvas = make_canvas(reuse_revokes_family=True)
    stranger = canvas.authenticate(*ACME)
    pair, successor = _reuse(canvas)
    assert not canvas.whoami(pair.access_token)
    assert not canvas.whoami(successor.access_token)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, successor)
    assert canvas.whoami(stranger.access_token)
    next_pair(canvas, stranger)


def test_by_default_many_sessions_live_side_by_side() -> None:
    """A new Authenticate ends nothing."""
    canvas = make_canvas()
    first = canvas.authenticate(*ACME)
    canvas.authenticate(*ACME)
    assert canvas.whoami(first.access_token)
    next_pair(canvas, first)


def test_with_a_single_session_authenticate_ends_the_earlier_one() -> None:
    """Of the same organization, both tokens; another organization notices nothing."""
    canvas = make_canvas(sessions=Sessions.SINGLE)
    first, other = canvas.authenticate(*ACME), canvas.authenticate(*GLOBEX)
    second = canvas.authenticate(*ACME)
    assert not canvas.whoami(first.access_token)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, first)
    assert canvas.whoami(second.access_token)
    assert canvas.whoami(other.access_token)
    next_pair(canvas, other, GLOBEX)


def test_an_access_token_ends_with_its_exp_claim() -> None:
    """A business API goes by whole seconds: the fraction is lost."""
    clock = FakeClock(1000.75)
    canvas = make_canvas(clock)
    token = canvas.authenticate(*ACME).access_token
    clock.now = 1898.99
    assert canvas.whoami(token)
    clock.now = 1899.0
    assert not canvas.whoami(token)


def test_an_access_token_tells_its_organization() -> None:
    """And something that is no token has no owner."""
    canvas = make_canvas()
    token = canvas.authenticate(*GLOBEX).access_token
    assert canvas.owner(token) == "globex"
    assert canvas.owner(f"Bearer {token}") is None
    assert canvas.owner("") is None


def test_revoking_ends_one_access_token_now() -> None:
    """Its refresh token and other access tokens go on."""
    canvas = make_canvas()
    pair, other = canvas.authenticate(*ACME), canvas.authenticate(*ACME)
    assert canvas.revoke(pair.access_token)
    assert not canvas.whoami(pair.access_token)
    assert not canvas.revoke(pair.access_token)
    assert canvas.whoami(other.access_token)
    next_pair(canvas, pair)


def test_revoking_an_organization_ends_its_access_tokens_alone() -> None:
    """The count is of those that were alive."""
    clock = FakeClock()
    canvas = make_canvas(clock)
    canvas.authenticate(*ACME)
    clock.advance(1000)
    acme, globex = canvas.authenticate(*ACME), canvas.authenticate(*GLOBEX)
    assert canvas.revoke_organization("acme") == 1
    assert not canvas.whoami(acme.access_token)
    assert canvas.whoami(globex.access_token)


@pytest.mark.parametrize("shift", [-7200.0, 600.5])
def test_a_shifted_clock_changes_what_is_shown_and_not_how_long_it_lasts(shift: float) -> None:
    """Expiries, claims and the date move together; the token lives its 899 s all the same."""
    clock = FakeClock(1000.0)
    canvas = make_canvas(clock, clock_shift=shift)
    answer = canvas.authenticate(*ACME)
    assert answer.access_expires == pytest.approx(1899 + shift)
    assert answer.refresh_expires == pytest.approx(87400 + shift)
    assert payload(answer.access_token)["iat"] == int(1000 + shift // 1)
    assert canvas.date() == 1000 + shift
    clock.advance(898)
    assert canvas.whoami(answer.access_token)
    clock.advance(1)
    assert not canvas.whoami(answer.access_token)


@pytest.mark.parametrize("shift", [-7200.0, 600.5])
def test_a_shifted_clock_leaves_the_refresh_token_its_day(shift: float) -> None:
    """It works until the end of it, and not longer."""
    clock = FakeClock(1000.0)
    canvas = make_canvas(clock, clock_shift=shift)
    early, late = canvas.authenticate(*ACME), canvas.authenticate(*ACME)
    clock.advance(86399)
    next_pair(canvas, early)
    clock.advance(1)
    with pytest.raises(UnknownRefreshTokenError):
        next_pair(canvas, late)


def test_the_date_alone_can_be_wrong() -> None:
    """The tokens then show the right time."""
    canvas = make_canvas(date_shift=-30)
    assert canvas.date() == pytest.approx(NOW - 30)
    assert canvas.authenticate(*ACME).access_expires == pytest.approx(NOW + 899)


def test_a_token_can_be_born_expired() -> None:
    """The given lifetime replaces the usual one; the refresh token is good."""
    canvas = make_canvas()
    pair = canvas.authenticate(*ACME, lifetime=-60)
    assert pair.access_expires < NOW
    assert not canvas.whoami(pair.access_token)
    next_pair(canvas, pair)


def test_an_organization_without_a_name_is_named_by_a_fingerprint() -> None:
    """The Consumer itself is never shown, and a stranger is unknown."""
    canvas = Canvas(dict([ACME]))
    (name,) = canvas.organizations
    assert re.fullmatch(r"[0-9a-f]{12}", name)
    assert canvas.organization(ACME[0]) == name
    assert name not in ACME[0]
    assert canvas.organization("stranger") == "unknown"


def test_dead_tokens_are_forgotten_in_the_long_run() -> None:
    """Memory holds about what lives, and what lives stays good."""
    clock = FakeClock()
    canvas = make_canvas(clock)
    for _ in range(900):
        canvas.authenticate(*ACME)
    clock.advance(86400)
    living = [canvas.authenticate(*ACME) for _ in range(101)]
    assert len(canvas._refresh) < 200
    assert len(canvas._access) < 200
    assert all(canvas.whoami(pair.access_token) for pair in living)
    for pair in living:
        next_pair(canvas, pair)


def test_the_same_randomness_and_clock_give_the_same_tokens() -> None:
    """A simulation can repeat itself."""
    first, second = (
        Canvas(dict([ACME]), now=FakeClock(), random_bytes=random.Random(3).randbytes)
        for _ in range(2)
    )
    assert first.authenticate(*ACME) == second.authenticate(*ACME)
