"""A report as a mail that any program shows: text, tables, pictures, and the page attached."""

from __future__ import annotations

import html
import re
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING

from nucleus_pandas.report.heatmap import SHADES
from nucleus_pandas.report.pictures import safe
from nucleus_pandas.report.table_cells import Cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucleus_pandas.report.section import Section

# What fits into a mail; the page has the rest.
_ROWS, _COLUMNS = 15, 10
_LOOK = "padding:3px 8px;border-bottom:1px solid #dddddd;vertical-align:top"
_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")


def make_mail(
    title: str, subtitle: str, sections: Sequence[Section], page: str, *, to: str, sender: str
) -> EmailMessage:
    """Make the mail; nothing is sent."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = title
    mail["From"] = _addresses("sender", sender, most=1)
    mail["To"] = _addresses("to", to)
    text = "\n\n".join([title, subtitle, *map(_text, sections)])
    mail.set_content("\n".join(map(safe, text.split("\n"))) + "\n")
    body = [f"<h1>{_escaped(title)}</h1>", f"<p>{_escaped(subtitle)}</p>"]
    body += [_html(section, number) for number, section in enumerate(sections, 1)]
    mail.add_alternative(
        f'<html><body style="font-family:sans-serif;max-width:800px;line-height:1.4">{"".join(body)}</body></html>',
        subtype="html",
    )
    page_part = mail.get_payload()[1]  # type: ignore[index]
    for number, section in enumerate(sections, 1):
        if section.png is not None:
            page_part.add_related(  # type: ignore[union-attr]
                section.png(), "image", "png", cid=f"<{_cid(number)}>", filename=f"picture-{number}.png"
            )
    mail.add_attachment(page, subtype="html", filename="report.html")
    return mail


def _addresses(name: str, given: str, most: int | None = None) -> str:
    found = [part.strip() for part in given.split(",")] if isinstance(given, str) else []
    if not found or not all(map(_ADDRESS.fullmatch, found)) or (most and len(found) > most):
        several = "" if most == 1 else ", several separated by commas"
        raise ValueError(f'{name} must be an address such as "team@example.com", but no name{several}; this is none.')
    return ", ".join(found)


def _cid(number: int) -> str:
    return f"picture-{number}@report"


def _text(section: Section) -> str:
    parts = [section.heading, "-" * len(section.heading), *section.paragraphs]
    parts += [f"{card.name}: {card.value} ({card.change}){card.note and f'. {card.note}'}" for card in section.cards]
    if section.png:
        parts.append("(A picture; see the attached page.)")
    elif section.cells is not None:
        cells = _cut(section.cells)
        rows = [cells.names, *cells.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(f"{value:{width}}" for value, width in zip(row, widths, strict=True)) for row in rows]
        parts += [*map(str.rstrip, lines), *_rest(cells)]
    return "\n".join([*parts, section.note]).rstrip()


def _html(section: Section, number: int) -> str:
    parts = [f"<h{section.level}>{_escaped(section.heading)}</h{section.level}>"]
    parts += [f"<p>{_escaped(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.cards:
        rows = [[card.name, card.value, card.change, card.note] for card in section.cards]
        parts.append(_table(Cells(["", "", "", ""], [False, True, False, False], rows)))
    if section.png:
        alt = _escaped(f"Picture: {section.heading}")
        parts.append(f'<img src="cid:{_cid(number)}" alt="{alt}" style="max-width:100%">')
    elif section.cells is not None:
        cells = _cut(section.cells)
        parts += [_table(cells), *(f"<p>{line}</p>" for line in _rest(cells))]
    if section.note:
        parts.append(f'<p style="color:#666666">{_escaped(section.note)}</p>')
    return "".join(parts)


def _escaped(text: str) -> str:
    return html.escape(safe(text))


def _cut(cells: Cells) -> Cells:
    return Cells(
        cells.names[:_COLUMNS],
        cells.numeric[:_COLUMNS],
        [row[:_COLUMNS] for row in cells.rows[:_ROWS]],
        cells.more_rows + len(cells.rows[_ROWS:]),
        cells.more_columns + len(cells.names[_COLUMNS:]),
        cells.shades and [row[:_COLUMNS] for row in cells.shades[:_ROWS]],
    )


def _rest(cells: Cells) -> list[str]:
    more = ((cells.more_rows, "rows"), (cells.more_columns, "columns"))
    return [f"{count:,} more {what}: see the attached page." for count, what in more if count]


def _table(cells: Cells) -> str:
    sides = ["right" if numeric else "left" for numeric in cells.numeric]

    def row(values: list[str], tag: str, shades: list[str]) -> str:
        made = (
            f'<{tag} style="{_LOOK};text-align:{side}{_shade(shade)}">{_escaped(value)}</{tag}>'
            for value, side, shade in zip(values, sides, shades, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    plain = [""] * len(cells.names)
    lines = [row(cells.names, "th", plain)] if any(cells.names) else []
    lines += [row(values, "td", cells.shades[at] if cells.shades else plain) for at, values in enumerate(cells.rows)]
    return f'<table style="border-collapse:collapse;font-size:14px">{"".join(lines)}</table>'


def _shade(name: str) -> str:
    """The colour of a heatmap's cell; mail programs know neither classes nor, all of them, a dark page."""
    found = re.match(r"s(\d+)", name)
    return f";background:{SHADES[int(found[1])][0]};color:#000000" if found else ""
