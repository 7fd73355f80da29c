"""Fewer characters draw the same, and what only looks like markup stays text."""

import re

import matplotlib.pyplot as plt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.report.svg_minify import shared_styles, shorter_path

STEPS = {"M": 2, "L": 2, "l": 2, "h": 1, "v": 1, "z": 0}


def points(path: str) -> list[tuple[str, float, float]]:
    """Read a path of straight lines: where the pen goes, drawing or not."""
    made, here, start = [], (0.0, 0.0), (0.0, 0.0)
    for command, text in re.findall("([A-Za-z])([^A-Za-z]*)", path):
        numbers = [float(one) for one in re.findall(r"-?\d*\.?\d+", text)]
        size = STEPS[command]
        for place in range(0, max(len(numbers), 1), max(size, 1)):
            x, y = here
            given = numbers[place : place + size]
            assert len(given) == size
            if command in "ML":
                x, y = given
            elif command == "l":
                x, y = x + given[0], y + given[1]
            elif command == "h":
                x += given[0]
            elif command == "v":
                y += given[0]
            else:
                x, y = start
            here = (x, y)
            start = here if command == "M" else start
            made.append((command if command in "Mz" else "L", *here))
    return made


tenths = st.integers(-30, 20_000)


@given(st.lists(st.tuples(st.sampled_from("MLLLLz"), tenths, tenths)))
def test_a_shorter_path_goes_to_the_same_points(lines):
    path = "  ".join(["M 0.1 0.2", *(c if c == "z" else f"{c} {x / 10} {y / 10}" for c, x, y in lines)])
    expected: list[tuple[str, float, float]] = []
    for command, x, y in points(path):
        # A step to where the pen is already draws nothing.
        if command != "L" or expected[-1][0] == "M" or expected[-1][1:] != (x, y):
            expected.append((command, x, y))
    found = points(shorter_path(path, 1))
    assert [command for command, *_ in found] == [command for command, *_ in expected]
    assert [place for _, *place in found] == [pytest.approx(place, abs=1e-6) for _, *place in expected]


@pytest.mark.parametrize(
    ("path", "digits", "short"),
    [
        ("M 0 324  L 648 324  L 648 0  L 0 0  z ", 1, "M0 324h648v-324h-648z"),
        ("M 1.26 2  L 1.76 1.5  L 2.26 2.5", 1, "M1.3 2l.5-.5 .5 1"),
        ("M 0 1.125 L 0.337 0", 2, "M0 1.12l.34-1.12"),
        ("M 1 1  M 2 2  L 3 3", 1, "M1 1M2 2l1 1"),
        ("M 0 3 C 1 2 3 4 5 6 z", 1, "M0 3C1 2 3 4 5 6z"),
    ],
)
def test_paths_are_written_in_steps(path, digits, short):
    assert shorter_path(path, digits) == short


def test_a_style_that_occurs_twice_becomes_a_class():
    rules, pictures = shared_styles(['<g style="fill:red"/><g style="fill:blue"/>', '<g style="fill:red"/>'])
    assert rules == ".x0{fill:red}\n"
    assert pictures == ['<g class="x0"/><g style="fill:blue"/>', '<g class="x0"/>']


def test_a_style_that_could_end_its_rule_stays_where_it_is():
    pictures = ['<g style="fill:red}*{display:none"/>'] * 2
    assert shared_styles(pictures) == ("", pictures)


def test_text_that_looks_like_a_style_stays_text():
    ax = plt.subplots()[1]
    told = 'a style="stroke:red" style="stroke:red" b'
    ax.set_xlabel(told, parse_math=False)
    assert f">{told}</text>" in nu.Report("r").add("p", ax).to_html()


def test_shapes_that_are_drawn_in_one_style_have_it_from_the_shape():
    ax = plt.subplots()[1]
    ax.plot(range(9), "o", color="#123456")
    picture = nu.Report("r").add("p", ax).sections[0].svg
    assert len(re.findall('<use x="[0-9.]+" y="[0-9.]+" href="#p1-[0-9]+" />', picture)) >= 9
    assert picture.count("#123456") < 4
