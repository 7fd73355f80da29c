"""From a figure to what a page can hold: an SVG without ids of its own, and a PNG."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from nucleus_pandas.plots.style import plain
from nucleus_pandas.report.svg_minify import flattened, shorter_path, styles_of_uses
from nucleus_pandas.report.text_contrast import colors_kept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_LINK}}}href"
# All that Matplotlib draws with. Links, scripts and what it tells about itself are not among them.
_ELEMENTS = {"svg", "g", "defs", "path", "use", "clipPath", "rect", "text", "tspan", "image", "pattern", "circle"}
_ELEMENTS |= {"linearGradient", "stop", "ellipse", "line", "polyline", "polygon", "mask", "filter", "feColorMatrix"}
_ATTRIBUTES = {"d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "points", "style"}
_ATTRIBUTES |= {"viewBox", "transform", "clip-path", "patternUnits", "patternTransform", "gradientUnits", "offset"}
_ATTRIBUTES |= {"preserveAspectRatio", "id", "filter", "mask"}
# What a style says too, and says last.
_LOOKS = ("fill", "stroke", "stroke-width", "opacity")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_COLOR = re.compile(r"#[0-9a-f]{6}\b")

#: Colours of the house on white, and what stands for each of them on a dark page; the rest stays as it is drawn.
DARK: Final = {
    "#ffffff": "#16181d",
    "#000000": "#f2f2f2",
    "#666666": "#b4b4b4",
    "#5f5f5f": "#9da1a3",
    "#4d4d4d": "#c2c2c2",
    "#e6e6e6": "#33363d",
    "#ebebeb": "#2a2d33",
    "#bfbfbf": "#5a5f69",
    "#cccccc": "#4a4e57",
    "#b5b5b5": "#70747d",
    # The colours of the house: apart from each other for colour-blind readers as on white, see `plots.style`.
    "#0072b2": "#3088e6",
    "#d55e00": "#ec3c00",
    "#009e73": "#50e998",
    "#cc79a7": "#935a99",
    "#661100": "#b56554",
    "#56b4e9": "#add1ff",
    "#e69f00": "#ffc30c",
}


def png_of(figure: Figure) -> bytes:
    """Give the picture for what knows no SVG, such as mail."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


def svg_of(figure: Figure, *, prefix: str, look: str, title: str, description: str) -> str:
    """Give the picture as an SVG element of a class: text is text, ids begin with `prefix`, nothing points outside."""
    import matplotlib as mpl

    file = io.StringIO()
    settings = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nucleus_pandas"})
    with settings, colors_kept(figure, DARK):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    root = ET.fromstring(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", file.getvalue()))  # noqa: S314 (our own)
    _strip(root)
    _rename(root, prefix)
    _shorten(root)
    # As large as it was made, in pixels instead of points; the page may show it in another size.
    del root.attrib["height"]
    root.set("width", f"{float(root.attrib['viewBox'].split()[2]) * 4 / 3:.0f}")
    root.attrib |= {"role": "img", "aria-labelledby": f"{prefix}-title {prefix}-desc", "class": look}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{prefix}-{tag}"})
        element.text = safe(text)
        root.insert(place, element)
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _strip(element: ET.Element) -> None:
    """Keep what draws, in as few characters as show the same."""
    for child in list(element):
        if _tag(child) not in _ELEMENTS:
            element.remove(child)
            # A linked part of the picture stays, without its link.
            for drawn in child if _tag(child) == "a" else ():
                element.append(drawn)
    for child in element:
        _strip(child)
    element.text = safe(element.text or "") if _tag(element) in ("text", "tspan") else None
    element.tail = None
    looks = [f"{name}:{element.attrib.pop(name)}" for name in _LOOKS if name in element.attrib]
    if looks:
        element.set("style", ";".join([*looks, element.get("style", "")]))
    kept = {}
    for name, value in element.attrib.items():
        if name == _HREF and (value.startswith("#") or (_tag(element) == "image" and value.startswith("data:image/"))):
            kept[name] = value
        elif name in _ATTRIBUTES and not (name == "transform" and value.startswith("rotate(-0 ")):
            kept[name] = _styled(value) if name == "style" else value if name == "id" else _rounded(name, value)
    element.attrib.clear()
    element.attrib.update(kept)


def _shorten(root: ET.Element) -> None:
    styles_of_uses(root, f"{{{_SVG}}}", _HREF)
    flattened(root, f"{{{_SVG}}}")
    for element in root.iter():
        if "d" in element.attrib:
            # Shapes that are pointed at are small.
            element.set("d", shorter_path(element.attrib["d"], digits=2 if "id" in element.attrib else 1))
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))


def safe(text: str) -> str:
    """Give text without what cannot be shown, or turns around what follows."""
    return plain(text, max(len(text), 1)) if text.strip() else ""


def _tag(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{_SVG}}}")


def _rounded(name: str, value: str) -> str:
    digits = 1 if name in ("x", "y", "width", "height") else 2
    return _NUMBER.sub(lambda found: f"{float(found[0]):.{digits}f}".rstrip("0").rstrip("."), value).replace("\n", "")


def _styled(value: str) -> str:
    """One font for all, and the colours of the house by name, so that a dark page can have others."""
    parts = [re.sub(r"\s*:\s*", ":", part.strip(), count=1) for part in value.split(";") if part.strip()]
    # The font is that of the page.
    parts = [re.sub("'.*", "system-ui,sans-serif", part) for part in parts if not part.startswith("font-family")]
    return _COLOR.sub(lambda found: _named(found[0]), _rounded("style", ";".join(parts)))


def _named(color: str) -> str:
    return f"var(--c{color[1:]})" if color in DARK else color


def _rename(root: ET.Element, prefix: str) -> None:
    """Give new ids to what is pointed at, and none to the rest."""
    texts = [value for element in root.iter() for value in element.attrib.values()]
    pointed = [found for text in texts for found in _REFERENCE.findall(text)]
    pointed += [element.attrib[_HREF][1:] for element in root.iter() if element.get(_HREF, "").startswith("#")]
    new = {old: f"{prefix}-{number}" for number, old in enumerate(dict.fromkeys(pointed), 1)}
    for element in root.iter():
        old = element.attrib.pop("id", None)
        for name, value in element.attrib.items():
            if name == _HREF and value.startswith("#"):
                element.set(name, f"#{new[value[1:]]}")
            else:
                element.set(name, _REFERENCE.sub(lambda found: f"url(#{new[found[1]]})", value))
        if old in new:
            element.set("id", new[old])
