"""A thousand organizations stay usable."""

import pytest
from playwright.sync_api import expect

from tests.browser import scenes
from tests.browser.conftest import Open
from tests.browser.stage import Stage
from tests.browser.test_states import names

pytestmark = pytest.mark.sockets

NUMBER = 1000


# Counted and not timed: the words and bars that a step of the clock changes, and the elements
# that it builds or moves.
COUNT = """() => {
  window.counted = { changes: 0, elements: 0 };
  new MutationObserver((records) => {
    for (const record of records) {
      const nodes = [...record.addedNodes, ...record.removedNodes];
      if (nodes.some((node) => node.nodeType === Node.ELEMENT_NODE)) counted.elements += 1;
      else counted.changes += 1;
    }
  }).observe(document.body, {
    childList: true, characterData: true, attributes: true, subtree: true,
  });
}"""


def test_a_thousand_organizations(open_page: Open, stage: Stage) -> None:
    """The bad ones are shown first; the countdown of a second changes words and builds nothing."""
    page = open_page()
    stage.body = scenes.many(NUMBER)
    page.clock.run_for(5000)
    expect(page.locator("#rows > li")).to_have_count(NUMBER)
    page.evaluate(COUNT)
    page.clock.run_for(1000)
    counted = page.evaluate("counted")
    assert counted["elements"] == 0
    assert 0 < counted["changes"] <= 7 * NUMBER
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


def test_more_than_a_page_are_paged_through(open_page: Open, stage: Stage) -> None:
    """The broker is asked for each page; those with trouble are on the first."""
    stage.body = scenes.pages()
    page = open_page()
    expect(page.locator("#gist")).to_have_text("1 of 300 organizations needs a look")
    expect(page.locator("#pages")).to_have_text("page 1 of 3")
    expect(page.locator("#count")).to_have_text("100 of 300")
    assert names(page)[0] == "org-0000"
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    stage.body = scenes.pages(3)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#pages")).to_have_text("page 3 of 3")
    assert names(page)[0] == "org-0200"
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    expect(page.locator("#gist")).to_have_text("1 of 300 organizations needs a look")
    assert stage.queries == ["", "page=2"]


def test_of_more_than_a_page_names_are_searched_by_the_broker(
    open_page: Open, stage: Stage
) -> None:
    """From the first page on; without a text the first page is back."""
    stage.body = scenes.pages()
    page = open_page()
    one = scenes.organization("org-0123")
    found = scenes.counts([one], total=300)
    stage.body = scenes.health([one]) | {"organizations": found}
    page.get_by_label("Filter").fill("0123")
    expect(page.locator("#count")).to_have_text("1 of 300")
    stage.body = scenes.pages()
    page.get_by_label("Filter").fill("")
    expect(page.locator("#count")).to_have_text("100 of 300")
    assert stage.queries == ["", "search=0123", ""]
