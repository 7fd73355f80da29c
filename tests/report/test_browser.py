"""In a real browser the page asks for nothing, runs nothing, can be read by everybody, and fits on any screen."""

import datetime as dt
import http.server
import re
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from tests.chromium import GET, launch
from tests.report.full_report import HOSTILE, full_report, harmless

playwright = pytest.importorskip("playwright.sync_api", reason=f"Playwright is not installed: {GET}")
axe = pytest.importorskip("axe_playwright_python.base", reason=f"axe is not installed: {GET}")

LOOKS = [(look, width) for look in ("light", "dark") for width in (1200, 360)]
SIDEWAYS = "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
# The text, its colour, and the page's with all fills below the middle of the text laid on it, for each one in pictures.
PAINTED = """() => {
  const channels = (color, more) => {
    const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a * more];
  };
  const on = (below, [r, g, b, a]) => [r, g, b].map((part, i) => a * part + (1 - a) * below[i]);
  return [...document.querySelectorAll("svg text")].filter(text => text.getBoundingClientRect().width).map(text => {
    text.scrollIntoView({block: "center", inline: "center"});
    const box = text.getBoundingClientRect();
    let ground = channels(getComputedStyle(document.body).backgroundColor, 1).slice(0, 3);
    for (const one of document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2).reverse()) {
      const {fill, fillOpacity, opacity} = getComputedStyle(one);
      if (one instanceof SVGGeometryElement && fill.startsWith("rgb"))
        ground = on(ground, channels(fill, fillOpacity * opacity));
    }
    return [text.textContent, channels(getComputedStyle(text).fill, 1).slice(0, 3), ground];
  });
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = launch(started)
        if browser is None:
            pytest.skip(f"there is no Chromium: {GET}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    return full_report(HOSTILE).save(tmp_path_factory.mktemp("report") / "hostile.html")


@pytest.fixture(scope="module")
def kind(tmp_path_factory) -> Path:
    return full_report([harmless(name) for name in HOSTILE]).save(tmp_path_factory.mktemp("report") / "kind.html")


@pytest.fixture
def page_of(browser):
    """Opens a file as somebody sees it; what is folded is open."""
    made = []

    def opened(path, look="light", width=1200, **more):
        made.append(browser.new_context(color_scheme=look, viewport={"width": width, "height": 800}, **more))
        page = made[-1].new_page()
        page.goto(path.as_uri())
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        return page

    yield opened
    for context in made:
        context.close()


def elements(page) -> Counter:
    """Count the elements of a page, each with the names of its attributes."""
    found = page.evaluate("[...document.querySelectorAll('*')].map(one => [one.tagName, ...one.getAttributeNames()])")
    return Counter(map(tuple, found))


def watched(browser, address):
    """Open an address; give the page, what it asked for, and what the browser said or asked."""
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(address, wait_until="networkidle")
    return page, asked, said


def test_it_asks_for_nothing_but_itself_and_runs_nothing(browser, hostile):
    page, asked, said = watched(browser, hostile.as_uri())
    assert asked == [hostile.as_uri()]
    assert said == []
    assert page.evaluate("document.scripts.length") == 0
    page.close()


def test_from_a_server_it_asks_for_nothing_more_either(browser, hostile):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *_):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=hostile.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page, _, said = watched(browser, f"http://127.0.0.1:{server.server_port}/{hostile.name}")
        page.close()
        server.shutdown()
    assert asked == [f"/{hostile.name}"]
    assert said == []


def test_markup_that_got_in_could_neither_run_nor_ask(browser, hostile, tmp_path):
    bad = '<script>alert(1)</script><img src="https://example.org/a.png" onerror="alert(2)"><base href="https://x.org">'
    bad += '<link rel="stylesheet" href="https://example.org/a.css"><iframe src="https://example.org"></iframe>'
    text = hostile.read_text(encoding="utf-8")
    (tmp_path / "bad.html").write_text(text.replace("<main>", f"<main>{bad}"), encoding="utf-8")
    page, _, said = watched(browser, (tmp_path / "bad.html").as_uri())
    assert len(said) >= 5
    assert all("Content Security Policy" in one for one in said)
    page.close()


def test_hostile_names_make_no_element_and_no_attribute(page_of, hostile, kind):
    assert elements(page_of(hostile)) == elements(page_of(kind))


@pytest.mark.parametrize(("look", "width"), LOOKS)
def test_axe_finds_nothing(page_of, hostile, look, width):
    page = page_of(hostile, look, width, bypass_csp=True)
    assert faults(page) == []


def faults(page) -> list[tuple[str, str, int]]:
    """Let axe look; give each rule that is broken, where first, and how often."""
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200], len(one["nodes"])) for one in found]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_text_in_pictures_can_be_read_on_what_is_drawn_below(page_of, kind, look):
    found = page_of(kind, look).evaluate(PAINTED)
    assert len(found) > 100
    assert [one for one in found if contrast(*one[1:]) < 4.5] == []


def contrast(*colors: list[float]) -> float:
    """The contrast of two colours as WCAG has it."""
    lights = []
    for color in colors:
        linear = [part / 3294.6 if part <= 10.31 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("width", [1200, 360, 320])
def test_nothing_but_boxes_of_their_own_scroll_sideways(page_of, hostile, width):
    page = page_of(hostile, width=width)
    outer, inner = page.evaluate(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.scrollingElement)"
    )
    assert outer <= inner
    beyond = "[...document.querySelectorAll('body *')].filter(one => !one.closest('.wide')"
    beyond += " && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 100))"
    assert page.evaluate(beyond) == []


def test_boxes_that_scroll_can_be_reached_with_the_keyboard_and_have_names(page_of, hostile):
    page = page_of(hostile, width=360)
    boxes = page.evaluate(
        "[...document.querySelectorAll('*')].filter(one => one.scrollWidth > one.clientWidth + 1"
        " && getComputedStyle(one).overflowX === 'auto').map(one => [one.tabIndex, one.ariaLabel || ''])"
    )
    assert len(boxes) > 3
    assert all(place == 0 and name for place, name in boxes)


def test_text_in_narrow_pictures_is_large_enough_on_a_telephone(page_of, kind):
    sizes = page_of(kind, width=360).evaluate(
        "[...document.querySelectorAll('.narrow text')].map(one => parseFloat(getComputedStyle(one).fontSize)"
        " * one.ownerSVGElement.getBoundingClientRect().width / one.ownerSVGElement.viewBox.baseVal.width)"
    )
    assert len(sizes) > 50
    assert min(sizes) >= 9.5


def test_one_form_of_each_picture_is_shown(page_of, kind):
    for width, narrow in ((1200, False), (360, True)):
        shown = "[...document.querySelectorAll('.two svg')].filter(one => one.getBoundingClientRect().width)"
        looks = page_of(kind, width=width).evaluate(f"{shown}.map(one => one.classList.contains('narrow'))")
        assert looks == [narrow] * 6


def test_pictures_taken_from_the_file_are_well_formed(hostile):
    pictures = re.findall(r"<svg.*?</svg>", hostile.read_text(encoding="utf-8"), re.DOTALL)
    assert len(pictures) == 14
    for picture in pictures:
        ET.fromstring(picture)


def test_on_paper_there_is_no_contents_list_and_nothing_is_cut_off(page_of, hostile):
    page = page_of(hostile, width=718)  # A4 between its margins
    page.emulate_media(media="print")
    assert not page.is_visible("nav")
    outer, inner = page.evaluate(SIDEWAYS)
    assert outer <= inner
    cut = "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(f"{cut}.map(one => one.ariaLabel.slice(0, 50))") == []


def test_on_paper_it_is_light(page_of, kind):
    page = page_of(kind, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_in_a_notebook_it_follows_light_and_dark_and_its_links_stay_inside(browser, tmp_path):
    report = nu.Report("One cell")
    for name in "abc":
        report.add(name, "\n\n".join("text" * 20))
    shown = f"<!DOCTYPE html><title>n</title><body>{report._repr_html_()}"
    (tmp_path / "notebook.html").write_text(shown, encoding="utf-8")
    for look, color in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 29)")):
        page = browser.new_page(color_scheme=look)
        page.goto((tmp_path / "notebook.html").as_uri())
        inside = page.frames[1]
        assert inside.evaluate("getComputedStyle(document.body).backgroundColor") == color
        inside.click("nav a >> nth=2")
        assert inside.evaluate("[location.href, scrollY > 500]") == ["about:srcdoc#section-3", True]
        page.close()


@pytest.fixture(scope="module")
def weekly(tmp_path_factory) -> Path:
    folder, now = tmp_path_factory.mktemp("weekly"), dt.datetime(2026, 11, 18, 9, tzinfo=dt.UTC)
    with DemoClient(DemoService(build_app(scale=0.05, end=dt.date(2026, 11, 22)), as_of=now)) as app:
        store = nu.EventStore(folder / "app.duckdb")
        nu.sync(app, store, "2026-09-14", now, progress=False)
        report = nu.periodic_report(app, store, funnel=["init", "PROJECT_CREATED"], attribute=("init", "plan"))
        return report.save(folder / "week.html")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_report_of_a_week_keeps_to_all_of_that(page_of, weekly, look):
    page = page_of(weekly, look, 360, bypass_csp=True)
    outer, inner = page.evaluate(SIDEWAYS)
    assert outer <= inner
    assert faults(page) == []
    page = page_of(weekly, look)
    assert [one for one in page.evaluate(PAINTED) if contrast(*one[1:]) < 4.5] == []
