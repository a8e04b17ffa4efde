"""Convert a picture's samples to 8-bit gray, RGB or RGBA, and its colors to sRGB."""

from io import BytesIO

from PIL import Image, ImageCms

from dropreel.media.images.color_profile import has_too_many_elements, is_srgb_profile

MAX_PROFILE_BYTES = 16 * 1024 * 1024
"""The largest profile that is used. Those of printers have up to 4 MB."""
_SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK", "LAB": "Lab "}


class SrgbConversion:
    """Converts parts of one picture. A profile that cannot be used is ignored, as browsers do.

    The intent is relative colorimetric with black point compensation, as browsers and image editors have it: colors that
    sRGB has stay exact, and black stays black. Without a profile, CMYK is converted by Pillow's plain formula.
    """

    def __init__(self, profile: bytes | None, mode: str) -> None:
        """`mode` is that of the parts, of those that `to_scalable` returns."""
        self._scalable = mode
        self._transform: ImageCms.ImageCmsTransform | None = None
        self._output = {"L": "RGB", "LA": "RGB", "CMYK": "RGB", "LAB": "RGB"}.get(self._scalable, self._scalable)
        if self._scalable == "LAB" and not profile:
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        if profile and len(profile) <= MAX_PROFILE_BYTES and not has_too_many_elements(profile):
            self._transform = self._build(profile)
        self.changes_colors = self._transform is not None

    def to_srgb(self, part: Image.Image) -> Image.Image:
        """Return the part in mode L, LA, RGB or RGBA with the colors of sRGB. It may be changed itself."""
        if self._transform is None:
            return part.convert("RGB") if part.mode in ("CMYK", "LAB") else part
        alpha = None
        if part.mode == "LA":
            alpha = part.getchannel("A")
            part = part.getchannel("L")
        same = part.mode == self._output
        converted = self._transform.apply_in_place(part) if same else self._transform.apply(part)
        if alpha is not None:
            converted.putalpha(alpha)
        converted.info.clear()
        return converted

    def _build(self, profile: bytes) -> ImageCms.ImageCmsTransform | None:
        """Return the transform from this profile to sRGB, None where it is not needed or not possible."""
        try:
            gray = self._scalable in ("L", "LA")
            opened = ImageCms.ImageCmsProfile(BytesIO(profile))
            if opened.profile.xcolor_space != _SPACES[self._scalable]:
                return None
            if is_srgb_profile(profile, gray=gray) and self._scalable not in ("CMYK", "LAB"):
                return None
            source = "L" if gray else self._scalable
            transform = ImageCms.ImageCmsTransform(
                opened,
                ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
                source,
                self._output,
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
            return None
        return transform


def _scalable_mode(mode: str) -> str:
    """Return the mode that samples of this mode are converted to before they are scaled."""
    if mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        return mode
    if mode.startswith("I;16") or mode == "1":
        return "L"
    return {"La": "LA", "PA": "RGBA", "P": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB")


def to_scalable(part: Image.Image, levels: int = 65535, *, inverted: bool = False, opaque: bool = False) -> Image.Image:
    """Return the part in a mode that can be scaled: L, LA, RGB, RGBA, CMYK or LAB. `opaque`: without its alpha."""
    if part.mode.startswith("I;16"):
        factor = 255 / levels
        slope, base = (-factor, 255.5) if inverted else (factor, 0.5)
        part = part.convert("I").point(lambda sample: sample * slope + base).convert("L")
    if opaque:
        wanted = {"1": "L", "LA": "L", "La": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB", "RGBa": "RGB"}.get(
            part.mode, part.mode
        )
    elif part.has_transparency_data and part.mode not in ("LA", "RGBA"):
        wanted = {"L": "LA", "1": "LA", "La": "LA"}.get(part.mode, "RGBA")
    else:
        wanted = _scalable_mode(part.mode)
    return part if part.mode == wanted else part.convert(wanted)
