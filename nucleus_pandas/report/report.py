"""A report: headings with a table, a picture or text below each, as one page, one mail, one cell of a notebook."""

from __future__ import annotations

import html
import os
import re
import warnings
from dataclasses import replace
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from nucleus_pandas.core.files import full_path, write_private
from nucleus_pandas.plots.style import figures_for_page
from nucleus_pandas.report.heatmap import SHADES
from nucleus_pandas.report.mail import make_mail
from nucleus_pandas.report.pictures import DARK, png_of, safe, svg_of
from nucleus_pandas.report.section import Section
from nucleus_pandas.report.svg_minify import shared_styles
from nucleus_pandas.report.table_cells import MOST_COLUMNS, cells_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage

    from jinja2 import Template
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches: what fits on a page, and on a telephone, where text keeps its size.
_WIDE, _NARROW = 10.0, 3.6


class Report:
    """Tables, pictures and text, in one file that works offline.

    Parameters
    ----------
    title : str
        Heading of the whole.
    subtitle : str, optional
        A line below it: of what, from when to when, known until when.

    Notes
    -----
    The page asks nothing of anybody: no script, no font, no picture from elsewhere, and a Content-Security-Policy that
    forbids them. Pictures are SVG with text as text. It follows the reader's light or dark setting, and prints. The
    same content gives the same bytes.

    All text is shown as text, whatever it holds. Whoever gets the file can read all that was added: think of what you
    add, above all of ids and addresses of people.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> daily = nu.load_daily(app, "2026-09-01", "2026-10-31")
    >>> report = nu.Report("Two months", "made-up app, days in UTC")
    >>> report = report.add("Users and sessions", nu.plot_daily, data=daily)
    >>> report.add("The last days", daily.tail(7), note="Younger than 48 hours: still growing.")
    Report: Two months, 2 sections
    """

    def __init__(self, title: str, subtitle: str | None = None) -> None:
        self.title = _line("title", title)
        self.subtitle = "" if subtitle is None else _line("subtitle", subtitle)
        self.sections: list[Section] = []

    def __repr__(self) -> str:
        number = len(self.sections)
        return f"Report: {self.title}, {number} section{'' if number == 1 else 's'}"

    def add(
        self,
        heading: str,
        content: pd.DataFrame | Axes | Figure | Callable[[pd.DataFrame], Axes] | str,
        note: str | None = None,
        *,
        data: pd.DataFrame | None = None,
        numbers: pd.DataFrame | None = None,
        level: Literal[2, 3] = 2,
    ) -> Report:
        """Add a section; return the report, so that calls can be chained.

        Parameters
        ----------
        heading : str
            Its heading.
        content : DataFrame, Axes, Figure, plot function or str
            A table, of which up to 200 rows and 30 columns are shown; a picture as it is drawn now, all of its figure;
            a plot function of this library, which draws `data` twice, for wide and for narrow screens; or text, with
            paragraphs where a line is empty.
        note : str, optional
            A small line below: what the numbers mean, who is not in them.
        data : DataFrame, optional
            The table that a plot function draws; the numbers of a picture that is drawn already. They are unfolded
            below it, and are there for those who do not see it.
        numbers : DataFrame, optional
            What is unfolded in place of `data`, such as its last rows.
        level : {2, 3}, default 2
            3 puts the section below the one before it.

        Returns
        -------
        Report
            This one.

        Raises
        ------
        TypeError
            For content of another type, for data without a picture, and for a plot function without data.
        ValueError
            For another level, or one of 3 where nothing stands above.
        """
        if level not in (2, 3) or (level == 3 and not self.sections):
            raise ValueError(f"level={level!r}: write 2, or 3 below a section of level 2.")
        section = Section(_line("heading", heading), "" if note is None else _line("note", note), level)
        for name, table in (("data", data), ("numbers", numbers)):
            if table is not None and not isinstance(table, pd.DataFrame):
                raise TypeError(
                    f"{name} is of type {type(table).__name__}; pass the DataFrame whose numbers are drawn."
                )
        if isinstance(content, pd.DataFrame | str):
            if data is not None or numbers is not None:
                raise TypeError(
                    "data are the numbers of a picture: pass an Axes, a Figure or a plot function as content, or leave "
                    "data out."
                )
            section = _written(section, content)
        else:
            with warnings.catch_warnings():
                # Text stays text, and is written in a font of the reader's.
                warnings.filterwarnings("ignore", message="Glyph .* missing from")
                section = self._pictured(section, content, data, numbers)
        self.sections.append(section)
        return self

    def to_html(self) -> str:
        """Give the page as text."""
        return self._page_at("")

    def _page_at(self, address: str) -> str:
        """Give the page that will stand at an address, which its links to its own sections begin with."""
        looks, pictures = shared_styles([text for one in self.sections for text in (one.svg, one.narrow)])
        pairs = zip(pictures[::2], pictures[1::2], strict=True)
        shown = [replace(one, svg=svg, narrow=small) for one, (svg, small) in zip(self.sections, pairs, strict=True)]
        content = {
            "title": self.title,
            "subtitle": self.subtitle,
            "sections": shown,
            "looks": looks,
            "address": address,
        }
        return _page().render(**content, dark=DARK, shades=SHADES, most_columns=MOST_COLUMNS)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, replacing one that is there; return its path.

        Only your account can read the file (mode 0600): change its mode to share it.

        Raises
        ------
        ValueError
            If the name does not end in .html.
        FileNotFoundError
            If the folder does not exist.
        OSError
            If the file cannot be written, for example on a full disk; the file that was there is kept.
        """
        target = check_page(path)
        write_private(target, self.to_html())
        return target

    def to_eml(self, to: str, sender: str) -> EmailMessage:
        """Make a mail of it, which is not sent: text, a short page with pictures, and the whole report attached.

        Parameters
        ----------
        to, sender : str
            Addresses, several of `to` separated by commas.

        Returns
        -------
        email.message.EmailMessage
            ``Path("week.eml").write_bytes(mail.as_bytes())`` gives a file that mail programs open, with the
            permissions that your umask leaves;
            ``smtplib.SMTP(…).send_message(mail)`` would send it. Its tables are cut after 15 rows and 10 columns.

        Raises
        ------
        ValueError
            For what is no address.
        """
        return make_mail(self.title, self.subtitle, self.sections, self.to_html(), to=to, sender=sender)

    def _repr_html_(self) -> str:
        # There, a link to nothing but a section is one to the notebook's own page.
        page = html.escape(self._page_at("about:srcdoc"))
        return (
            f'<iframe title="{html.escape(self.title)}" sandbox="allow-same-origin" srcdoc="{page}" '
            'style="width:100%;height:40rem;border:1px solid #ccc"></iframe>'
        )

    def _pictured(
        self, section: Section, content: Any, data: pd.DataFrame | None, numbers: pd.DataFrame | None
    ) -> Section:
        shown = data if numbers is None else numbers
        if (figure := _figure_of(content)) is not None:
            return self._picture(section, figure, None, shown)
        if not callable(content):
            raise TypeError(
                f"content is of type {type(content).__name__}; pass a DataFrame, an Axes or a Figure of Matplotlib, a "
                "plot function, or text."
            )
        if data is None:
            raise TypeError(
                "a plot function draws data: pass the table, report.add(heading, nu.plot_daily, data=daily)."
            )
        wide, narrow = (_drawn(content, data, widest) for widest in (_WIDE, _NARROW))
        return self._picture(section, wide, narrow if narrow.get_figwidth() <= _NARROW else None, shown)

    def _picture(self, section: Section, figure: Figure, narrow: Figure | None, data: pd.DataFrame | None) -> Section:
        axes = figure.axes
        title = next((text for ax in axes if (text := ax.get_title(loc="left") or ax.get_title())), section.heading)
        labels = [text for ax in axes for text in (ax.get_xlabel(), ax.get_ylabel()) if text]
        described = f"A chart. Axes: {', '.join(dict.fromkeys(labels))}." if labels else "A chart."
        number = len(self.sections) + 1
        named = {"title": safe(" ".join(title.split())), "description": safe(described)}
        svg = svg_of(figure, prefix=f"p{number}", look="picture", **named)
        small = "" if narrow is None else svg_of(narrow, prefix=f"n{number}", look="picture narrow", **named)
        cells = None if data is None else cells_of(data)
        # The reader's own figure may change after this; ours does not, and only a mail needs it as PNG.
        made = partial(png_of, figure) if narrow is not None else partial(bytes, png_of(figure))
        return replace(section, svg=svg, narrow=small, png=made, cells=cells)


@cache
def _page() -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, finalize=_shown, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    text = resources.files("nucleus_pandas.report").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def _shown(value: object) -> object:
    """Text as it can be shown, wherever it came from; markup is a type of its own."""
    return safe(value) if type(value) is str else value


def check_page(path: str | os.PathLike[str]) -> Path:
    """Give the place of a page, or raise where none can be written."""
    target = full_path("path", path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"A report is a page: name the file {target.with_suffix('.html').name}.")
    if target.parent.exists() and not target.parent.is_dir():
        raise ValueError(f"{target.parent} is a file, not a folder. Name a file in a folder.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder {target.parent} does not exist. Make it, then save again.")
    return target


def _written(section: Section, content: pd.DataFrame | str) -> Section:
    """Give the section with a table or with text."""
    if isinstance(content, pd.DataFrame):
        return replace(section, cells=cells_of(content))
    return replace(section, paragraphs=[_plain(part) for part in re.split(r"\n\s*\n", content) if part.strip()])


def _drawn(plot: Callable[[pd.DataFrame], Axes], table: pd.DataFrame, widest: float) -> Figure:
    with figures_for_page(widest):
        figure = _figure_of(plot(table))
    if figure is None:
        raise TypeError("the plot function gives no Axes; pass one such as nu.plot_daily.")
    return figure


def _figure_of(content: Any) -> Figure | None:
    """The figure of an Axes, or itself; None for what is neither."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    # The figure of a part of a figure is the whole one.
    figure: Any = content.figure if isinstance(content, Axes) else content
    figure = getattr(figure, "figure", None)
    return figure if isinstance(figure, Figure) else None


def _line(name: str, text: object) -> str:
    """Check a text that stands on one line."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is of type {type(text).__name__}; write a text.")
    if name != "note" and not text.strip():
        raise ValueError(f"{name} is empty; write a text.")
    return _plain(text)


def _plain(text: str) -> str:
    return safe(" ".join(text.split()))
