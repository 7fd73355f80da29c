"""A report holds what was added, as text that nothing can get out of, in one file that asks for nothing."""

import email
import email.policy
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import nucleus_pandas as nu
from nucleus_pandas.report.section import Card, Section
from nucleus_pandas.report.table_cells import Cells

HOSTILE = '<script>alert(1)</script>"onload="x {{7*7}} {% if %} &amp; \u202e$x^2$'


class Page(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def tags(self):
        return {tag for tag, _ in self.elements}

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]

    def cells(self):
        return re.findall(r"<td[^>]*>(.*?)</td>", self.rawdata)


def page_of(report):
    return Page(report.to_html())


def figure(label="days"):
    ax = plt.subplots()[1]
    ax.plot([1, 2, 3], [2, 1, 3], color="#0072B2")
    ax.set_title("A line", loc="left")
    ax.set_xlabel(label, parse_math=False)
    return ax


def cells(html):
    return re.findall(r"<td[^>]*>(.*?)</td>", html)


def test_headings_text_and_notes_stand_on_the_page_in_order():
    report = nu.Report("Week 12", "my app").add("One", "First.\n\nSecond.", "A note.").add("Two", "Third.")
    text = " ".join("".join(page_of(report).text).split())
    assert re.search("Week 12 my app One First. Second. A note. Two Third.", text)


def test_a_table_is_written_for_reading():
    table = pd.DataFrame(
        {
            "day": pd.to_datetime(["2026-01-05", None]),
            "seen": pd.to_datetime(["2026-01-05 10:30", None], utc=True),
            "users": pd.array([12345, None], dtype="Int64"),
            "share": [0.123456, np.nan],
            "done": [True, False],
        }
    )
    assert cells(nu.Report("r").add("t", table).to_html()) == [
        *("2026-01-05", "2026-01-05 10:30 UTC", "12,345", "0.123", "yes"),
        *("–", "–", "–", "–", "no"),
    ]


def test_numbers_stand_at_the_right_and_short_columns_are_not_wrapped():
    text = "some words that take more room than a date"
    page = page_of(nu.Report("r").add("t", pd.DataFrame({"day": ["2026-01-05"], "n": [7], "what": [text]})))
    assert [attrs["class"] for tag, attrs in page.elements if tag == "table"] == ["w1 r2 w2"]


@pytest.mark.parametrize(("columns", "tight"), [(8, False), (9, True)])
def test_only_what_is_too_wide_for_paper_is_broken_within_words(columns, tight):
    page = page_of(nu.Report("r").add("t", pd.DataFrame([["ten_letter"] * columns])))
    (look,) = [attrs["class"] for tag, attrs in page.elements if tag == "table"]
    assert ("tight" in look) is tight


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (1234.6, "1,235"),
        (-0.5, "−0.500"),
        (0.000123456, "0.000123"),
        (float("inf"), "∞"),
        (12.34, "12.3"),
    ],
)
def test_numbers_have_three_digits(value, written):
    assert cells(nu.Report("r").add("t", pd.DataFrame({"x": [value]})).to_html()) == [written]


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object"])
def test_what_is_true_or_false_is_written_as_words(dtype):
    table = pd.DataFrame({"x": pd.Series([np.True_, np.False_], dtype=dtype)})
    assert cells(nu.Report("r").add("t", table).to_html()) == ["yes", "no"]


def test_an_index_that_says_something_is_a_column():
    table = pd.DataFrame({"n": [1]}, index=pd.Index(["pdf"], name="format"))
    assert cells(nu.Report("r").add("t", table).to_html()) == ["pdf", "1"]


def test_what_is_not_shown_of_a_large_table_is_told():
    html = nu.Report("r").add("t", pd.DataFrame(np.zeros((1203, 33)))).to_html()
    assert html.count("<tr>") == 201
    assert "1,003 more rows are not shown." in html
    assert "3 more columns are not shown." in html


def test_an_empty_table_says_so():
    html = nu.Report("r").add("t", pd.DataFrame({"x": []})).to_html()
    assert "No rows." in html
    assert "<th" in html


