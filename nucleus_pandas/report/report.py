"""A report: headings with a table, a picture or text below each, as one page, one mail, one cell of a notebook."""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nucleus_pandas.report.mail import make_mail
from nucleus_pandas.report.pictures import DARK, png_of, safe, svg_of
from nucleus_pandas.report.tables import Cells, cells_of

if TYPE_CHECKING:
    from email.message import EmailMessage

    from jinja2 import Template
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEADING = 200


@dataclass(frozen=True)
class Section:
    """What stands below one heading."""

    heading: str
    note: str
    paragraphs: list[str]
    svg: str
    png: bytes
    cells: Cells | None


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
    >>> report = report.add("Users and sessions", nu.plot_daily(daily), data=daily)
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
        content: pd.DataFrame | Axes | Figure | str,
        note: str | None = None,
        *,
        data: pd.DataFrame | None = None,
    ) -> Report:
        """Add a section; return the report, so that calls can be chained.

        Parameters
        ----------
        heading : str
            Its heading.
        content : DataFrame, Axes, Figure or str
            A table, of which up to 200 rows and 30 columns are shown; a picture as it is drawn now, all of its figure;
            or text, with paragraphs where a line is empty.
        note : str, optional
            A small line below: what the numbers mean, who is not in them.
        data : DataFrame, optional
            The numbers of a picture, to be unfolded below it, and for those who do not see it.

        Returns
        -------
        Report
            This one.

        Raises
        ------
        TypeError
            For content of another type, and for data without a picture.
        """
        heading, note = _line("heading", heading), "" if note is None else _line("note", note)
        if data is not None and not isinstance(data, pd.DataFrame):
            raise TypeError(f"data is of type {type(data).__name__}; pass the DataFrame whose numbers are drawn.")
        figure = _figure_of(content)
        if figure is not None:
            section = self._picture(heading, note, figure, data)
        elif data is not None:
            raise TypeError(
                "data are the numbers of a picture: pass an Axes or a Figure as content, or leave data out."
            )
        elif isinstance(content, pd.DataFrame):
            section = Section(heading, note, [], "", b"", cells_of(content))
        elif isinstance(content, str):
            paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", content) if part.strip()]
            section = Section(heading, note, [safe(part) for part in paragraphs], "", b"", None)
        else:
            raise TypeError(
                f"content is of type {type(content).__name__}; pass a DataFrame, an Axes or a Figure of Matplotlib, or "
                "text."
            )
        self.sections.append(section)
        return self

    def to_html(self) -> str:
        """Give the page as text."""
        return _page().render(title=self.title, subtitle=self.subtitle, sections=self.sections, dark=DARK)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, in place of one that is there; return its path.

        Raises
        ------
        ValueError
            If the name does not end in .html.
        FileNotFoundError
            If the folder does not exist.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"A report is a page: name the file {target.with_suffix('.html').name}.")
        if not target.parent.is_dir():
            raise FileNotFoundError(f"The folder {target.parent} does not exist. Make it, then save again.")
        # A reader never finds half a page, nor is the last one lost where the disk is full.
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_text(self.to_html(), encoding="utf-8", newline="\n")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
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
            ``Path("week.eml").write_bytes(mail.as_bytes())`` gives a file that mail programs open;
            ``smtplib.SMTP(…).send_message(mail)`` would send it. Its tables are cut after 15 rows.

        Raises
        ------
        ValueError
            For what is no address.
        """
        return make_mail(self.title, self.subtitle, self.sections, self.to_html(), to=to, sender=sender)

    def _repr_html_(self) -> str:
        page = html.escape(self.to_html())
        return (
            f'<iframe title="{html.escape(self.title)}" sandbox="allow-same-origin" srcdoc="{page}" '
            'style="width:100%;height:40rem;border:1px solid #ccc"></iframe>'
        )

    def _picture(self, heading: str, note: str, figure: Figure, data: pd.DataFrame | None) -> Section:
        axes = figure.axes
        title = next((text for ax in axes if (text := ax.get_title(loc="left") or ax.get_title())), heading)
        labels = [text for ax in axes for text in (ax.get_xlabel(), ax.get_ylabel()) if text]
        described = f"A chart. Axes: {', '.join(dict.fromkeys(labels))}." if labels else "A chart."
        svg = svg_of(figure, prefix=f"p{len(self.sections) + 1}", title=safe(title), description=safe(described))
        return Section(heading, note, [], svg, png_of(figure), None if data is None else cells_of(data))


@cache
def _page() -> Template:
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    text = resources.files("nucleus_pandas.report").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(text)


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
    return safe(" ".join(text.split()))
