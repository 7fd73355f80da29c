"""What comes before or after an event, as flows between the events of each step."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import bidirectional

from nucleus_pandas.core.text import OTHER, counted, percent
from nucleus_pandas.plots import style
from nucleus_pandas.plots.narrow import is_narrow
from nucleus_pandas.plots.series import floats, names_of
from nucleus_pandas.plots.shares import NOBODY, sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TITLE = "Paths"
_ENDS = ("(entry)", "(exit)")
# What is no event of its own stands below the events.
_ORDER = {OTHER: 1, **dict.fromkeys(_ENDS, 2)}
_BEYOND = "#8CA6C0"  # names beyond the colours
# Widths, where a step is 1: a block, the last column with its names, and what a name may take.
_NODE, _LAST, _ROOM = 0.05, 0.9, 0.85
_SMALLEST_TEXT = 3.5
_COLUMN, _WIDEST = 1.8, 40.0  # inches


def plot_paths(paths: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many users went from which event to which.

    Parameters
    ----------
    paths : DataFrame
        The table of `paths`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made, as wide as the steps need.

    Returns
    -------
    matplotlib Axes
        With a column a step and in it a block an event, as high as the users who were there, in per cent of all
        paths; bands lead from each block to those that followed. ``(other)``, the events beyond `top`, is grey, the
        end of a path lighter.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `paths` is no DataFrame.

    Notes
    -----
    An event has the same colour in all columns; the eight with most users have one of their own. Names are shown as
    they are, long ones cut in the middle, characters that cannot be printed as U+FFFD.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(40)
    >>> log = nu.load_session_events(app, nu.load_sessions(app, users).head(40))
    >>> ax = nu.plot_paths(nu.paths(log, "PROJECT_CREATED", steps=3, top=5))
    """
    paths = checked_table(
        paths,
        plot="plot_paths",
        maker="paths",
        places=["step"],
        texts=["source", "target"],
        counts=["users", "pending"],
        numbers=["share", "sample"],
    )
    table = paths.assign(source=names_of(paths, "source"), target=names_of(paths, "target"), n=floats(paths["users"]))
    table = table[table["n"] > 0]
    # A step n > 0 leads to the n-th event after the start, a step n < 0 from the n-th event before the end.
    table = table.assign(place=table["step"] - (table["step"] > 0)).sort_values("step", kind="stable")
    columns = 1 + table["place"].nunique()
    ax = style.axes_for(ax, height=5.5, width=min(_WIDEST, max(9.0, _COLUMN * columns)))
    if table.empty:
        return style.no_data(ax, TITLE)
    size, gap = _text_size(ax, table)
    blocks = _blocks(table, gap)
    colors = _colors(blocks)
    _draw_blocks(ax, blocks, colors)
    _draw_bands(ax, table, blocks, colors)
    _write_names(ax, blocks, size)
    first, last = min(place for place, _ in blocks), max(place for place, _ in blocks)
    style.finish_axes(ax, x="events before" if first < 0 else "events after", y="", grid=None)
    ax.set_xticks(range(first, last + 1), [f"{abs(place)}" for place in range(first, last + 1)])
    ax.set_yticks([])
    ax.set_xlim(first - _NODE, last + _LAST)
    ax.set_ylim(1.0, -0.02)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    style.set_titles(ax, *_titles(table, style.name_width(ax), backwards=first < 0))
    return style.fit(ax)


class _Block(NamedTuple):
    """An event in one column: users, their share of all paths, and where it stands, counted from above."""

    users: float
    share: float
    top: float
    height: float


Blocks = dict[tuple[int, str], _Block]


def _users(table: pd.DataFrame) -> dict[tuple[int, str], float]:
    """Count the users at each event of each column: who came from the column before or went on to the next."""
    came: dict[tuple[int, str], float] = {}
    went: dict[tuple[int, str], float] = {}
    for place, source, target, users in zip(*(table[c] for c in ("place", "source", "target", "n")), strict=True):
        went[place, source] = went.get((place, source), 0.0) + users
        came[place + 1, target] = came.get((place + 1, target), 0.0) + users
    return {key: max(came.get(key, 0.0), went.get(key, 0.0)) for key in {**went, **came}}


def _text_size(ax: Axes, table: pd.DataFrame) -> tuple[float, float]:
    """Give the size of the names in points, and the room of one in parts of the height."""
    width, height = style.inches(ax)
    users = _users(table)
    columns = Counter(place for place, _ in users)
    across = 72 * width / (len(columns) - 1 + _LAST) * _ROOM / (0.55 * 18)
    size = max(_SMALLEST_TEXT, min(style.small(), max(5.0, across), 0.4 * 72 * height / max(columns.values())))
    lines = 1
    if is_narrow(ax):
        size, lines = style.small(), 2
    return size, min(1.25 * lines * size / (72 * height), 0.6 / max(columns.values()))


