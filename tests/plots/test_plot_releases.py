"""Plots of adoption and releases: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import StepPatch

import nucleus_pandas as nu
from nucleus_pandas.plots import style


def written(ax):
    return [text.get_text() for text in ax.texts]


def lines(ax):
    """Colour, place and ends of the bounds that are drawn."""
    found = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] != line.get_xdata()[1]]
    return [(line.get_color(), float(line.get_ydata()[0]), [float(x) for x in line.get_xdata()]) for line in found]


def dots(ax, marker="o"):
    return [
        (float(line.get_xdata()[0]), line.get_markerfacecolor()) for line in ax.lines if line.get_marker() == marker
    ]


def test_version_adoption_stacks_the_versions_with_the_oldest_at_the_bottom(version_adoption):
    ax = nu.plot_version_adoption(version_adoption)
    layers = [patch.get_data() for patch in ax.patches if isinstance(patch, StepPatch)]
    shares = (
        version_adoption.pivot(index="version", columns="period", values="share").loc[["0.9.0", "0.10.0"]].fillna(0)
    )
    np.testing.assert_allclose([np.nan_to_num(data[0] - data[2]) for data in layers], shares)
    assert ax.get_ylabel() == "share of sessions"


def test_version_adoption_of_users_says_so(version_adoption):
    ax = nu.plot_version_adoption(version_adoption.rename(columns={"sessions": "users"}))
    assert ax.get_ylabel() == "share of users"
    assert "last session" in " ".join(written(ax))


def test_a_release_has_its_ratio_and_bounds_and_a_colour_if_1_is_not_within(releases):
    ax = nu.plot_releases(releases)
    edge = ax.get_xlim()[1]
    assert lines(ax) == [
        (style.PALETTE[1], 1.0, [3.0, 14.0]),
        (style.REST, 2.0, [0.2, 6.0]),
        (style.REST, 3.0, [0.5, edge]),
    ]
    assert dots(ax) == [(6.0, style.PALETTE[1]), (0.9, "white")]  # the ratio of the last is beyond every axis


def test_bounds_without_an_end_have_an_arrow(releases):
    ax = nu.plot_releases(releases)
    assert dots(ax, ">") == [(ax.get_xlim()[1], style.REST)]
    assert dots(ax, "<") == []


def test_beside_each_release_stand_the_two_shares(releases):
    told = written(nu.plot_releases(releases))
    assert "76.0 %, before 96.0 %" in told
    assert "98.0 %, before 100 %" in told
    assert told.count("not compared") == 1


def test_each_release_is_named_with_the_one_before(releases):
    assert [text.get_text() for text in nu.plot_releases(releases).get_yticklabels()] == [
        "1.0",
        "1.1 / 1.0",
        "1.2 / 1.1",
        "1.3 / 1.2",
    ]


def test_crashes_are_drawn_when_they_are_asked_for(releases):
    crashes = releases.rename(columns=lambda name: name.replace("error_", "crash_"))
    ax = nu.plot_releases(crashes, failure="crash")
    assert ax.get_title(loc="left") == "Crashes of each release"
    assert "crashes per session" in ax.get_xlabel()
    with pytest.raises(ValueError, match='failure="bug" is not known; write one of "error", "crash"'):
        nu.plot_releases(releases, failure="bug")


def test_it_says_that_early_adopters_are_not_like_the_others(releases):
    assert "Who takes a release first is not like the others" in " ".join(written(nu.plot_releases(releases))).replace(
        "\n", " "
    )


def test_more_than_thirty_versions_are_refused(releases):
    many = releases.loc[[0] * 31]
    with pytest.raises(ValueError, match="up to 30 versions, not 31"):
        nu.plot_releases(many)


def test_more_versions_than_can_be_told_apart_are_refused_with_what_to_do(version_adoption):
    day = version_adoption["period"].iloc[0]
    many = pd.concat(
        [version_adoption[version_adoption["period"] == day].head(1).assign(version=f"1.{n}") for n in range(31)]
    )
    with pytest.raises(ValueError, match="up to 30 versions, not 31: make the table with a lower top="):
        nu.plot_version_adoption(many)


def test_only_what_may_still_change_is_drawn_with_slanted_lines(version_adoption):
    day = version_adoption["period"].iloc[0]
    one = version_adoption[version_adoption["period"] == day].head(1)
    many = pd.concat([one.assign(version=f"1.{n:02}", share=1 / 25, settled=True, complete=True) for n in range(25)])
    ax = nu.plot_version_adoption(many)
    hatches = [patch.get_hatch() for patch in ax.patches if isinstance(patch, StepPatch)]
    assert len(set(hatches)) == 4
    assert not any("/" in hatch or "x" in hatch for hatch in hatches if hatch)
