"""The page lives: it counts down, asks again, loses the broker and finds it again."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import scenes
from tests.browser.conftest import Open
from tests.browser.stage import PREFIX, Stage
from tests.browser.test_states import headline, row

pytestmark = pytest.mark.sockets

EVERY = 5000
PATIENCE = 4000


def pass_time(page: Page, milliseconds: int) -> None:
    """Let the page's time go on."""
    page.clock.run_for(milliseconds)


def left(page: Page) -> str:
    """Return the life left of acme's access token."""
    return row(page, "acme").locator(".life .num").first.inner_text()


def test_it_counts_down_between_two_answers(open_page: Open, stage: Stage) -> None:
    """Each second takes one from the token's life, with no further question."""
    page = open_page()
    assert left(page) == "6:53 min"
    pass_time(page, 3000)
    assert left(page) == "6:50 min"
    expect(row(page, "acme").locator(".plan")).to_have_text("Next refresh in 3:27 min")
    expect(page.locator("#asked")).to_have_text("updated 3 s ago")
    assert stage.asked == 1


def test_it_asks_every_five_seconds(open_page: Open, stage: Stage) -> None:
    """And shows what has changed."""
    page = open_page()
    stage.body = scenes.degraded()
    pass_time(page, EVERY)
    expect(page.locator("#word")).to_have_text("Warn")
    assert stage.asked == 2


def test_rounding_does_not_make_it_jump(open_page: Open, stage: Stage) -> None:
    """Whole seconds that come a little early or late leave the count as it is."""
    page = open_page()
    stage.body = scenes.health([scenes.organization(expires_in=409)])
    pass_time(page, EVERY)
    expect(page.locator("#asked")).to_have_text("updated 0 s ago")
    assert left(page) == "6:48 min"
    stage.body = scenes.health([scenes.organization(expires_in=600, generation=7)])
    pass_time(page, EVERY)
    expect(row(page, "acme").locator(".life .num").first).to_have_text("10:00 min")


def test_it_tells_when_it_has_lost_the_broker(open_page: Open, stage: Stage) -> None:
    """The last known state stays, without counting on; the next good answer ends it."""
    page = open_page()
    stage.broken = True
    pass_time(page, EVERY)
    lost = page.get_by_role("alert")
    expect(lost).to_have_text("Connection lost since 12:00:00 — last known state below.")
    assert headline(page) == "No answer from the broker; it said pass"
    assert page.title() == "No answer · Canvas token broker"
    frozen = left(page)
    pass_time(page, EVERY)
    assert left(page) == frozen
    page.get_by_role("button", name="globex", exact=True).click()
    expect(row(page, "globex").locator(".facts")).to_contain_text("31 s ago")
    stage.broken = False
    pass_time(page, EVERY)
    expect(lost).to_be_hidden()
    assert headline(page) == "Pass all is well"
    expect(page.get_by_role("status")).to_have_text("The broker answers again.")


def test_an_answer_that_takes_too_long_is_none(open_page: Open, stage: Stage) -> None:
    """After four seconds it is not waited for any more."""
    page = open_page()
    stage.answers.clear()
    pass_time(page, EVERY)
    stage.wait_for_request(2)
    pass_time(page, PATIENCE - 100)
    expect(page.locator("#lost")).to_be_hidden()
    pass_time(page, 200)
    expect(page.locator("#lost")).to_be_visible()
    stage.answers.set()
    pass_time(page, EVERY - PATIENCE)
    expect(page.locator("#lost")).to_be_hidden()


def hide(page: Page, *, hidden: bool) -> None:
    """Play what a browser does when its tab is left or come back to."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_hidden_tab_asks_nothing(open_page: Open, stage: Stage) -> None:
    """Its title says so; shown again, it asks at once."""
    page = open_page()
    hide(page, hidden=True)
    pass_time(page, 10 * EVERY)
    assert stage.asked == 1
    assert page.title() == "Paused · Canvas token broker"
    with page.expect_response("**/health"):
        hide(page, hidden=False)
    expect(page.locator("#word")).to_have_text("Pass")
    assert stage.asked == 2


def test_it_can_be_paused(open_page: Open, stage: Stage) -> None:
    """Whoever reads slowly stops the seconds, and lets them go on."""
    page = open_page()
    page.get_by_role("button", name="Pause").click()
    pass_time(page, 2 * EVERY)
    assert (left(page), stage.asked) == ("6:53 min", 1)
    assert headline(page) == "Paused the state of 12:00:00 is shown"
    page.get_by_role("button", name="Resume").click()
    stage.wait_for_request(2)
    expect(page.locator("#word")).to_have_text("Pass")
    assert stage.asked == 2


def test_pausing_amid_a_question_loses_nothing(open_page: Open, stage: Stage) -> None:
    """An answer that is not waited for any more is no lost connection."""
    page = open_page()
    stage.answers.clear()
    pass_time(page, EVERY)
    stage.wait_for_request(2)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    pass_time(page, 2 * EVERY)
    expect(page.locator("#word")).to_have_text("Paused")
    expect(page.locator("#lost")).to_be_hidden()
    assert stage.asked == 2


def test_changes_are_announced_and_seconds_are_not(open_page: Open, stage: Stage) -> None:
    """A screen reader hears of states, politely, and of nothing that merely ticks."""
    page = open_page()
    news = page.get_by_role("status")
    expect(news).to_have_text("Pass: all is well.")
    pass_time(page, EVERY)
    expect(page.locator("#asked")).to_have_text("updated 0 s ago")
    expect(news).to_have_text("Pass: all is well.")
    stage.body = scenes.stale()
    pass_time(page, EVERY)
    expect(news).to_have_text("acme is stale, pass.")
    ticking = page.locator("[aria-live], [role=status], [role=alert]").locator(".num, .meter")
    assert ticking.count() == 0


def test_it_works_behind_a_path_prefix(open_page: Open, stage: Stage) -> None:
    """The page asks beside itself, wherever a proxy has put it."""
    page = open_page(f"{PREFIX}/status")
    assert headline(page) == "Pass all is well"
    with page.expect_request(f"{stage.url}{PREFIX}/health"):
        pass_time(page, EVERY)
    href = "e => e.href"
    link = page.get_by_role("link", name="health", exact=True)
    assert link.evaluate(href) == f"{stage.url}{PREFIX}/health"


def test_without_javascript_it_says_where_to_look(open_page: Open) -> None:
    """The text leads to the health."""
    page = open_page(java_script_enabled=False)
    assert page.title() == "Canvas token broker"
    expect(page.get_by_text("This page needs JavaScript")).to_be_visible()
    expect(page.get_by_role("link", name="health").first).to_be_visible()
