"""Scale a decoded picture, convert it to sRGB and turn it upright, part by part: only the result is held beside it."""

from math import ceil, floor

from PIL import Image

from dropreel.adapters.imaging.color import SrgbConversion, to_scalable
from dropreel.adapters.imaging.decoding import Box, Decoded

STRIP_PIXELS = 1_000_000
"""How many pixels of the original are worked on at once; four times as many where it is scaled, as strips then overlap."""
BLOCKS = 6
"""A sample has so many blocks across and down."""
_LANCZOS_SUPPORT = 3
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of each Exif orientation upright."""


class Rendering:
    """A decoded picture in any size. `transparent`: any of its pixels has an alpha below 255; else alpha is left out."""

    def __init__(self, picture: Decoded) -> None:
        self._picture = picture
        self.size = picture.size
        self.transparent = _has_transparent_pixels(picture)
        pixel = self._samples((0, 0, 1, 1))
        self._conversion = SrgbConversion(picture.profile, pixel.mode)
        self._mode = self._conversion.to_srgb(pixel.copy()).mode
        self._keeps_samples = self._mode == pixel.mode and not self._conversion.changes_colors

    @property
    def changes_colors(self) -> bool:
        """Whether the picture's profile is used and is not sRGB's."""
        return self._conversion.changes_colors

    def upright(self, size: tuple[int, int]) -> Image.Image:
        """Return the picture in this size, which is that before it is turned upright."""
        picture, (width, height) = self._picture, size
        if picture.image is not None and size == self.size and picture.orientation == 1 and self._keeps_samples:
            return self._scalable(picture.image)
        method = _TRANSPOSES.get(picture.orientation)
        rendered = Image.new(self._mode, (height, width) if picture.orientation >= 5 else size, None)
        pixels = STRIP_PIXELS if size == self.size else 4 * STRIP_PIXELS
        rows = max(1, pixels * height // (self.size[0] * self.size[1]))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            strip = self._part(size, (0, top, width, bottom))
            if method is not None:
                strip = strip.transpose(method)
            start = height - bottom if picture.orientation in (3, 4, 6, 7) else top
            rendered.paste(strip, (start, 0) if picture.orientation >= 5 else (0, start))
        return rendered

    def sample(self, size: tuple[int, int], pixels: int) -> Image.Image:
        """Return about so many pixels of the picture in this size, as blocks from all over it. They are not turned upright."""
        width, height = size
        across, down = min(BLOCKS, ceil(width / 16)), min(BLOCKS, ceil(height / 16))
        side = max(16, round((pixels / (across * down)) ** 0.5) // 16 * 16)
        block_width, block_height = min(side, width // across), min(side, height // down)
        sampled = Image.new(self._mode, (across * block_width, down * block_height), None)
        for row in range(down):
            for column in range(across):
                left = (width - block_width) * column // max(1, across - 1)
                top = (height - block_height) * row // max(1, down - 1)
                block = self._part(size, (left, top, left + block_width, top + block_height))
                sampled.paste(block, (column * block_width, row * block_height))
        return sampled

    def _part(self, size: tuple[int, int], box: Box) -> Image.Image:
        """Return this part of the picture in this size."""
        if size == self.size:
            return self._conversion.to_srgb(self._samples(box))
        across, down = self.size[0] / size[0], self.size[1] / size[1]
        left, top, right, bottom = box[0] * across, box[1] * down, box[2] * across, box[3] * down
        # The filter reads beyond the part, as far as its support.
        beyond_across, beyond_down = _LANCZOS_SUPPORT * max(1, across) + 1, _LANCZOS_SUPPORT * max(1, down) + 1
        first, last = max(0, floor(left - beyond_across)), min(self.size[0], ceil(right + beyond_across))
        upper, lower = max(0, floor(top - beyond_down)), min(self.size[1], ceil(bottom + beyond_down))
        samples = self._samples((first, upper, last, lower))
        inside = left - first, top - upper, min(right - first, samples.width), min(bottom - upper, samples.height)
        target = box[2] - box[0], box[3] - box[1]
        return self._conversion.to_srgb(samples.resize(target, Image.Resampling.LANCZOS, box=inside))

    def _samples(self, box: Box) -> Image.Image:
        return self._scalable(self._picture.crop(box))

    def _scalable(self, part: Image.Image) -> Image.Image:
        picture = self._picture
        return to_scalable(part, picture.levels, inverted=picture.inverted, opaque=not self.transparent)


def _has_transparent_pixels(picture: Decoded) -> bool:
    """Return whether any pixel has an alpha below 255. A BMP whose alpha is 0 everywhere does not use it."""
    width, height = picture.size
    if not picture.crop((0, 0, 1, 1)).has_transparency_data:
        return False
    rows = max(1, STRIP_PIXELS // width)
    below_255 = above_0 = False
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        if strip.mode not in ("RGBA", "LA"):
            strip = strip.convert("RGBA")
        counts = strip.getchannel("A").histogram()
        below_255, above_0 = below_255 or any(counts[:255]), above_0 or any(counts[1:])
        if below_255 and (above_0 or picture.format != "BMP"):
            return True
    return False
