"""plot_paths: blocks and bands are as high as the table says."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from nucleus_pandas.plots import plot_paths
from nucleus_pandas.plots.shares import NOBODY
from nucleus_pandas.plots.style import PALETTE, REST, plain
from tests.plots.conftest import transitions


def labels(ax):
    """Give what is written in each column, from top to bottom."""
    columns = {}
    for text in ax.texts[:-1]:
        columns.setdefault(round(text.xy[0]), []).append((text.xy[1], text.get_text()))
    return {place: [name for _, name in sorted(column)] for place, column in sorted(columns.items())}


def blocks(ax):
    """Give left edge, height in parts of the first block, and colour of each block."""
    total = max(patch.get_height() for patch in ax.patches)
    return {
        (round(patch.get_x() + patch.get_width() / 2), round(patch.get_height() / total, 6)): to_hex(
            patch.get_facecolor()
        ).upper()
        for patch in ax.patches
    }


def bands(ax):
    """Give height at the left end and at the right end of each band."""
    return [
        (path.vertices[7][1] - path.vertices[0][1], path.vertices[4][1] - path.vertices[3][1])
        for path in ax.collections[0].get_paths()
    ]


def test_each_column_names_its_events_with_their_share_of_all_paths(paths):
    assert labels(plot_paths(paths)) == {
        0: ["open 100 %"],
        1: ["save 60.0 %", "(other) 10.0 %", "(exit) 30.0 %"],
        2: ["close 50.0 %", "(exit) 20.0 %"],
    }


def test_a_block_is_as_high_as_the_users_who_were_there(paths):
    assert set(blocks(plot_paths(paths))) == {(0, 1.0), (1, 0.6), (1, 0.1), (1, 0.3), (2, 0.5), (2, 0.2)}


def test_a_band_is_as_high_as_the_users_who_went_there_at_both_ends(paths):
    ax = plot_paths(paths)
    whole = max(patch.get_height() for patch in ax.patches)
    ends = [(left / whole, right / whole) for left, right in bands(ax)]
    assert sorted(round(left, 6) for left, _ in ends) == [0.1, 0.1, 0.2, 0.3, 0.4, 0.6]
    assert all(left == pytest.approx(right) for left, right in ends)


def test_what_is_beyond_top_is_grey_and_the_end_lighter(paths):
    colors = blocks(plot_paths(paths))
    assert colors[1, 0.1] == REST
    assert colors[1, 0.3] == colors[2, 0.2] == NOBODY
    assert colors[0, 1.0] == PALETTE[0]


def test_paths_before_an_event_end_at_it(paths):
    ax = plot_paths(
        transitions({(-1, "save", "share"): 7, (-1, "(entry)", "share"): 3, (-2, "open", "save"): 7}, of=10)
    )
    assert labels(ax) == {-2: ["open 70.0 %"], -1: ["save 70.0 %", "(entry) 30.0 %"], 0: ["share 100 %"]}
    assert ax.get_title(loc="left") == "Paths before share"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "1", "0"]


def test_the_subtitle_counts_the_paths(paths):
    ax = plot_paths(paths)
    assert ax.get_title(loc="left") == "Paths after open"
    assert ax.texts[-1].get_text().startswith("One path a user, 100 users")


def test_a_sample_is_told(paths):
    assert "A sample of 10 % of the users." in plot_paths(paths.assign(sample=0.1)).texts[-1].get_text()


def test_paths_that_are_not_over_are_told(paths):
    assert "Left out" not in plot_paths(paths).texts[-1].get_text()
    assert "not over yet: 3." in " ".join(plot_paths(paths.assign(pending=3)).texts[-1].get_text().split())


def test_a_figure_is_as_wide_as_its_steps_need():
    long = {(step, "open" if step == 1 else f"e{step - 1}", f"e{step}"): 10 for step in range(1, 13)}
    assert plot_paths(transitions(long, of=10)).figure.get_figwidth() == pytest.approx(1.8 * 13)
    assert plot_paths(transitions({(1, "open", "x"): 10}, of=10)).figure.get_figwidth() == 9


def test_names_are_drawn_as_plain_text():
    names = ["$x^{2$", "_private", "\u202egnp.exe", "tab\there", "", "\\$5 & #1", "start" + "-" * 5000 + "end"]
    ax = plot_paths(transitions({(1, "open", name): 10 + i for i, name in enumerate(names)}, of=91))
    ax.figure.canvas.draw()
    shown = {text.get_text().rsplit(" ", 2)[0] for text in ax.texts[:-1]}
    assert shown == {"open", *(plain(name) for name in names)} or len(shown) == 8
    assert not any(text.get_parse_math() for text in ax.texts)
    assert max(map(len, shown)) <= 40


def test_the_share_does_not_stand_behind_a_name_that_is_read_from_the_right(paths):
    ax = plot_paths(paths.replace("save", "\u05e9\u05dc\u05d5\u05dd"))
    assert "\u05e9\u05dc\u05d5\u05dd\n60.0 %" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("size", [(9, 5.5), (4, 3)])
def test_ten_names_in_each_of_five_columns_do_not_overlap(size):
    names = [f"EVENT_NUMBER_{i}" for i in range(10)] + ["(other)", "(exit)"]
    counts = {(1, "open", name): 1 + 1000 // (1 + i) ** 3 for i, name in enumerate(names)}
    for step in (2, 3, 4):
        counts |= {(step, names[0], name): 1 + 300 // (1 + i) ** 3 for i, name in enumerate(names)}
    _, ax = plt.subplots(figsize=size)
    plot_paths(transitions(counts, of=2000), ax)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts[:-1]]
    assert not [
        (a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.shrunk(0.9, 0.7).overlaps(b.shrunk(0.9, 0.7))
    ]
