"""Everybody can use the page: by keyboard, by screen reader, on a phone, in the dark."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import scenes
from tests.browser.conftest import Open
from tests.browser.scenes import SCENES
from tests.browser.stage import Stage
from tests.browser.test_states import names, row

pytestmark = pytest.mark.sockets

LEAST_CONTRAST = 4.5
LEAST_OF_SHAPES = 3.0
CONTRASTS = """([least, leastOfShapes]) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgba(colour).map((part) => part / 255)
      .map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    throw new Error("nothing behind");
  };
  const contrast = (a, b) => {
    const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
    return (bright + .05) / (dark + .05);
  };
  const seen = [...document.body.querySelectorAll("*")].filter((e) => e.checkVisibility());
  const texts = seen.filter((e) => !e.closest("script, style, noscript")
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  const poor = (elements, foreground, least) => elements
    .map((e) => [e, contrast(foreground(e), behind(e))])
    .filter(([, ratio]) => ratio < least)
    .map(([e, ratio]) => `${e.tagName}.${e.getAttribute("class")} ${e.textContent}: ${ratio}`);
  const shapes = seen.filter((e) => e.matches("svg.shape"));
  return [texts.length, shapes.length,
    ...poor(texts, (e) => getComputedStyle(e).color, least),
    ...poor(shapes, (e) => getComputedStyle(e).color, leastOfShapes)];
}"""


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("scene", SCENES)
def test_contrast(open_page: Open, stage: Stage, scene: str, colours: str) -> None:
    """All text has 4.5 to 1 on what lies behind it, all shapes 3 to 1 (WCAG 2.2 AA)."""
    stage.body = SCENES[scene]()
    page = open_page(color_scheme=colours)
    texts, shapes, *poor = page.evaluate(CONTRASTS, [LEAST_CONTRAST, LEAST_OF_SHAPES])
    assert texts > 40
    assert shapes > 4
    assert poor == []


def test_dark_and_light_differ(open_page: Open) -> None:
    """The page follows what the system is set to."""
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = open_page(color_scheme="dark").evaluate(ground)
    assert dark != open_page(color_scheme="light").evaluate(ground)


@pytest.mark.parametrize("scene", SCENES)
def test_a_narrow_phone_shows_all_of_it(open_page: Open, stage: Stage, scene: str) -> None:
    """At 360 px nothing sticks out, however long an organization's name."""
    stage.body = SCENES[scene]()
    entries = stage.body["checks"]["organization:token"]
    entries.append(scenes.organization("a" * 63, **{**entries[0], "componentId": "a" * 63}))
    page = open_page(viewport={"width": 360, "height": 740})
    for button in reversed(page.locator("#rows [aria-expanded=false]").all()):
        button.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    cut = """[...document.querySelectorAll("main *")].filter((e) => e.checkVisibility()
        && !e.closest(".unseen, .marks") && e.getBoundingClientRect().right > 360.5).length"""
    assert page.evaluate(cut) == 0


def focused(page: Page) -> str:
    """Return what has the focus, by its text or its id."""
    text: str = page.evaluate(
        "document.activeElement.textContent.trim() || document.activeElement.id"
    )
    return text


def test_by_keyboard_alone(open_page: Open, stage: Stage) -> None:
    """From link to link: skip, pause, filter, toggle, each organization, and what is folded."""
    stage.body = scenes.latched()
    page = open_page()
    found = []
    for _ in range(11):
        page.keyboard.press("Tab")
        found.append(focused(page))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) != "none", found
    assert found[:5] == ["Skip to the organizations", "Pause", "acme", "filter", "only"]
    assert found[5:] == ["acme", "5 before these", "globex", "1 not in use", "health", "metrics"]


def test_a_row_opens_and_closes_by_keyboard(open_page: Open) -> None:
    """Enter on its name; the focus stays there, also when the rows change their order."""
    page = open_page()
    button = page.get_by_role("button", name="globex", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(row(page, "globex").locator(".facts")).to_be_visible()
    page.keyboard.press("Enter")
    expect(row(page, "globex").locator(".facts")).to_have_count(0)


def test_the_focus_outlives_a_new_order(open_page: Open, stage: Stage) -> None:
    """A row that moves up takes the focus with it."""
    page = open_page()
    page.get_by_role("button", name="globex", exact=True).focus()
    stage.body = scenes.health([scenes.organization(), scenes.globex(status="warn")], "warn")
    page.clock.run_for(5000)
    expect(page.locator("#rows .name").first).to_have_text("globex")
    assert focused(page) == "globex"


def test_a_sentence_leads_to_its_organization(open_page: Open, stage: Stage) -> None:
    """Following it opens the row and puts the focus there, even if it was filtered away."""
    stage.body = scenes.redis_down()
    page = open_page()
    page.get_by_label("Filter").fill("zzz")
    expect(page.get_by_text("No organization to show.")).to_be_visible()
    page.locator("#sentences").get_by_role("button", name="globex").click()
    expect(row(page, "globex").locator(".facts")).to_be_visible()
    assert focused(page) == "globex"


def test_filter_and_only_problems(open_page: Open, stage: Stage) -> None:
    """Both narrow the list, and the number says so."""
    stage.body = scenes.latched()
    page = open_page()
    page.get_by_label("Only problems").check()
    expect(row(page, "globex")).to_be_hidden()
    expect(page.locator("#count")).to_have_text("1 of 3")
    page.get_by_label("Only problems").uncheck()
    page.get_by_label("Filter").fill("GLO")
    expect(row(page, "globex")).to_be_visible()
    expect(row(page, "acme")).to_be_hidden()
    assert names(page).count("globex") == 1


def test_what_a_screen_reader_meets(open_page: Open, stage: Stage) -> None:
    """Landmarks, headings, lists and meters, each with a name; shapes alone say nothing."""
    stage.body = scenes.degraded()
    page = open_page()
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Canvas token broker")
    for name in ("What is wrong", "This pod", "Organizations"):
        expect(page.get_by_role("heading", level=2, name=name)).to_have_count(1)
        expect(page.get_by_role("region", name=name)).to_have_count(1)
    heard = page.locator("body").aria_snapshot()
    assert 'meter "Access token of acme: life left"' in heard
    assert 'button "acme" [expanded]' in heard
    assert 'searchbox "Filter"' in heard
    assert 'checkbox "Only problems"' in heard
    assert 'heading "Canvas" [level=3]' in heard
    assert "Warn." in heard
    assert "img" not in heard