def test_hostile_text_makes_no_element_and_no_attribute():
    plain = nu.Report("t", "t").add("t", "t", "t").add("t", pd.DataFrame({"t": ["t"]})).add("t", figure("t"))
    hostile = nu.Report(HOSTILE, HOSTILE).add(HOSTILE, HOSTILE, HOSTILE)
    hostile = hostile.add(HOSTILE, pd.DataFrame({HOSTILE: [HOSTILE]})).add(HOSTILE, figure(HOSTILE))
    one, other = page_of(plain), page_of(hostile)
    assert one.tags() == other.tags()
    assert {name for _, attrs in one.elements for name in attrs} == {
        name for _, attrs in other.elements for name in attrs
    }
    assert "{{7*7}}" in "".join(other.text)
    assert "\u202e" not in "".join(other.text)


def test_nothing_turns_the_reading_direction_wherever_it_stands():
    report = nu.Report("r")
    card = Card(*[HOSTILE] * 4)
    cells = Cells([HOSTILE], [False], [[HOSTILE]])
    report.sections.append(Section(HOSTILE, HOSTILE, paragraphs=[HOSTILE], cards=[card], cells=cells))
    mail = mail_of(report)
    for text in (report.to_html(), *(mail.get_body((kind,)).get_content() for kind in ("plain", "html"))):
        assert "\u202e" not in text
        assert text.count("\ufffd") >= 8


def test_the_page_asks_for_nothing_and_forbids_it():
    html = nu.Report("r").add("p", figure()).add("t", pd.DataFrame({"x": ["https://example.org/a.png"]})).to_html()
    page = Page(html)
    assert not page.tags() & {"script", "link", "iframe", "object", "embed", "base", "form", "img"}
    assert "default-src 'none'" in html
    pointed = page.attributes("href") + re.findall(r"url\(([^)]*)\)", html)
    assert pointed
    assert all(target.startswith("#") for target in pointed)


