"""What the page shows in each state: the words, the bars, the order, the next attempt."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import scenes
from tests.browser.conftest import Open
from tests.browser.stage import Stage

pytestmark = pytest.mark.sockets


def row(page: Page, name: str) -> Locator:
    """Return the row of an organization."""
    button = page.get_by_role("button", name=name, exact=True)
    return page.locator("li.organization").filter(has=button)


def names(page: Page) -> list[str]:
    """Return the organizations in their order, without those folded away."""
    return page.locator("#rows .name").all_text_contents()


def headline(page: Page) -> str:
    """Return the word on top and what follows it."""
    return page.locator(".overall").inner_text()


def trouble(page: Page) -> list[str]:
    """Return the sentences on top."""
    return page.locator("#sentences li > span:last-child").all_inner_texts()


def test_fresh(open_page: Open) -> None:
    """All is well: no sentence on top, both bars, the next refresh, who is not in use folded."""
    page = open_page()
    assert headline(page) == "Pass all is well"
    assert page.title() == "Pass · Canvas token broker"
    expect(page.locator("#version")).to_have_text("version 0.1.0")
    expect(page.locator("#trouble")).to_be_hidden()
    acme = row(page, "acme")
    expect(acme.locator(".who .chip")).to_have_text("fresh")
    expect(acme.locator(".plan")).to_have_text("Next refresh in 3:30 min")
    access = acme.get_by_role("meter", name="Access token of acme: life left")
    expect(access).to_have_attribute("aria-valuenow", "413")
    expect(access).to_have_attribute("aria-valuemax", "600")
    spoken = "6 minutes 53 seconds left; a new one is due at 3 minutes 23 seconds"
    expect(access).to_have_attribute("aria-valuetext", spoken)
    expect(acme.locator(".life .num")).to_have_text(["6:53 min", "23:56 h"])
    assert names(page) == ["acme", "globex"]
    expect(page.locator("#idle-title")).to_have_text("1 not in use")
    parts = page.locator("#parts li")
    expect(parts).to_contain_text(["Redis answers.", "Canvas answers.", "2 workers", "In force"])


def test_bars_are_as_long_as_the_life_left(open_page: Open) -> None:
    """The fill covers the share that is left, and the mark stands where a new one is due."""
    meter = row(open_page(), "acme").locator(".meter").first
    box = meter.bounding_box()
    fill = meter.locator(".fill").bounding_box()
    assert box is not None
    assert fill is not None
    assert fill["width"] / box["width"] == pytest.approx(413 / 600, abs=0.005)
    mark = meter.evaluate("e => parseFloat(getComputedStyle(e, '::after').left)")
    assert mark / box["width"] == pytest.approx(203 / 600, abs=0.01)


def test_stale(open_page: Open, stage: Stage) -> None:
    """A stale token is normal: its word and the due refresh are shown, no alarm."""
    stage.body = scenes.stale()
    page = open_page()
    assert headline(page) == "Pass all is well"
    acme = row(page, "acme")
    expect(acme.locator(".who .chip")).to_have_text("stale")
    expect(acme.locator(".plan")).to_have_text("Next refresh is due")
    expect(acme.locator(".output")).to_be_hidden()
    expect(acme.locator(".facts")).to_contain_text(
        "stale: still served; a new one is being fetched"
    )


def test_degraded(open_page: Open, stage: Stage) -> None:
    """Failed refreshes: the sentence on top, what each failure means, the next attempt."""
    stage.body = scenes.degraded()
    page = open_page()
    assert headline(page) == "Warn 1 of 3 organizations needs a look"
    assert "Canvas fails." in trouble(page)[0]
    assert "acme: The last refresh failed (timeout)" in trouble(page)[1]
    acme = row(page, "acme")
    expect(acme.locator(".plan")).to_have_text("Next attempt in 14 s")
    expect(acme.locator(".life .num").first).to_have_text("2:11 min")
    first = acme.locator(".events li").first
    for words in ("11:59:51", "9 s ago", "authenticate", "5.00 s", "ambiguous"):
        expect(first).to_contain_text(words)
    expect(first).to_contain_text("no whole answer in time (timeout): Canvas may have done it")
    expect(page.locator("#parts li").nth(1)).to_contain_text("last success 26 s ago")


def test_latched(open_page: Open, stage: Stage) -> None:
    """Refused keys: that organization is first, its token expired, the one probe announced."""
    stage.body = scenes.latched()
    page = open_page()
    assert names(page) == ["acme", "globex"]
    expect(page.locator("#sentences")).to_contain_text("replace this organization's credentials")
    acme = row(page, "acme")
    expect(acme.locator(".who .chip")).to_have_text("empty")
    expect(acme.locator(".life .num").first).to_have_text("expired")
    plan = "Keys refused. Next try in 10:23 min, or when their files are written anew"
    expect(acme.locator(".plan")).to_have_text(plan)
    expect(acme.locator(".events .chip.bad")).to_have_text(["rejected", "rejected"])
    expect(acme.locator(".facts")).to_contain_text("the token is still of 9f86d081884c7d65")


def test_redis_down(open_page: Open, stage: Stage) -> None:
    """Redis gone: said once for all it concerns, worst first."""
    stage.body = scenes.redis_down()
    page = open_page()
    assert names(page) == ["initech", "acme", "globex"]
    assert trouble(page) == [
        "Redis does not answer; tokens come from memory.",
        f"initech: {scenes.NO_REDIS}",
        f"acme, globex: {scenes.NO_REDIS}",
    ]
    expect(page.locator("#parts li").first).to_contain_text("Redis does not answer")
    expect(row(page, "acme").locator(".plan")).to_have_text("Next refresh in 3:30 min")
    expect(row(page, "initech").locator(".plan")).to_have_text("Next attempt once this is mended")


def test_fail(open_page: Open, stage: Stage) -> None:
    """A health of 503 is an answer like another, and its word is on top."""
    stage.body = scenes.health([scenes.initech(status="fail", output="No token.")], "fail")
    page = open_page()
    assert headline(page) == "Fail 1 of 1 organization needs a look"
    expect(page.locator("#lost")).to_be_hidden()


def test_refused_requests(open_page: Open, stage: Stage) -> None:
    """What callers meet is told in words, though no attempt has failed."""
    output = "Requests are refused: there is no token, and one has been due for 12 s."
    told = scenes.initech(status="warn", output=output, in_use=True, refusing=True)
    stage.body = scenes.health([told, scenes.organization()], "warn")
    page = open_page()
    assert trouble(page) == [f"initech: {output}"]
    plan = "Requests are refused until there is a token"
    expect(row(page, "initech").locator(".plan")).to_have_text(plan)


def test_marks_lie_where_the_events_were(open_page: Open) -> None:
    """Over the last hour, from the left to now; the list holds the same, newest first."""
    acme = row(open_page(), "acme")
    line = acme.locator(".marks").bounding_box()
    newest = acme.locator(".marks .mark").last.bounding_box()
    assert line is not None
    assert newest is not None
    place = (newest["x"] + newest["width"] / 2 - line["x"]) / line["width"]
    assert place == pytest.approx(1 - 186 / 3600, abs=0.01)
    expect(acme.locator(".events li")).to_have_count(8)
    expect(acme.locator(".events").first.locator("li")).to_have_count(5)
    expect(acme.locator("summary")).to_have_text("3 before these")


def test_text_is_never_markup(open_page: Open, stage: Stage) -> None:
    """Whatever a sentence holds is shown as it is."""
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    stage.body = scenes.health([scenes.organization(status="warn", output=evil)], "warn")
    page = open_page()
    assert evil in trouble(page)[0]
    assert page.locator("img, main b").count() == 0


def test_a_leaner_health_is_shown_too(open_page: Open, stage: Stage) -> None:
    """Checks and fields that are not there leave their places empty, and break nothing."""
    entry = scenes.organization()
    for name in ("margin", "lifetime", "refresh_lifetime", "latched", "in_use", "recent"):
        del entry[name]
    stage.body = scenes.health([entry])
    del stage.body["checks"]["workers"], stage.body["checks"]["upstream:connection"]
    stage.body["checks"]["files"] = [{"status": "warn", "output": ["One problem.", "Another."]}]
    page = open_page()
    expect(row(page, "acme").locator(".life .num").first).to_have_text("6:53 min")
    assert "Files: One problem. Another." in trouble(page)[0]