def _blocks(table: pd.DataFrame, gap: float) -> Blocks:
    """Stack the events of each column, those with most users on top, what is no event at the bottom."""
    total = table["n"].sum() / table["share"].sum() if table["share"].sum() > 0 else table["n"].max()
    users = _users(table)
    most = max(Counter(place for place, _ in users).values())
    below: dict[int, float] = {}
    blocks: Blocks = {}
    for place, name in sorted(users, key=lambda key: (key[0], _ORDER.get(key[1], 0), -users[key], key[1])):
        height = users[place, name] / total * (1 - most * gap)
        top = below.get(place, 0.0) + gap / 2
        blocks[place, name] = _Block(users[place, name], round(users[place, name] / total, 9), top, height)
        below[place] = top + height + gap / 2
    return blocks


def _colors(blocks: Blocks) -> dict[str, str]:
    """Give each name its colour: the palette to those with most users over all columns."""
    totals: Counter[str] = Counter()
    for (_, name), block in blocks.items():
        totals[name] += int(block.users)
    ranked = [name for name in sorted(totals, key=lambda name: (-totals[name], name)) if name not in _ORDER]
    colors = {name: style.PALETTE[i] if i < len(style.PALETTE) else _BEYOND for i, name in enumerate(ranked)}
    return colors | {OTHER: style.REST} | dict.fromkeys(_ENDS, NOBODY)


def _draw_blocks(ax: Axes, blocks: Blocks, colors: dict[str, str]) -> None:
    for (place, name), block in blocks.items():
        ax.bar(place, block.height, _NODE, bottom=block.top, color=colors[name], linewidth=0, zorder=2)


def _draw_bands(ax: Axes, table: pd.DataFrame, blocks: Blocks, colors: dict[str, str]) -> None:
    """Lead a band from block to block for each row, in the order in which the blocks stand."""
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_rgba
    from matplotlib.path import Path

    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    rows = list(zip(*(table[c].tolist() for c in ("place", "source", "target", "n")), strict=True))
    rows.sort(key=lambda row: (row[0], blocks[row[0], row[1]].top, blocks[row[0] + 1, row[2]].top))
    out: dict[tuple[int, str], float] = {}
    into: dict[tuple[int, str], float] = {}
    bands, faces = [], []
    for place, source, target, users in rows:
        (left, right), thick = ((place, source), (place + 1, target)), 0.0
        start, end = blocks[left], blocks[right]
        thick = users / start.users * start.height
        y0, y1 = out.setdefault(left, start.top), into.setdefault(right, end.top)
        out[left], into[right] = y0 + thick, y1 + thick
        x0, x1 = place + _NODE / 2, place + 1 - _NODE / 2
        middle = (x0 + x1) / 2
        there = [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
        back = [(x1, y1 + thick), (middle, y1 + thick), (middle, y0 + thick), (x0, y0 + thick)]
        bands.append(Path([*there, *back, (x0, y0)], codes))
        faces.append(to_rgba(colors[target if target in _ENDS else source], 0.28))
    ax.add_collection(PathCollection(bands, facecolors=faces, linewidths=0, zorder=1))


def _write_names(ax: Axes, blocks: Blocks, size: float) -> None:
    """Write the name of each block to its right, with its share of all paths.

    The share stands in a second line on a narrow Axes, and where it would jump into a name that is read from the right.
    """
    columns = len({place for place, _ in blocks})
    room = 72 * style.inches(ax)[0] / (columns - 1 + _LAST) * _ROOM / (0.55 * size)
    for (place, name), block in blocks.items():
        share = percent(block.share)
        below = is_narrow(ax) or any(bidirectional(letter) in ("R", "AL") for letter in name)
        beside, gap = (0, "\n") if below else (len(share) + 1, " ")
        text = f"{style.plain(name, max(5 + is_narrow(ax), min(40, int(room) - beside)))}{gap}{share}"
        x, y = place + _NODE / 2, block.top + block.height / 2
        ax.annotate(
            text,
            (x, y),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            linespacing=1.05,
            **style.PLAIN,
        )


def _titles(table: pd.DataFrame, width: int, *, backwards: bool) -> list[str]:
    """Name the event, and say what is counted."""
    near = table[table["step"] == (-1 if backwards else 1)]
    name = style.plain(near["target" if backwards else "source"].iloc[0], width) if len(near) else "an event"
    total, pending = near["n"].sum(), floats(table["pending"]).max(initial=0)
    return [
        f"Paths {'before' if backwards else 'after'} {name}",
        f"One path a user, {counted(int(total), 'user')}; in per cent of them.",
        "Repeats of an event in a row count once.",
        f"Left out, as their path was not over yet: {pending:,.0f}." if pending > 0 else "",
        sample_note(table),
    ]
