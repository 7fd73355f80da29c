"""On a fill that a dark page leaves as it is a text stays as it is, too; on the page and on the house's it changes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import nucleus_pandas as nu


def style_of_text(ax) -> str:
    """The style of the text "here" in the picture of the Axes."""
    html = nu.Report("r").add("p", ax).to_html()
    before = html[: html.index(">here<")]
    return before[before.rindex("<text") :]


def axes(**text):
    ax = plt.subplots()[1]
    ax.text(0, 0.5, "here", ha="center", **text)
    ax.set(xlim=(-1, 1), ylim=(0, 1))
    return ax


def test_on_the_page_it_changes():
    assert "fill" not in style_of_text(axes())  # which is black, or what stands for it


@pytest.mark.parametrize(
    ("fill", "alpha", "kept"), [("#0072B2", 1, False), ("#FFEE88", 1, True), ("#D55E00", 0.2, False)]
)
def test_on_a_bar_it_does_what_the_bar_does(fill, alpha, kept):
    ax = axes()
    ax.bar([0], [1], color=fill, alpha=alpha)
    assert ("#000001" in style_of_text(ax)) is kept


def test_the_topmost_bar_decides():
    ax = axes(zorder=9)
    ax.bar([0], [1], color="#FFEE88", zorder=2)
    ax.bar([0], [1], color="#0072B2", zorder=3)
    assert "fill" not in style_of_text(ax)


@pytest.mark.parametrize("draw", ["pcolormesh", "imshow"])
def test_on_a_coloured_grid_it_stays(draw):
    ax = axes(color="white")
    if draw == "imshow":
        ax.imshow(np.ones((2, 2)), extent=(-1, 1, 0, 1))
    else:
        ax.pcolormesh([-1, 0.1, 1], [0, 1], [[0.2, 0.7]])
    assert "#fffffe" in style_of_text(ax)


def test_the_picture_itself_is_left_as_it_was():
    ax = axes(color="black")
    ax.bar([0], [1], color="#FFEE88")
    nu.Report("r").add("p", ax)
    assert ax.texts[0].get_color() == "black"
