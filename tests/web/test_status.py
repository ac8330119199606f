"""The status page as it is sent: one document, allowed by hash, that tells nothing by itself."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from werkzeug.test import TestResponse

from broker.failure_kinds import TABLE
from broker.web.edge import EdgeApp
from broker.web.status import HEADERS, PAGE, SCRIPTS, status_view

HEAVIEST = 40_000
TEXT = PAGE.decode()
LOADS = {"src", "srcset", "data", "poster", "action", "formaction", "background", "ping", "style"}


class Seen(HTMLParser):
    """Collects the elements of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.elements.append((tag, dict(attrs)))


@pytest.fixture
def answer() -> TestResponse:
    """Ask for the page."""
    app = EdgeApp()
    app.register_blueprint(status_view())
    return app.test_client().get("/status")


def elements() -> list[tuple[str, dict[str, str | None]]]:
    """Return every element of the page."""
    seen = Seen()
    seen.feed(TEXT)
    return seen.elements


def directives() -> dict[str, str]:
    """Return the content security policy, directive by directive."""
    parts = [part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; ")]
    return {part[0]: part[1] for part in parts}


def allowed(tag: str) -> str:
    """Return the source that allows the one element of this name, reckoned from what is sent."""
    (found,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>".encode(), PAGE, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(found).digest()).decode()}'"


def test_it_is_one_html_page_that_needs_no_key(answer: TestResponse) -> None:
    """Sent whole and as text/html; HEAD and GET only."""
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.data == PAGE
    assert answer.data.startswith(b"<!doctype html>")


def test_headers(answer: TestResponse) -> None:
    """Nothing is kept, guessed, referred, framed or shared."""
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_the_policy_allows_this_script_and_this_style_alone() -> None:
    """Both by the hash of the very bytes sent; the script may ask this broker, nothing more."""
    assert directives() == {
        "default-src": "'none'",
        "script-src": allowed("script"),
        "style-src": allowed("style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }


def test_nothing_comes_from_elsewhere() -> None:
    """No address of another host, and no element that would load anything."""
    names = re.findall(r"(?:https?:)?//[\w.-]+\w", TEXT)
    assert set(names) == {"http://www.w3.org"}, "the name of SVG, which is no address to load"
    for tag, attributes in elements():
        assert not attributes.keys() & LOADS, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith(("#", "data:,", "health", "metrics")), tag
    assert "url(" not in TEXT
    assert "@import" not in TEXT


def test_text_is_never_made_markup() -> None:
    """The script has no way to turn what it was told into elements."""
    for name in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "parse",
    ):
        assert name not in TEXT.replace("parseFloat", ""), name


def test_every_failure_has_a_plain_meaning() -> None:
    """Each kind that health may name is explained, as everywhere."""
    for kind, explained in TABLE.items():
        assert f'"{kind}": "{explained.means}"' in TEXT
    assert "{failures}" not in TEXT


def test_it_is_light_and_whole() -> None:
    """Below 40 KB; every part of the script is in it, and no place is left unfilled."""
    assert len(PAGE) < HEAVIEST
    assert len(SCRIPTS) == len(set(SCRIPTS)) == 7
    for word in ("class Life", "class Events", "function poll", "function showTrouble"):
        assert word in TEXT
    assert "{script}" not in TEXT
    assert "{style}" not in TEXT
    assert [tag for tag, _ in elements()].count("script") == 1


def test_structure_without_a_browser() -> None:
    """Language, one h1, a label for each field, landmarks, and a word for those without scripts."""
    tags = [tag for tag, _ in elements()]
    assert ("html", {"lang": "en"}) in elements()
    assert tags.count("h1") == 1
    assert {"header", "main", "footer"} <= set(tags)
    assert tags.count("label") == tags.count("input") == 2
    assert 'This page needs JavaScript. The same, for machines: <a href="health">' in TEXT