def svgs(html):
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def test_pictures_are_well_formed_svg_with_text_and_ids_of_their_own():
    html = nu.Report("r").add("One", figure("days")).add("Two", figure("days")).to_html()
    first, second = svgs(html)
    ids = [element.get("id") for root in (first, second) for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    labels = [element.text for element in first.iter("{http://www.w3.org/2000/svg}text")]
    assert "days" in labels
    assert [child.text for child in first[:2]] == ["A line", "A chart. Axes: days."]
    assert first.get("role") == "img"
    assert not any(element.tag.endswith(("metadata", "style")) for element in first.iter())


def test_every_place_that_a_picture_points_to_is_there():
    (root,) = svgs(nu.Report("r").add("One", figure()).to_html())
    ids = {element.get("id") for element in root.iter()}
    used = [element.get("href")[1:] for element in root.iter() if element.tag.endswith("use")]
    clipped = [element.get("clip-path")[5:-1] for element in root.iter() if element.get("clip-path")]
    assert used
    assert clipped
    assert set(used) | set(clipped) <= ids


def test_links_and_ids_of_a_picture_do_not_get_out_of_it():
    ax = figure()
    ax.lines[0].set_url("javascript:alert(1)")
    ax.lines[0].set_gid('x" onload="alert(1)')
    html = nu.Report("r").add("One", ax).to_html()
    assert "javascript" not in html
    assert "onload" not in html
    assert len(svgs(html)[0].findall(".//{http://www.w3.org/2000/svg}path")) > 3


def test_characters_that_no_xml_holds_are_replaced():
    ax = figure()
    ax.set_title("a\x01b", loc="left")
    html = nu.Report("r").add("One", ax).to_html()
    assert "a\ufffdb" in html
    assert svgs(html)


def test_colours_of_the_house_are_named_so_that_a_dark_page_has_others():
    html = nu.Report("r").add("One", figure()).to_html()
    assert "stroke:var(--c0072b2)" in html
    assert re.search(r"prefers-color-scheme:dark\)\{:root\{[^}]*--c0072b2:#3088e6", html)


def test_so_are_those_behind_a_hatch():
    ax = figure()
    ax.axvspan(1, 2, facecolor="white", edgecolor="0.75", hatch="//")
    picture = nu.Report("r").add("One", ax).sections[0].svg
    assert 'style="fill:var(--cffffff)"' in picture[picture.index("<pattern") :]
    assert not re.search('[:"]#(fff|bfb)', picture)


def test_a_picture_of_one_form_is_as_large_as_it_was_made():
    picture = nu.Report("r").add("One", figure().figure).sections[0].svg
    assert 'width="614" viewBox="0 0 460.8 345.6"' in picture  # 6.4 inches of 96 pixels


def test_the_picture_is_that_of_the_moment_when_it_was_added():
    ax = figure()
    report = nu.Report("r").add("One", ax)
    before = report.to_html()
    ax.set_title("Another", loc="left")
    assert report.to_html() == before


def test_a_figure_of_several_axes_is_one_picture():
    drawn, axes = plt.subplots(1, 2)
    assert len(svgs(nu.Report("r").add("One", axes[0]).to_html())) == 1
    assert len(svgs(nu.Report("r").add("One", drawn).to_html())) == 1
    assert len(svgs(nu.Report("r").add("One", Figure()).to_html())) == 1


def test_the_numbers_of_a_picture_can_be_unfolded():
    html = nu.Report("r").add("One", figure(), data=pd.DataFrame({"n": [7]})).to_html()
    assert "<details>" in html
    assert cells(html) == ["7"]


DAILY = pd.DataFrame(
    {
        "day": pd.date_range("2026-10-01", periods=3),
        "new_users": [1, 2, 3],
        "active_users": [4, 5, 6],
        "returning_users": [3, 3, 3],
        "sessions": [7, 8, 9],
        "avg_session_seconds": [60.0, 61.0, 62.0],
        "complete": True,
        "settled": True,
    }
)


def test_a_plot_function_draws_for_wide_and_for_narrow_screens():
    pictures = svgs(nu.Report("r").add("Days", nu.plot_daily, data=DAILY).to_html())
    widths = [float(picture.get("viewBox").split()[2]) for picture in pictures]
    assert widths == [pytest.approx(648), pytest.approx(259.2)]  # 9 and 3.6 inches
    assert not plt.get_fignums()


def test_names_in_any_script_are_text_and_no_warning():
    errors = pd.DataFrame({"day": DAILY["day"], "event": "保存", "count": [1, 2, 3], "complete": True, "settled": True})
    assert "保存</text>" in nu.Report("r").add("Events", nu.plot_event_counts, data=errors).to_html()


def test_a_picture_that_was_drawn_already_scrolls_in_a_box_of_its_own():
    html = nu.Report("r").add("Days", figure()).to_html()
    assert len(svgs(html)) == 1
    assert '<div class="wide" role="group" tabindex="0" aria-label="Days, picture"><svg' in html


def test_sections_below_others_have_smaller_headings_and_are_not_in_the_contents():
    report = nu.Report("r").add("A", "x").add("B", "x", level=3).add("C", "x").to_html()
    assert re.findall(r"<(h[23]) id[^>]*>(.)", report) == [("h2", "A"), ("h3", "B"), ("h2", "C")]
    assert re.findall(r"<a href[^>]*>(.)", report) == ["A", "C"]


@pytest.mark.parametrize("level", [1, 3, "2"])
def test_a_level_that_makes_no_sense_is_refused(level):
    with pytest.raises(ValueError, match="write 2, or 3 below a section"):
        nu.Report("r").add("A", "x", level=level)


def test_the_same_content_gives_the_same_bytes():
    def make():
        return nu.Report("r").add("One", figure(), data=pd.DataFrame({"n": [7]})).to_html()

    assert make() == make()


def test_frames_and_settings_are_left_as_they_were():
    table = pd.DataFrame({"n": [7]}, index=pd.Index(["a"], name="x"))
    before, settings = table.copy(), dict(plt.rcParams)
    nu.Report("r").add("t", table).add("p", figure(), data=table)
    pd.testing.assert_frame_equal(table, before)
    assert dict(plt.rcParams) == settings


def test_saved_it_is_one_file_and_takes_the_place_of_the_last(tmp_path):
    path = nu.Report("old").save(tmp_path / "week.html")
    assert nu.Report("new").save(path) == path
    assert "<h1>new</h1>" in path.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir()] == ["week.html"]


