"""Draws docs/pictures/images.svg and docs/pictures/orientation.svg: `python -m docs.draw_images`.

The first shows which images are submitted as they are, prepared or rejected; reasons and limits come from the code. The
second shows a portrait photograph whose pixels lie on their side, as it would be sent and as it is prepared.
"""

from pathlib import Path
from xml.sax.saxutils import escape

from dropreel.domain.images import PrepareReason
from dropreel.media.images.preparation import MAX_ORIGINAL_BYTES, MAX_ORIGINAL_PIXELS
from dropreel.media.images.reader import MAX_PIXELS
from dropreel.provider.limits import MAX_IMAGE_BYTES

PICTURES = Path(__file__).with_name("pictures")

PREPARED = {
    PrepareReason.FORMAT: "HEIC, AVIF, TIFF, BMP, GIF",
    PrepareReason.SIZE: f"more than {MAX_IMAGE_BYTES:,} bytes",
    PrepareReason.PIXELS: f"more than {MAX_PIXELS:,} pixels",
    PrepareReason.ORIENTATION: "an Exif orientation of 2 to 8",
    PrepareReason.COLOR_PROFILE: "a color profile other than sRGB",
    PrepareReason.CMYK: "CMYK",
    PrepareReason.BIT_DEPTH: "16 bits a sample",
    PrepareReason.ANIMATED: "animated: its first frame",
}
"""Why an image is prepared, in the words of the picture."""
AS_IT_IS = ("JPG, PNG or WebP", f"at most {MAX_IMAGE_BYTES:,} bytes", f"at most {MAX_PIXELS:,} pixels", "upright")
AS_IT_IS += ("8 bits a sample, sRGB", "also transparent")
REJECTED = (
    f"more than {MAX_ORIGINAL_BYTES:,} bytes",
    f"more than {MAX_ORIGINAL_PIXELS:,} pixels",
    "cut or damaged",
    "raw files of cameras",
    "text, PDF, video, ...",
)
_LANES = (
    ("As it is", AS_IT_IS, ("The provider fetches the", "uploaded bytes."), "store"),
    ("Prepared", tuple(PREPARED.values()), ("The provider fetches a JPEG", "or PNG without metadata."), "step"),
    ("Rejected", REJECTED, ("reason.message says why.", "Nothing is spent."), "end"),
)

WIDTH = 800
_LANE_WIDTH, _LANE_STEP, _LANE_X = 244, 262, 16
_LANE_Y, _LINE = 60, 22
_STYLE = """\
  <style>
    .name { font-weight: 600; font-size: 14px; fill: #1f2933; text-anchor: middle }
    .item { fill: #1f2933; text-anchor: middle }
    .note { fill: #52606d; text-anchor: middle }
    .line { stroke: #52606d; stroke-width: 1.6; fill: none; marker-end: url(#head) }
    .store { fill: #e3f1e6; stroke: #5c8f69 }
    .step { fill: #fdefdc; stroke: #b9853c }
    .end { fill: #f9e3e1; stroke: #b5625a }
    .frame { fill: #ffffff; stroke: #8492a3 }
    rect { stroke-width: 1.4 }
  </style>
  <defs>
    <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0 0 L10 5 L0 10 z" fill="#52606d" />
    </marker>
  </defs>
"""


def _page(title: str, description: str, height: int, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title text" font-size="12"\n'
        "  font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif\">\n"
        f'  <title id="title">{escape(title)}</title>\n  <desc id="text">{escape(description)}</desc>\n{_STYLE}'
        f'  <rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="10" fill="#f8f9fb" stroke="#d3dae2" />\n'
        f"{content}</svg>\n"
    )


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'  <text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>\n'


def images_picture() -> str:
    """Return the SVG of the three ways."""
    rows = max(len(items) for _, items, _, _ in _LANES)
    box = _LINE * rows + 40
    end = _LANE_Y + box
    parts = [_text("item", WIDTH / 2, 26, "an image is uploaded")]
    for number, (name, items, ends, kind) in enumerate(_LANES):
        left = _LANE_X + number * _LANE_STEP
        middle = left + _LANE_WIDTH / 2
        parts.append(f'  <path class="line" d="M{WIDTH / 2 + (number - 1) * 60:g} 34 L{middle:g} {_LANE_Y - 3}" />\n')
        parts.append(
            f'  <rect class="{kind}" x="{left}" y="{_LANE_Y}" width="{_LANE_WIDTH}" height="{box}" rx="6" />\n'
        )
        parts.append(_text("name", middle, _LANE_Y + 24, name))
        parts += [_text("item", middle, _LANE_Y + 50 + row * _LINE, item) for row, item in enumerate(items)]
        parts.append(f'  <path class="line" d="M{middle:g} {end} V{end + 24}" />\n')
        parts += [_text("note", middle, end + 44 + row * 16, line) for row, line in enumerate(ends)]
    said = "; ".join(f"{name}: {', '.join(items)}. {' '.join(ends)}" for name, items, ends, _ in _LANES)
    return _page("Which images are submitted as they are, prepared or rejected", said, end + 78, "".join(parts))


def _scene(x: int, y: int, turn: int, width: int, height: int) -> str:
    """Return a portrait scene of 90 x 160 around a point, turned by degrees, behind a frame of this size."""
    shapes = (
        '<rect x="-45" y="-80" width="90" height="160" fill="#cfe3f5" />'
        '<circle cx="18" cy="-46" r="13" fill="#f4c95d" />'
        '<path d="M-45 22 L-14 -28 L10 8 L24 -10 L45 20 V80 H-45 z" fill="#8fae8b" />'
        '<path d="M-45 40 Q0 24 45 44 V80 H-45 z" fill="#5c8f69" />'
        '<rect x="-24" y="28" width="26" height="24" fill="#f8f9fb" />'
        '<path d="M-28 28 L-11 12 L6 28 z" fill="#b5625a" />'
        '<rect x="-15" y="38" width="9" height="14" fill="#7d6ba8" />'
    )
    return (
        f'  <g transform="translate({x} {y}) rotate({turn})">{shapes}</g>\n'
        f'  <rect x="{x - width // 2}" y="{y - height // 2}" width="{width}" height="{height}" fill="none" '
        'stroke="#52606d" />\n'
    )


def orientation_picture() -> str:
    """Return the SVG of a photograph with an Exif orientation: the file, its video as it is, its video when prepared."""
    panels = (
        ("The file", -90, 160, 90, ("pixels as the camera stored them,", "Exif orientation 6: turn to the right")),
        ("Sent as it is", -90, 160, 90, ("the provider may ignore Exif:", "a paid video that lies on its side")),
        ("Prepared", 0, 90, 160, ("pixels turned, no Exif:", "upright everywhere, aspect ratio 9:16")),
    )
    parts = []
    for number, (name, turn, width, height, lines) in enumerate(panels):
        x = 138 + number * _LANE_STEP
        parts.append(_text("name", x, 30, name))
        parts.append(_scene(x, 130, turn, width, height))
        parts += [_text("note", x, 236 + row * 16, line) for row, line in enumerate(lines)]
    said = "; ".join(f"{name}: {' '.join(lines)}" for name, *_, lines in panels)
    return _page("A portrait photograph with an Exif orientation", said, 272, "".join(parts))


DRAWN = {PICTURES / "images.svg": images_picture, PICTURES / "orientation.svg": orientation_picture}
"""What draws each picture."""

if __name__ == "__main__":
    for picture, draw in DRAWN.items():
        picture.write_text(draw(), encoding="utf-8")
