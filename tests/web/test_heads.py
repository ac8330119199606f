"""What is remembered of requests: for how long, how much, and what of a head is left out."""

import gc

import pytest

from broker.policy.organization import Organization
from broker.web.desk import Met
from broker.web.heads import Heads, Known, without_changing
from tests.web.requests import GOOD, PLAIN, TRACEPARENT, sent
from tests.web.rig import KEY, Rig

ORGANIZATION = Rig("acme").broker.find("acme")
assert ORGANIZATION is not None
FEW = 6


def known(caller: str = "billing", **about: int) -> Known:
    """Return what is known of some request."""
    assert isinstance(ORGANIZATION, Organization)
    return Known(Met(caller, ORGANIZATION), "GET", 2, **about)  # type: ignore[arg-type]  # numbers all


@pytest.fixture
def heads() -> Heads:
    """Return a memory for few."""
    heads = Heads(FEW)
    heads.under("callers", "organizations")
    return heads


def test_the_same_bytes_are_recalled_and_no_other(heads: Heads) -> None:
    """Not one more, not one less; a form counts."""
    heads.keep("billing", known(), b"head", b"form")
    assert heads.find(b"head", b"form") == known()
    for other in ((b"head", b""), (b"heads", b"form"), (b"head", b"forms"), (b"", b"form")):
        assert heads.find(*other) is None


def test_no_key_is_kept() -> None:
    """Nor what would tell from outside which bytes meet: two processes keep them differently."""
    digests = []
    for _ in range(2):
        heads = Heads()
        heads.keep("billing", known(), PLAIN)
        (digest,) = heads._kept
        digests.append(digest)
        assert not [
            one for one in gc.get_referents(heads._kept, heads._callers) if KEY in repr(one)
        ]
    assert digests[0] != digests[1]


@pytest.mark.parametrize("other", [("others", "organizations"), ("callers", "others")])
def test_all_is_forgotten_with_what_it_rests_on(heads: Heads, other: tuple[str, str]) -> None:
    """At once, and nothing comes back with it."""
    heads.keep("billing", known(), b"head")
    heads.under("callers", "organizations")
    assert heads.find(b"head") is not None
    heads.under(*other)
    assert heads.find(b"head") is None
    heads.under("callers", "organizations")
    assert heads.find(b"head") is None
    assert len(heads) == 0


def test_an_equal_basis_is_another_one(heads: Heads) -> None:
    """A key that was taken away and given back is read anew."""
    callers = frozenset({"a", "b"})
    heads.under(callers, callers)
    heads.keep("billing", known(), b"head")
    heads.under(frozenset(sorted(callers)), callers)
    assert heads.find(b"head") is None


def test_who_asks_in_many_ways_evicts_its_own(heads: Heads) -> None:
    """The oldest first; all others are remembered."""
    for caller in ("audit", "pod"):
        heads.keep(caller, known(caller), caller.encode())
    for number in range(3 * FEW):
        heads.keep("billing", known(), b"%d" % number)
    assert len(heads) == FEW
    assert heads.find(b"audit") is not None
    assert heads.find(b"pod") is not None
    kept = [number for number in range(3 * FEW) if heads.find(b"%d" % number)]
    assert kept == list(range(3 * FEW))[-(FEW - 2) :]


def test_who_comes_late_has_a_share(heads: Heads) -> None:
    """Whoever has most makes room, however full it is."""
    for number in range(FEW):
        heads.keep("billing", known(), b"%d" % number)
    for number in range(FEW):
        heads.keep("audit", known("audit"), b"audit %d" % number)
    assert len(heads) == FEW
    assert sum(heads.find(b"%d" % n) is not None for n in range(FEW)) == FEW // 2
    assert heads.find(b"audit %d" % (FEW - 1)) is not None


def test_to_keep_one_again_needs_no_room(heads: Heads) -> None:
    """Nobody is forgotten for it."""
    for number in range(FEW):
        heads.keep("billing", known(), b"%d" % number)
    heads.keep("billing", known(), b"0")
    assert all(heads.find(b"%d" % number) for number in range(FEW))


def test_a_head_of_several_is_kept_once(heads: Heads) -> None:
    """Who asks is told by the form alone, so it announces the forms of many."""
    for number in range(FEW):
        for caller in ("billing", "audit", "pod"):
            heads.keep(caller, known(caller), b"head")
            heads.keep(caller, known(caller), b"head", f"{caller} {number}".encode())
    assert len(heads) == FEW
    assert sum(map(len, heads._callers.values())) == FEW


CHANGING = (
    "X-Request-ID: a",
    "x-request-id:a",
    f"traceparent: {TRACEPARENT}",
    "tracestate: a=1,b=2",
    "baggage: k=v",
    "b3: 0",
    "X-B3-TraceId: 463ac35c9f6413ad48485a3953bb6124",
    "x-envoy-attempt-count: 1",
    "X-Amzn-Trace-Id: Root=1-2",
    "X-Cloud-Trace-Context: 1/2;o=1",
    "x-datadog-trace-id: 1",
    "uber-trace-id: 1:2:3:4",
    "sentry-trace: 1-2-1",
    "X-Correlation-ID: caf\xe9\t1",
)


@pytest.mark.parametrize("header", CHANGING)
def test_what_changes_is_left_out(header: str) -> None:
    """Wherever it stands."""
    for headers in ((header, *GOOD), (GOOD[0], header, GOOD[1]), (*GOOD, header)):
        assert without_changing(sent("GET /token", headers)) == (PLAIN, 1)


@pytest.mark.parametrize(
    "header",
    [
        "X-Request-IDs: a",
        "X-Request-ID : a",
        "X-Request-ID",
        "X_Request_ID: a",
        " X-Request-ID: a",
        "X-Request-ID: a\x00",
        "X-Request-ID: a\rX: b",
        "X-Request-ID: a\nX: b",
        "X-Request-ID: a\x7f",
        "X-Mine: a",
        "Authorization: x-request-id: a",
    ],
)
def test_what_the_parser_would_refuse_is_not(header: str) -> None:
    """Nor what only looks like it: the parser is to see it."""
    head = sent("GET /token", (*GOOD, header))
    assert without_changing(head) == (head, 0)


def test_the_id_is_read_though_it_is_left_out(heads: Heads) -> None:
    """One is; with two, nothing is known."""
    heads.keep("billing", known(), PLAIN)
    for line, wanted in (("X-Request-ID: \t mine-1 \t", "mine-1"), ("b3: 0", None)):
        found, head, own_id = heads.find_changing(sent("GET /token", (*GOOD, line)))
        assert (found, head, own_id) == (known(), PLAIN, wanted)
    twice = (*GOOD, "X-Request-ID: a", "x-request-id: b")
    assert heads.find_changing(sent("GET /token", twice))[0] is None


def test_headers_that_are_left_out_are_counted(heads: Heads) -> None:
    """There may be no more in all than the parser takes."""
    heads.keep("billing", known(), PLAIN)
    for count, is_known in ((62, True), (63, False)):
        head = sent("GET /token", (*GOOD, *["b3: 0"] * count))
        assert (heads.find_changing(head)[0] is not None) == is_known
