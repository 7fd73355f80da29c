"""What is drawn below a text: on a fill that a dark page leaves as it is, the text must stay as it is, too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection as Colors
    from collections.abc import Iterator

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# A fill that is paler than that shows the page.
_SEEN_THROUGH = 0.5


@contextmanager
def colors_kept(figure: Figure, changing: Colors[str]) -> Iterator[None]:
    """Within it, texts on fills whose colour does not change have colours that do not change.

    They are one step of blue beside the ones that do, which nobody sees.
    """
    from matplotlib.colors import to_hex

    figure.draw_without_rendering()
    before = [
        (text, text.get_color())
        for ax in figure.axes
        for text in _on_what_stays(ax, changing)
        if to_hex(text.get_color()) in changing
    ]
    for text, color in before:
        text.set_color(f"#{int(to_hex(color)[1:], 16) ^ 1:06x}")
    try:
        yield
    finally:
        for text, color in before:
            text.set_color(color)


def _on_what_stays(ax: Axes, changing: Colors[str]) -> list[Text]:
    filled = [one for one in reversed(ax.get_children()) if _is_filled(one) and one is not ax.patch]
    filled.sort(key=lambda one: -one.get_zorder())
    return [text for text in ax.texts if filled and _ground(text, filled) not in {None, *changing}]


def _is_filled(artist: Artist) -> bool:
    from matplotlib.collections import Collection
    from matplotlib.image import AxesImage
    from matplotlib.patches import Patch

    return isinstance(artist, Patch | Collection | AxesImage) and artist.get_visible()


def _ground(text: Text, filled: list[Artist]) -> str | None:
    """The colour of the topmost fill below the middle of a text, something else for an image, None for the page."""
    from matplotlib.backend_bases import MouseEvent

    box = text.get_window_extent()
    canvas: Any = text.figure and text.figure.canvas
    place = MouseEvent("motion_notify_event", canvas, (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    for artist in filled:
        hit, found = artist.contains(place)
        if hit and (color := _fill(artist, found)) is not None:
            return color
    return None


def _fill(artist: Any, found: dict[str, Any]) -> str | None:
    """What an artist is filled with where it was found; None where the page is seen through it."""
    from matplotlib.colors import to_hex
    from matplotlib.image import AxesImage

    if isinstance(artist, AxesImage):
        return "image"
    colors = np.atleast_2d(artist.get_facecolor())
    if not len(colors):
        return None
    color = colors[found["ind"][0] % len(colors) if len(colors) > 1 else 0]
    return to_hex(color[:3]) if color[3] >= _SEEN_THROUGH else None
