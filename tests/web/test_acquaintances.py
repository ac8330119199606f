"""Who has proved who it is need not prove it again, while what that rests on is the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from broker.callers import Callers
from broker.policy.answers import Served
from broker.web.acquaintances import MOST, Acquaintance, Acquaintances, digest_of
from broker.web.authentication import NobodyIsAsked
from broker.web.desk import Visit
from broker.web.token_request import Asked
from tests.fakes import credentials
from tests.policy.fleet import NEW_KEYS
from tests.web.rig import AUDIT_KEY, CALLERS, KEY, WEAK, Rig, having

VISIT = Visit("the-request", "192.0.2.7")


class Window:
    """Asks the desk as the main loop does, and counts how often it had to be proved who asks."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.proved = 0

    def ask(self, key: str = KEY, query: str = "", form: str | None = None) -> Served | None:
        """Return what is served at once to whoever has a key, or sends a form without a header."""
        if form is None:
            asked = Asked("GET", f"Bearer {key}", query, None, None, None)
        else:
            asked = Asked("POST", None, form, None, None, None)
        identify = asked.identify()

        def read() -> object:
            self.proved += 1
            return identify

        desk: Callable[..., Served | None] = self.rig.desk.serve_at_once
        return desk(VISIT, asked.words(), read, lambda: True)


@pytest.fixture
def window() -> Window:
    """Return one whose organizations have their tokens."""
    rig = Rig("acme", "globex")
    for name in ("acme", "globex"):
        rig.broker.token(name)
    return Window(rig)


def test_it_is_proved_once(window: Window) -> None:
    """And audited and counted each time."""
    first = window.ask()
    assert first is not None
    assert [window.ask() for _ in range(3)] == [first] * 3
    assert window.proved == 1
    told = [(one.caller, one.organization, one.outcome) for one in window.rig.audit]
    assert told == [("billing", "acme", "served")] * 4
    assert [asked[0] for asked in window.rig.tally.asked] == ["served"] * 4


def test_other_words_are_proved_by_themselves(window: Window) -> None:
    """Another key, organization, or way."""
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"key": AUDIT_KEY, "query": "organization=acme"},
        {"key": AUDIT_KEY, "query": "organization=globex"},
        {"query": "organization=acme"},
        {"form": f"grant_type=client_credentials&client_id=billing&client_secret={KEY}"},
    )
    for _ in range(2):
        got = [window.ask(**one) for one in asked]
        assert [one and one.organization for one in got] == ["acme", "acme", "globex"] + [
            "acme"
        ] * 2
    assert window.proved == 5


@pytest.mark.parametrize("key", WEAK)
def test_a_weak_key_opens_nothing(window: Window, key: str) -> None:
    """Even if the file has it, in the header as in a form."""
    window.rig.callers = having(key)
    form = {"grant_type": "client_credentials", "client_id": "billing", "client_secret": key}
    assert window.ask(key, "organization=acme") is None
    assert window.ask(form=f"{urlencode(form)}&scope=acme") is None


@pytest.mark.parametrize(
    ("key", "query"),
    [("wrong", ""), (KEY, "organization=globex"), (AUDIT_KEY, ""), (AUDIT_KEY, "organization=x")],
)
def test_who_is_not_let_in_is_not_known(window: Window, key: str, query: str) -> None:
    """A guesser leaves nothing behind."""
    for _ in range(3):
        assert window.ask(key, query) is None
    assert window.proved == 3
    assert window.rig.audit == []


def test_new_callers_prove_it_anew(window: Window) -> None:
    """A key that was taken away opens nothing any more, one that was given does."""
    assert window.ask() is not None
    window.rig.callers = Callers(CALLERS.callers[1:])
    assert window.ask() is None
    billing = replace(CALLERS.callers[0], organizations=frozenset({"globex"}))
    window.rig.callers = Callers((billing, *CALLERS.callers[1:]))
    served = window.ask()
    assert served is not None
    assert served.organization == "globex"
    window.rig.callers = CALLERS
    assert window.ask(query="organization=acme") is not None


def test_new_organizations_prove_it_anew(window: Window) -> None:
    """One that is gone is served no more; one that has come is in its caller's way."""
    rig = window.rig
    rig.callers = having("ctb_the-key-to-everything")
    rig.broker.configure({"acme": credentials()})
    assert window.ask("ctb_the-key-to-everything") is not None
    rig.broker.configure({"acme": credentials(), "globex": credentials()})
    assert window.ask("ctb_the-key-to-everything") is None
    rig.broker.configure({"globex": credentials()})
    assert window.ask("ctb_the-key-to-everything", "organization=acme") is None


def test_new_credentials_are_heeded(window: Window) -> None:
    """Who asks is the same; the token is that of the organization as it is now."""
    first = window.ask()
    window.rig.broker.configure({"acme": NEW_KEYS, "globex": credentials()})
    window.rig.broker.tick()
    second = window.ask()
    assert first is not None
    assert second is not None
    assert second.generation > first.generation


def test_where_nobody_is_asked(window: Window) -> None:
    """It is the organization that is remembered."""
    rig = Rig("acme", authentication=NobodyIsAsked())
    rig.broker.token("acme")
    window = Window(rig)
    assert [window.ask() is None for _ in range(3)] == [False] * 3
    assert window.proved == 1


def test_no_words_are_kept() -> None:
    """What is kept does not tell a key; and all that tells who asks is in it."""
    requests = [
        Asked(method, authorization, sent, None, None, None)
        for method in ("GET", "POST")
        for authorization in (None, "", "None", "a", "a b", "a' b")
        for sent in ("", "b", "'a'", "b' c")
    ]
    digests = {digest_of(one.words()) for one in requests}
    assert len(digests) == len(requests)
    assert {len(one) for one in digests} == {32}


def test_nothing_shows_the_words() -> None:
    """An exception may hold the request."""
    shown = repr(Asked("GET", f"Bearer {KEY}", "organization=acme", None, None, None))
    assert shown == "Asked(GET)"
    assert KEY not in str(Asked("POST", None, f"client_secret={KEY}", None, None, None))


def test_there_is_an_end_to_them(window: Window) -> None:
    """Then all are forgotten, so that who asks now is known and nobody holds a place for good."""
    organization = window.rig.broker.find("acme")
    assert organization is not None
    kept = Acquaintances(most=2)
    known = frozenset({"acme"})
    under = kept.under("callers", known)
    for number in range(4):
        kept.keep(under, b"%d" % number, Acquaintance(f"c{number}", organization))
    assert list(kept.under("callers", known)) == [b"2", b"3"]
    kept.keep(under, b"4", Acquaintance("c4", organization))
    assert list(kept.under("callers", known)) == [b"4"]
    assert kept.under("callers", frozenset(["acme"])) == {}
    assert MOST >= 1000


def test_an_unread_wish_is_no_token(window: Window) -> None:
    """Whatever asks for more than the present token goes the long way."""
    for query in ("min_ttl=1", "organization=acme&rejected=1"):
        assert window.ask(query=query) is None
        assert Asked("GET", None, query, None, None, None).identify_plainly() is None
