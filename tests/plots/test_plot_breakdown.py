"""Plots of breakdowns: what is drawn is what the tables say."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle, StepPatch

import nucleus_pandas as nu
from nucleus_pandas.plots import style
from tests.plots.conftest import counted, shared


def bars(ax):
    return [bar for bar in ax.patches if isinstance(bar, Rectangle) and bar.get_height() == pytest.approx(0.7)]


def written(ax):
    return [text.get_text() for text in ax.texts]


def named(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_a_bar_is_as_long_as_its_share_and_has_its_bounds(breakdown):
    ax = nu.plot_breakdown(breakdown)
    assert [bar.get_width() for bar in bars(ax)] == breakdown["share"].tolist()
    assert named(ax) == ["win", "mac", "linux", "(none)"]
    assert "100 · 54.1 %" in written(ax)
    drawn = [segment[:, 0].tolist() for segment in ax.collections[-1].get_segments()]
    assert drawn == breakdown[["share_low", "share_high"]].to_numpy().tolist()


def test_the_rest_and_what_is_missing_are_grey():
    ax = nu.plot_breakdown(nu.breakdown(shared("value", a=5, b=3, **{"": 2}), top=1))
    colors = [to_hex(bar.get_facecolor()).upper() for bar in bars(ax)]
    assert colors == [style.PALETTE[0], style.REST, "#B5B5B5"]


def test_a_breakdown_of_several_dimensions_is_refused_and_one_of_them_is_named():
    both = pd.concat(
        [shared("value", a=1).assign(dimension="platform"), shared("value", b=1).assign(dimension="country")]
    )
    table = nu.breakdown(both)
    with pytest.raises(ValueError, match=r'draws one dimension.*table\["dimension"\] =='):
        nu.plot_breakdown(table)
    ax = nu.plot_breakdown(table[table["dimension"] == "country"])
    assert ax.get_title(loc="left") == "Breakdown of country"


def test_a_breakdown_by_period_is_refused(breakdown_trend):
    with pytest.raises(ValueError, match="use plot_breakdown_trend"):
        nu.plot_breakdown(breakdown_trend)


def test_more_than_thirty_values_are_refused():
    many = shared("value", **{f"v{i}": 1 for i in range(31)})
    with pytest.raises(ValueError, match="up to 30 values, not 31: make it with a lower top"):
        nu.plot_breakdown(nu.breakdown(many, top=31))


def test_totals_are_drawn_without_bounds_and_the_caption_says_why():
    ax = nu.plot_breakdown(nu.breakdown(shared("value", a=60, b=40)))
    assert any("the number of users is not known" in " ".join(text.split()) for text in written(ax))


def layers(ax):
    """The height of each bar in each layer."""
    return [np.nan_to_num(np.subtract(*patch.get_data()[::2])) for patch in ax.patches if isinstance(patch, StepPatch)]


def test_a_trend_stacks_the_shares_of_each_period(breakdown_trend):
    ax = nu.plot_breakdown_trend(breakdown_trend)
    shares = breakdown_trend.pivot(index="value", columns="period", values="share").loc[["win", "mac"]].fillna(0)
    np.testing.assert_allclose(layers(ax), shares)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mac", "win"]  # as they stand on each other


def test_what_may_change_is_hatched_and_what_has_no_share_is_grey(breakdown_trend):
    ax = nu.plot_breakdown_trend(breakdown_trend)
    spans = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [(span.get_hatch(), span.get_width()) for span in spans] == [("////", 1.0), (None, 1.0)]
    told = " ".join(written(ax)).replace("\n", " ")
    assert "Hatched: may still change" in told
    assert "Grey: 1 period without a share" in told


def test_periods_that_are_not_in_the_table_are_a_gap():
    days = counted("value", {"win": [9, 8, 7, 6]}).rename(columns={"day": "period"}).drop(index=1)
    ax = nu.plot_breakdown_trend(nu.breakdown(days.assign(complete=True, settled=True)))
    assert layers(ax)[0].tolist() == [1, 0, 1, 1]


def test_months_are_as_wide_as_they_are_long():
    months = shared("value", a=1, b=1, c=1).assign(
        value="a", period=pd.to_datetime(["2026-01-01", "2026-02-01", "2026-03-01"])
    )
    ax = nu.plot_breakdown_trend(nu.breakdown(months))
    assert np.diff(ax.patches[0].get_data().edges).tolist() == [31, 28, 28]


def test_three_years_of_days_are_drawn_in_few_patches():
    days = pd.date_range("2024-01-01", periods=1096, freq="D")
    table = nu.breakdown(pd.DataFrame({"period": days, "value": "a", "count": 1}))
    figure, ax = plt.subplots()
    nu.plot_breakdown_trend(table, ax)
    figure.canvas.draw()
    assert len(ax.patches) == 1


def test_a_share_that_is_hardly_any_is_not_written_as_none():
    ax = nu.plot_breakdown(nu.breakdown(pd.DataFrame({"value": ["a", "b"], "count": [10**9 - 3, 3]})))
    told = [text.get_text() for text in ax.texts]
    assert "3 · < 0.1 %" in told
    assert "999,999,997 · > 99.9 %" in told


@pytest.mark.parametrize("plot", ["plot_breakdown", "plot_comparison", "plot_breakdown_trend"])
def test_a_value_that_a_file_lost_is_refused_with_how_to_read_it(plot):
    now = pd.DataFrame({"value": ["NA", "DE", "FR"], "count": [3, 4, 5]})
    weeks = now.assign(period=pd.Timestamp("2026-09-07"), complete=True, settled=True)
    tables = {
        "plot_breakdown": nu.breakdown(now),
        "plot_comparison": nu.compare(nu.breakdown(now), nu.breakdown(now)),
        "plot_breakdown_trend": nu.breakdown(weeks),
    }
    text = tables[plot].to_csv(index=False)
    with pytest.raises(ValueError, match=f"{plot}: column value is missing in 1 of 3 rows.*keep_default_na=False"):
        getattr(nu, plot)(pd.read_csv(io.StringIO(text)))
    getattr(nu, plot)(pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""]))