def test_a_full_disk_is_reported_with_the_path_and_the_old_page_is_kept(tmp_path, monkeypatch):
    target = nu.Report("Week", "47").save(tmp_path / "week.html")
    before = target.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device; nothing was written\. Free space.*week\.html"):
        nu.Report("Week", "48").save(target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["week.html"]


def test_where_it_cannot_be_saved_the_message_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"name the file week\.html"):
        nu.Report("r").save(tmp_path / "week.pdf")
    with pytest.raises(FileNotFoundError, match="Make it, then save again"):
        nu.Report("r").save(tmp_path / "none" / "week.html")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.add("h", 7), "content is of type int; pass a DataFrame, an Axes or a Figure"),
        (lambda r: r.add(7, "text"), "heading is of type int; write a text"),
        (
            lambda r: r.add("h", "text", data=pd.DataFrame()),
            "pass an Axes, a Figure or a plot function as content, or leave",
        ),
        (lambda r: r.add("h", nu.plot_daily), "pass the table, report.add"),
        (lambda r: r.add("h", lambda table: 7, data=pd.DataFrame()), "the plot function gives no Axes"),
        (lambda r: r.add("h", figure(), data=[1]), "data is of type list; pass the DataFrame"),
    ],
)
def test_what_cannot_be_added_is_refused_with_what_can(call, message):
    report = nu.Report("r")
    with pytest.raises(TypeError, match=message):
        call(report)
    assert report.sections == []


def test_in_a_notebook_it_is_a_page_of_its_own_in_which_nothing_runs():
    shown = Page(nu.Report(HOSTILE).add("t", "text")._repr_html_())
    assert shown.tags() == {"iframe"}
    ((_, frame),) = shown.elements
    assert "allow-scripts" not in frame["sandbox"]
    assert "<p>text</p>" in frame["srcdoc"]


def mail_of(report, to="team@example.com"):
    made = report.to_eml(to, "me@example.com")
    return email.message_from_bytes(made.as_bytes(), policy=email.policy.default)


def test_a_mail_has_text_a_page_pictures_and_the_whole_attached():
    report = nu.Report("Week 12").add("Users", figure()).add("Last", pd.DataFrame({"n": range(20)}), "note")
    mail = mail_of(report, "a@example.com, b@example.com")
    assert (mail["Subject"], mail["To"]) == ("Week 12", "a@example.com, b@example.com")
    text = mail.get_body(("plain",)).get_content()
    assert "Users" in text
    assert "5 more rows: see the attached page." in text
    html = mail.get_body(("html",)).get_content()
    (cid,) = re.findall('src="cid:([^"]*)"', html)
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == f"<{cid}>"
    assert picture.get_content().startswith(b"\x89PNG")
    (attached,) = list(mail.iter_attachments())
    assert attached.get_content().replace("\r\n", "\n") == report.to_html()


def test_a_mail_shows_as_much_of_a_wide_table_as_fits():
    mail = mail_of(nu.Report("r").add("t", pd.DataFrame([range(13)])))
    for kind in ("plain", "html"):
        assert "3 more columns: see the attached page." in mail.get_body((kind,)).get_content()
    assert cells(mail.get_body(("html",)).get_content()) == [str(number) for number in range(10)]


def test_a_heatmap_has_its_colours_in_a_mail_too():
    report = nu.Report("r")
    report.sections.append(Section("t", cells=Cells(["a", "b"], [True, True], [["1", "2"]], shades=[["", "s0 part"]])))
    page = mail_of(report).get_body(("html",)).get_content()
    assert re.findall("background:(#[0-9a-f]+)[^>]*>(.)<", page) == [("#ebf4f9", "2")]


def test_hostile_text_is_text_in_the_mail_too():
    report = nu.Report(HOSTILE).add(HOSTILE, pd.DataFrame({HOSTILE: [HOSTILE]}), HOSTILE).add("t", HOSTILE)
    page = Page(mail_of(report).get_body(("html",)).get_content())
    assert "script" not in page.tags()
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)


@pytest.mark.parametrize("to", ["", "team", "a@example.com\nBcc: b@example.com", "a@example.com,", 7])
def test_what_is_no_address_is_refused_without_repeating_it(to):
    with pytest.raises(ValueError, match=r'to must be an address such as "team@example\.com"') as caught:
        nu.Report("r").to_eml(to, "me@example.com")
    assert "Bcc" not in str(caught.value)


def test_a_line_break_in_the_title_is_no_header():
    mail = mail_of(nu.Report("Week\nBcc: b@example.com"))
    assert mail["Bcc"] is None
