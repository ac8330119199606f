"""The counters tell what happened at Canvas's door."""

from typing import Any

from broker.emulator.fingerprints import fingerprint
from broker.emulator.stats import Kind, Stats


def _report(stats: Stats) -> dict[str, Any]:
    return stats.report()


def test_calls_are_counted_by_kind_and_organization() -> None:
    """Access-token checks belong to no organization."""
    stats = Stats()
    stats.begin(Kind.AUTHENTICATE, "acme").end()
    stats.begin(Kind.REFRESH, "acme", "r1").end()
    stats.begin(Kind.REFRESH, "globex", "r2").end()
    stats.whoami()
    report = _report(stats)
    assert report["calls"] == {"authenticate": 1, "refresh": 2, "whoami": 1}
    assert report["organizations"]["acme"]["refresh"] == 1
    assert report["organizations"]["acme"]["authenticate"] == 1
    assert report["organizations"]["globex"]["refresh"] == 1


def test_answers_are_counted_by_status() -> None:
    """A dropped one is an answer of its own kind."""
    stats = Stats()
    for how in ("200", "dropped", "200"):
        stats.begin(Kind.AUTHENTICATE, "acme").answered(how)
    assert _report(stats)["answers"] == {"200": 2, "dropped": 1}


def test_the_most_in_flight_stays_when_the_calls_have_ended() -> None:
    """In all, and of each organization."""
    stats = Stats()
    tickets = [stats.begin(Kind.AUTHENTICATE, name) for name in ("acme", "acme", "globex")]
    assert _report(stats)["in_flight"] == 3
    for ticket in tickets:
        ticket.end()
        ticket.end()
    stats.begin(Kind.AUTHENTICATE, "acme").end()
    report = _report(stats)
    assert (report["in_flight"], report["most_in_flight"]) == (0, 3)
    assert report["organizations"]["acme"]["most_in_flight"] == 2
    assert report["organizations"]["globex"]["most_in_flight"] == 1
    assert report["organizations"]["acme"]["in_flight"] == 0


def test_refresh_tokens_are_counted_by_fingerprint() -> None:
    """The token itself is nowhere in the report."""
    stats = Stats()
    for token in ("r1", "r1", "r2"):
        stats.begin(Kind.REFRESH, "acme", token).end()
    report = _report(stats)
    assert report["refresh_tokens"] == {fingerprint("r1"): 2, fingerprint("r2"): 1}
    assert report["presented_twice"] == 1
    assert "r1" not in str(report)


def test_presenting_again_after_a_definite_refusal_is_not_presenting_twice() -> None:
    """A third time, after the second was not refused, is."""
    stats = Stats()
    stats.begin(Kind.REFRESH, "acme", "r1", definite=True).end()
    stats.begin(Kind.REFRESH, "acme", "r1").end()
    assert _report(stats)["presented_twice"] == 0
    stats.begin(Kind.REFRESH, "acme", "r1", definite=True).end()
    assert _report(stats)["presented_twice"] == 1


def test_who_hangs_up_before_a_refusal_has_presented_the_token() -> None:
    """The caller did not see the refusal, so to it the token is spent."""
    stats = Stats()
    stats.begin(Kind.REFRESH, "acme", "r1", definite=True).abandoned()
    assert _report(stats)["in_flight"] == 0
    stats.begin(Kind.REFRESH, "acme", "r1").end()
    assert _report(stats)["presented_twice"] == 1


def test_a_reset_keeps_what_is_in_flight() -> None:
    """The counters begin again, and a call that ends later does not go below zero."""
    stats = Stats()
    ticket = stats.begin(Kind.REFRESH, "acme", "r1")
    stats.reset()
    report = _report(stats)
    assert report["calls"]["refresh"] == 0
    assert (report["in_flight"], report["most_in_flight"]) == (1, 1)
    assert report["organizations"]["acme"]["most_in_flight"] == 1
    ticket.end()
    assert _report(stats)["in_flight"] == 0
    assert _report(stats)["refresh_tokens"] == {}
