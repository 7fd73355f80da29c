"""plot_funnel, plot_funnel_trend, plot_time_to_convert: what is drawn is what the table says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

import nucleus_pandas as nu
from nucleus_pandas.plots import plot_funnel, plot_funnel_trend, plot_time_to_convert
from nucleus_pandas.plots.shares import NOBODY, duration
from nucleus_pandas.plots.style import MISSING, OTHER, PALETTE, REST, plain
from tests.plots.conftest import TEXT, reached, segmented

NAMES = ["$x^{2$ $\\frac{$", "_private", "<b>", "\u202egnp.exe", "tab\there\x00", "\ud800 alone", "", "  ", "\\$5 & #1"]


def bars(ax):
    """Give the full bars, from top to bottom; behind each lies a pale one for what was lost."""
    return sorted((patch for patch in ax.patches if patch.get_facecolor()[3] == 1), key=lambda patch: patch.get_y())


def lost(ax):
    pale = (patch for patch in ax.patches if patch.get_facecolor()[3] < 1)
    return [patch.get_width() for patch in sorted(pale, key=lambda patch: patch.get_y())]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def subtitle(ax):
    return " ".join(ax.texts[-1].get_text().split())


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_bar_is_as_long_as_the_share_of_those_who_entered(funnel):
    assert [bar.get_width() for bar in bars(plot_funnel(funnel))] == [1.0, 0.4, 0.1]


def test_the_first_step_is_on_top(funnel):
    ax = plot_funnel(funnel)
    assert ax.yaxis_inverted()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["open", "save", "share"]


def test_pale_is_what_was_lost_since_the_step_before(funnel):
    assert lost(plot_funnel(funnel)) == pytest.approx([0.0, 0.6, 0.3])


def test_the_thin_line_runs_from_bound_to_bound(funnel):
    ax = plot_funnel(funnel)
    ends = [[x for x, _ in segment] for segment in ax.collections[-1].get_segments()]
    assert ends[-2:] == [pytest.approx([0.36, 0.44]), pytest.approx([0.09, 0.11])]


def test_the_share_of_the_first_step_has_no_bounds(funnel):
    segments = plot_funnel(funnel).collections[-1].get_segments()
    assert len([one for one in segments if len(one) == 2]) == 2


def test_users_shares_losses_and_times_stand_beside_the_bars(funnel):
    assert texts(plot_funnel(funnel))[:5] == [
        "1,000 · 100 %",
        "400 · 40.0 %",
        "−600 (60.0 %) · median 1.5 min",
        "100 · 10.0 %",
        "−300 (75.0 %) · median 2 h",
    ]


def test_the_bars_of_segments_tell_their_times_too(funnel):
    assert "100 · 10.0 % · median 2 h" in texts(plot_funnel(segmented(free=funnel, pro=funnel)))


def test_those_who_are_pending_are_told(funnel):
    assert "7 users whose window is not over." in subtitle(plot_funnel(funnel))


def test_those_who_are_pending_are_summed_over_segments(funnel):
    ax = plot_funnel(segmented(free=funnel, pro=funnel))
    assert "14 users whose window is not over." in subtitle(ax)


def test_a_full_funnel_says_nothing_of_pending_samples_or_few(funnel):
    text = subtitle(plot_funnel(funnel.assign(pending=0)))
    assert not any(word in text for word in ("window", "sample", "fewer", "excluded"))


def test_a_sample_is_told(funnel):
    assert "A sample of 2.5 % of the users." in subtitle(plot_funnel(funnel.assign(sample=0.025)))


def test_those_lost_to_excluded_events_are_told(funnel):
    assert "Lost to excluded events: 3." in subtitle(plot_funnel(funnel.assign(excluded=3)))


def test_few_entrants_are_marked_with_an_asterisk_that_is_explained():
    ax = plot_funnel(reached([12, 3]))
    assert texts(ax)[0] == "12 · 100 %*"
    assert "*: fewer than 30 entered." in subtitle(ax)


def test_a_funnel_that_nobody_entered_has_no_rates():
    ax = plot_funnel(reached([0, 0, 0]))
    assert texts(ax)[:3] == ["0 · no rate*"] * 3


def test_each_segment_has_a_bar_of_its_own_in_each_step(funnel_segments):
    ax = plot_funnel(funnel_segments)
    assert legend(ax) == ["free", "pro"]
    assert [(bar.get_width(), to_hex(bar.get_facecolor()).upper()) for bar in bars(ax)] == [
        (1.0, PALETTE[0]),
        (1.0, PALETTE[1]),
        (0.25, PALETTE[0]),
        (1.0, PALETTE[1]),
        (0.05, PALETTE[0]),
        (0.3, PALETTE[1]),
    ]


def test_other_and_none_are_grey(funnel):
    ax = plot_funnel(segmented(**{"free": funnel, OTHER: funnel, MISSING: funnel}))
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars(ax)[:3]] == [PALETTE[0], REST, NOBODY]


def test_a_ninth_segment_is_hatched_to_be_told_from_the_first(funnel):
    ax = plot_funnel(segmented(**{f"segment {i}": funnel for i in range(9)}))
    assert [bool(bar.get_hatch()) for bar in bars(ax)[:9]] == [False] * 8 + [True]


def test_more_than_thirty_segments_are_refused(funnel):
    with pytest.raises(ValueError, match="draws up to 30 segments, not 31"):
        plot_funnel(segmented(**{f"segment {i}": funnel for i in range(31)}))


def test_a_trend_is_not_drawn_as_one_funnel(funnel_trend):
    with pytest.raises(ValueError, match="plot_funnel_trend"):
        plot_funnel(funnel_trend)


def test_an_event_that_stands_twice_has_two_bars():
    ax = plot_funnel(reached([100, 40, 10], events=["open", "save", "open"]))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["open", "save", "open"]
    assert [bar.get_width() for bar in bars(ax)] == [1.0, 0.4, 0.1]


def test_names_of_steps_are_drawn_as_plain_text():
    ax = plot_funnel(reached([100 - i for i in range(9)], events=NAMES))
    ax.figure.canvas.draw()
    shown = [plain(name.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")) for name in NAMES]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == shown
    assert not any(text.get_parse_math() for text in ax.get_yticklabels() + ax.texts)


@pytest.mark.parametrize("plot", [plot_funnel, plot_funnel_trend, plot_time_to_convert])
def test_names_of_segments_are_drawn_as_plain_text(plot, funnel, funnel_trend, funnel_users):
    table = {plot_funnel: funnel, plot_funnel_trend: funnel_trend, plot_time_to_convert: funnel_users}[plot]
    parts = [table.assign(segment=pd.array([name] * len(table), dtype=TEXT)) for name in NAMES]
    ax = plot(pd.concat(parts, ignore_index=True))
    ax.figure.canvas.draw()
    assert {name.split(": ")[0] for name in legend(ax)} == {plain(name) for name in NAMES}
    assert not any(text.get_parse_math() for text in ax.get_legend().findobj(Text) if text.get_text())


def test_long_names_are_cut_and_twelve_steps_of_eight_segments_fit():
    long = ["start" + "-" * 5000 + "end", *[f"step {i}" for i in range(11)]]
    tables = {f"{i}" * 5000: reached([900 - 50 * step for step in range(12)], events=long) for i in range(8)}
    ax = plot_funnel(segmented(**tables))
    ax.figure.canvas.draw()
    assert len(bars(ax)) == 96
    assert len(ax.get_yticklabels()[0].get_text()) <= 32
    assert ax.get_tightbbox().x1 <= ax.figure.bbox.x1


def test_where_there_is_no_room_for_numbers_none_are_written():
    _, ax = plt.subplots(figsize=(3, 2))
    plot_funnel(segmented(**{f"{i}": reached([900 - 50 * step for step in range(12)]) for i in range(8)}), ax)
    assert len(ax.texts) == 1


def settle(trend):
    return trend.assign(pending=0, settled=True)


def line(ax, place):
    return ax.lines[place].get_ydata().tolist()


def test_the_trend_has_a_line_for_each_step_from_the_second_on(funnel_trend):
    ax = plot_funnel_trend(settle(funnel_trend))
    assert legend(ax) == ["2 save", "3 share"]
    assert [line(ax, place) for place in (0, 1)] == [[0.5, 0.6, 0.5], [0.2, 0.1, 0.25]]


def test_the_trend_of_segments_has_a_line_for_each_at_the_last_step(funnel_trend_segments):
    ax = plot_funnel_trend(settle(funnel_trend_segments))
    assert legend(ax) == ["free", "pro"]
    assert line(ax, 0) == [0.2, 0.1, 0.25]
    assert "Reached step 3, share." in subtitle(ax)


def test_the_trend_of_another_step_can_be_asked_for(funnel_trend_segments, funnel_trend):
    ax = plot_funnel_trend(settle(funnel_trend_segments), step=2)
    assert line(ax, 1) == [0.5, 0.6, 0.5]
    assert legend(plot_funnel_trend(funnel_trend, step=2)) == ["2 save"]


def test_periods_with_pending_users_are_hatched_and_dashed(funnel_trend):
    ax = plot_funnel_trend(funnel_trend)
    np.testing.assert_equal(line(ax, 0), [0.5, 0.6, np.nan])
    np.testing.assert_equal(line(ax, 1), [np.nan, 0.6, 0.5])
    assert ax.lines[1].is_dashed()
    [ground] = [patch for patch in ax.patches if patch.get_hatch()]
    start, end = (ground.get_x(), ground.get_x() + ground.get_width())
    assert start < pd.Timestamp("2026-09-21").timestamp() / 86_400 < end
    assert "Hatched: not all have had the whole window yet" in subtitle(ax)


def test_periods_without_a_known_rate_are_grey_and_counted(funnel_trend):
    open_ = funnel_trend["period"] > "2026-09-07"
    rates = ["from_start", "from_start_low", "from_start_high"]
    table = funnel_trend.assign(settled=~open_, **{name: funnel_trend[name].mask(open_) for name in rates})
    ax = plot_funnel_trend(table)
    np.testing.assert_equal(line(ax, 0), [0.5, np.nan, np.nan])
    assert [to_hex(patch.get_facecolor()) for patch in ax.patches] == ["#ebebeb"] * 2
    assert "Grey: 2 periods without a rate" in subtitle(ax)
    assert "Hatched" not in subtitle(ax)


def test_a_trend_without_any_known_rate_is_grey_altogether(funnel_trend):
    rates = ["from_start", "from_start_low", "from_start_high"]
    ax = plot_funnel_trend(funnel_trend.assign(settled=False, **dict.fromkeys(rates, np.nan)))
    assert len(ax.patches) == 3
    assert "Grey: 3 periods" in subtitle(ax)


def test_a_trend_without_pending_users_is_not_hatched(funnel_trend):
    ax = plot_funnel_trend(settle(funnel_trend))
    assert not [patch for patch in ax.patches if patch.get_hatch()]
    assert "Hatched" not in subtitle(ax)


def test_a_period_that_nobody_entered_is_a_gap(funnel_trend):
    table = settle(funnel_trend)
    table.loc[table["period"] == "2026-09-14", ["from_start", "from_start_low", "from_start_high"]] = np.nan
    np.testing.assert_equal(line(plot_funnel_trend(table), 0), [0.5, np.nan, 0.5])


def test_the_bands_of_the_trend_are_the_bounds(funnel_trend):
    band = plot_funnel_trend(funnel_trend).collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((0.45, 0.66))


def test_many_lines_have_no_bands(funnel_trend):
    ax = plot_funnel_trend(segmented(**dict.fromkeys("abcde", funnel_trend)))
    assert len(ax.collections) == 0
    assert "Band" not in subtitle(ax)


def test_steps_of_one_event_are_told_apart_by_their_number(funnel_trend):
    assert legend(plot_funnel_trend(funnel_trend.assign(event="open"))) == ["2 open", "3 open"]


def test_of_few_users_the_trend_has_hollow_markers_and_no_band(funnel_trend):
    few = funnel_trend["period"].eq("2026-09-07") & funnel_trend["step"].gt(0)
    ax = plot_funnel_trend(settle(funnel_trend).assign(low_n=few), step=2)
    [hollow] = [one for one in ax.lines if one.get_markerfacecolor() == "white"]
    np.testing.assert_equal(hollow.get_ydata(), [0.5, np.nan, np.nan])
    assert ax.collections[0].get_paths()[0].vertices[:, 0].min() > pd.Timestamp("2026-09-08").timestamp() / 86_400
    assert "Hollow: fewer than 30 users." in subtitle(ax)
    assert "Hollow" not in subtitle(plot_funnel_trend(settle(funnel_trend).assign(low_n=False)))


@pytest.mark.parametrize(
    ("order", "window", "told"),
    [
        ("ordered", "7d", "Steps in this order, within 7d."),
        ("strict", "12h", "Steps in this order, nothing between them, within 12h."),
        ("any", "session", "Steps in any order, in one session."),
    ],
)
def test_order_and_window_are_told(funnel, funnel_trend, funnel_users, order, window, told):
    for plot, table in ((plot_funnel, funnel), (plot_funnel_trend, funnel_trend), (plot_time_to_convert, funnel_users)):
        assert told in subtitle(plot(table.assign(order=order, window=window)))


def test_one_who_is_pending_is_told_in_the_singular(funnel):
    one = funnel.assign(pending=1)
    assert "Left out: 1 user whose window is not over." in subtitle(plot_funnel(one))
    assert "Includes 1 user whose window is not over." in subtitle(plot_funnel(one.assign(include_pending=True)))


def test_a_step_that_lost_nobody_says_so(funnel):
    same = funnel.assign(users=funnel["users"].iloc[0], from_start=1.0, from_previous=1.0)
    written = [text.get_text() for text in plot_funnel(same).texts]
    assert any(text.startswith("none lost") for text in written)
    assert not any("−0" in text for text in written)


def test_those_who_are_pending_and_counted_are_told(funnel, funnel_trend):
    assert "Includes 7 users whose window is not over." in subtitle(plot_funnel(funnel.assign(include_pending=True)))
    assert "yet, though all are counted." in subtitle(plot_funnel_trend(funnel_trend.assign(include_pending=True)))


@pytest.mark.parametrize("step", [0, 4])
def test_a_step_that_is_not_there_is_refused(funnel_trend, funnel_users, step):
    with pytest.raises(ValueError, match=rf"step={step} is not known; write one of 1, 2, 3\."):
        plot_funnel_trend(funnel_trend, step=step)
    with pytest.raises(ValueError, match=rf"step={step} is not known; write one of 1, 2, 3\."):
        plot_time_to_convert(funnel_users, step=step)


def curve(ax, place):
    """Give the points of a curve; each has a dot after it."""
    x, y = ax.lines[2 * place].get_data()
    return list(zip(x[1:-1].tolist(), y[1:-1].tolist(), strict=True))


def test_a_curve_rises_by_one_user_at_each_time(funnel_users):
    # Four users are not pending; three of them reached step 2, two reached step 3.
    ax = plot_time_to_convert(funnel_users)
    assert curve(ax, 0) == [(60, 0.25), (120, 0.5), (600, 0.75)]
    assert curve(ax, 1) == [(3600, 0.25), (86_400, 0.5)]


def test_the_median_is_a_dot_and_stands_beside_the_name(funnel_users):
    ax = plot_time_to_convert(funnel_users)
    assert legend(ax) == ["step 2: after 2 min", "step 3: after 12.5 h"]
    assert ax.lines[1].get_xdata().tolist() == [120]


def test_pending_users_are_left_out_of_the_curves_and_told(funnel_users):
    text = subtitle(plot_time_to_convert(funnel_users))
    assert "of 4 users who entered" in text
    assert "had less than the window yet: 1." in text


def test_whoever_is_not_settled_is_left_out_whether_converted_or_not_and_nobody_else(funnel_users):
    early = funnel_users.assign(settled=[True, True, False, True, False])
    assert "of 3 users who entered" in subtitle(plot_time_to_convert(early, step=2))


def test_one_pending_session_leaves_the_others_in():
    hours = pd.to_timedelta(np.arange(100), unit="h")
    entered = pd.Timestamp("2026-01-01T00:00Z") + hours
    users = [f"u{number}" for number in range(100)]
    later = pd.DatetimeIndex([entered[0] + pd.Timedelta(days=58)])
    events = pd.DataFrame(
        {
            "user_id": [*users, *users, "u0"],
            "session_id": [*users, *users, "u0"],
            "event": ["A"] * 100 + ["B"] * 101,
            "time": entered.append(entered + pd.Timedelta(minutes=5)).append(later),
        }
    )
    people = nu.funnel_users(events, ["A", "B"], window="session", as_of="2026-02-28")
    assert people["status"].value_counts().to_dict() == {"converted": 99, "pending": 1}
    assert "of 99 users who entered" in subtitle(plot_time_to_convert(people))


def test_spoiled_attempts_are_no_entries(funnel_users):
    spoiled = funnel_users.assign(depth=[0, 3, 3, 1, 2], status=["excluded", *funnel_users["status"][1:]])
    assert "of 3 users who entered" in subtitle(plot_time_to_convert(spoiled))


def test_each_segment_has_a_curve_at_the_last_step(funnel_users_segments):
    ax = plot_time_to_convert(funnel_users_segments)
    assert legend(ax) == ["free: after 1 d", "pro: after 1 h"]
    assert curve(ax, 0) == [(86_400, 0.5)]
    assert "Reached step 3 so long after" in subtitle(ax)


def test_segments_of_the_curves_have_the_colours_of_the_funnel(funnel_users):
    # Those with most entrants first, whoever entered first.
    people = pd.concat([funnel_users] * 2).assign(segment=["(none)", "pro", "free", "free", "x"] * 2)
    ax = plot_time_to_convert(people.assign(settled=True))
    assert [name.split(":")[0] for name in legend(ax)] == ["free", "pro", "x", "(none)"]
    drawn = [to_hex(one.get_color()).upper() for one in ax.get_legend().legend_handles]
    assert drawn == [*PALETTE[:3], NOBODY]


@pytest.mark.parametrize(("minutes", "ticks"), [(180, ["1 h", "6 h"]), (5, ["1 min", "10 min"])])
def test_times_between_two_ticks_have_both(funnel_users, minutes, ticks):
    near = funnel_users["entered_at"] + pd.to_timedelta([0, 1, 2, 3, 4], unit="min") + pd.Timedelta(minutes, "min")
    ax = plot_time_to_convert(funnel_users.assign(step_2=near), step=2)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks
    low, high = ax.get_xlim()
    assert all(low <= place <= high for place in ax.get_xticks())


def test_the_entry_is_nothing_to_convert_to(funnel_users):
    for table, step in ((funnel_users.drop(columns=["step_2", "step_3"]), None), (funnel_users, 1)):
        assert "nothing to convert to" in texts(plot_time_to_convert(table, step=step))[-1]


def test_a_step_that_nobody_reached_is_a_flat_curve(funnel_users):
    ax = plot_time_to_convert(funnel_users.assign(step_3=funnel_users["step_3"].where(funnel_users["depth"] > 3)))
    assert legend(ax)[1] == "step 3: nobody"


def test_many_users_make_no_more_points_than_there_are_pixels(funnel_users):
    many = pd.concat([funnel_users] * 4000, ignore_index=True)
    line = plot_time_to_convert(many, step=2).lines[0]
    assert len(line.get_xdata()) <= 2002
    assert line.get_ydata()[-1] == 0.75


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (0.25, "0.25 s"), (59, "59 s"), (90, "1.5 min"), (7200, "2 h"), (86_400 * 2.5, "2.5 d")],
)
def test_times_are_written_in_the_unit_in_which_they_are_small(seconds, written):
    assert duration(seconds) == written


def test_few_of_very_many_are_not_written_as_nobody():
    ax = plot_funnel(reached([1_000_000_000, 999_999_000, 90]))
    assert "90 · < 0.1 %" in texts(ax)
    assert "999,999,000 · > 99.9 %" in texts(ax)
