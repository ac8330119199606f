"""A thousand organizations stay usable."""

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser import scenes
from tests.browser.conftest import Open
from tests.browser.stage import Stage
from tests.browser.test_states import names

pytestmark = pytest.mark.sockets

NUMBER = 1000


def work(session: CDPSession) -> float:
    """Return the seconds that the page's main thread has worked so far."""
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))


def measured(page: Page) -> CDPSession:
    """Return a session that knows how much the page works."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    return session


def test_a_thousand_organizations(open_page: Open, stage: Stage) -> None:
    """The bad ones are shown first; the countdown of a second costs a part of the first display."""
    page = open_page()
    session = measured(page)
    stage.body = scenes.many(NUMBER)
    before = work(session)
    page.clock.run_for(5000)
    expect(page.locator("#rows > li")).to_have_count(NUMBER)
    page.evaluate("document.body.offsetHeight")
    shown = work(session)
    page.clock.run_for(1000)
    assert work(session) - shown < (shown - before) / 3
    bad = [f"org-{n:04}" for n in range(7, NUMBER, 50)]
    assert names(page)[: len(bad)] == bad
    expect(page.locator("#sentences li")).to_have_count(1)
    expect(page.locator("#sentences")).to_contain_text("org-0007, org-0057, org-0107 and 17 more")


def test_one_of_a_thousand_is_found(open_page: Open, stage: Stage) -> None:
    """By the filter, and the problems by their switch."""
    stage.body = scenes.many(NUMBER)
    page = open_page()
    page.get_by_label("Filter").fill("0423")
    expect(page.locator("#rows > li:visible")).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 of 1000")
    page.get_by_label("Filter").fill("")
    page.get_by_label("Only problems").check()
    expect(page.locator("#rows > li:visible")).to_have_count(20)
