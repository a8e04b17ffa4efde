"""Renders an image as an MP4: H.264, and AAC if there is to be sound, with the requested shape and duration."""

import io
import math
import threading
from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .camera import Box, CameraMotion, motion_in, view, zoom_of
from .contract import AspectRatio, GenerationRequest, Mode

if TYPE_CHECKING:
    # Pillow and PyAV are imported where they are used, so that the simulator is up sooner.
    from av import AudioFrame, VideoFrame
    from av.container import OutputContainer
    from PIL import Image

FRAMES_PER_SECOND = 24

SIZES: dict[tuple[Mode, AspectRatio], tuple[int, int]] = {
    ("fast", "16:9"): (640, 360),
    ("fast", "9:16"): (360, 640),
    ("fast", "1:1"): (480, 480),
    ("hq", "16:9"): (1280, 720),
    ("hq", "9:16"): (720, 1280),
    ("hq", "1:1"): (960, 960),
}
"""Width and height of the video in pixels."""

_X264_OPTIONS: dict[Mode, dict[str, str]] = {
    "fast": {"preset": "superfast", "crf": "28"},
    "hq": {"preset": "veryfast", "crf": "18"},
}
_AUDIO_RATE = 48_000
_AUDIO_BITS_PER_SECOND = 64_000
_CHORD_HZ = (220.0, 277.18, 329.63)
_FADE_SECONDS = 0.5


class RenderingStopped(Exception):
    """Rendering was stopped before the end: the simulator shuts down or was reset."""


@dataclass(frozen=True)
class VideoPlan:
    """All that a video depends on except the image."""

    mode: Mode
    aspect_ratio: AspectRatio
    seconds: int
    sound: bool
    motion: CameraMotion
    cfg_scale: float

    @classmethod
    def of(cls, request: GenerationRequest) -> "VideoPlan":
        """The plan of a submission."""
        return cls(
            request.mode,
            request.aspect_ratio,
            request.seconds,
            request.sound,
            motion_in(request.prompt),
            request.cfg_scale,
        )


def render_video(
    image: bytes,
    plan: VideoPlan,
    destination: Path,
    stop: threading.Event,
    frames_per_second: int = FRAMES_PER_SECOND,
) -> None:
    """Writes the video of an image to a file. Raises RenderingStopped within a frame's time once `stop` is set."""
    import av

    zoom = zoom_of(plan.cfg_scale)
    size = SIZES[plan.mode, plan.aspect_ratio]
    picture = widest_view(image, (round(size[0] * zoom), round(size[1] * zoom)))
    with av.open(str(destination), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        _encode(container, picture, size, plan, zoom, stop, frames_per_second)


def _encode(
    container: "OutputContainer",
    picture: "Image.Image",
    size: tuple[int, int],
    plan: VideoPlan,
    zoom: float,
    stop: threading.Event,
    frames_per_second: int,
) -> None:
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    video = container.add_stream("libx264", rate=frames_per_second, options=_X264_OPTIONS[plan.mode])
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    # Without these tags a player guesses the colours from the size of the picture.
    video.codec_context.colorspace = int(Colorspace.ITU709)
    video.codec_context.color_range = int(ColorRange.MPEG)
    video.codec_context.color_primaries = int(ColorPrimaries.BT709)
    video.codec_context.color_trc = int(ColorTrc.BT709)
    audio = container.add_stream("aac", rate=_AUDIO_RATE, layout="mono") if plan.sound else None
    if audio is not None:
        audio.bit_rate = _AUDIO_BITS_PER_SECOND
        container.mux(audio.encode(_chord(plan.seconds)))
        container.mux(audio.encode(None))

    planes = _planes(picture)
    frames = plan.seconds * frames_per_second
    for number in range(frames):
        if stop.is_set():
            raise RenderingStopped
        box = view(plan.motion, number / (frames - 1), picture.width, picture.height, zoom)
        frame = _frame_seen(planes, size, box)
        frame.pts = number
        frame.time_base = Fraction(1, frames_per_second)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))


def _planes(picture: "Image.Image") -> list["Image.Image"]:
    """Luma and both chromas at full size: converted once, where each frame would otherwise be."""
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace
    from PIL import Image

    source = VideoFrame(picture.width, picture.height, "rgb24")
    source.planes[0].update(picture.tobytes("raw", "RGB", source.planes[0].line_size))
    frame = source.reformat(format="yuv444p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
    return [Image.frombytes("L", picture.size, bytes(plane), "raw", "L", plane.line_size) for plane in frame.planes]


def _frame_seen(planes: list["Image.Image"], size: tuple[int, int], box: Box) -> "VideoFrame":
    """What the camera sees, as yuv420p: chroma at half the size."""
    from av import VideoFrame
    from PIL import Image

    frame = VideoFrame(*size, "yuv420p")
    for plane, target in zip(planes, frame.planes, strict=True):
        # A box of fractions of a pixel keeps the motion smooth; bilinear takes half the time of bicubic.
        seen = plane.resize((target.width, target.height), Image.Resampling.BILINEAR, box=box)
        target.update(seen.tobytes("raw", "L", target.line_size))
    return frame


def widest_view(content: bytes, size: tuple[int, int]) -> "Image.Image":
    """The stored pixels in RGB, cut around their middle to fill the size: the widest view that the camera has.

    The provider does not say whether it honours an Exif orientation or a colour profile. This is the worst case: neither
    counts, so that what is sent with one looks wrong in the video.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
        stored = _rgb(image)
    return ImageOps.fit(stored, size, Image.Resampling.LANCZOS)


def _rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow would clip 16-bit grey at 255, which leaves a white picture.
        return image.convert("I").point([grey >> 8 for grey in range(1 << 16)], "L").convert("RGB")
    if image.has_transparency_data:
        backdrop = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _chord(seconds: int) -> "AudioFrame":
    """A soft A major chord that fades in and out."""
    from av import AudioFrame

    frame = AudioFrame(format="fltp", layout="mono", samples=seconds * _AUDIO_RATE)
    frame.planes[0].update(_chord_samples(seconds))
    frame.sample_rate = _AUDIO_RATE
    frame.time_base = Fraction(1, _AUDIO_RATE)
    frame.pts = 0
    return frame


@lru_cache
def _chord_samples(seconds: int) -> bytes:
    """The chord as native 32-bit floats. It is kept, since it takes longer than a frame to make."""
    samples = array("f")
    for number in range(seconds * _AUDIO_RATE):
        moment = number / _AUDIO_RATE
        loudness = min(1, min(moment, seconds - moment) / _FADE_SECONDS) * 0.08
        samples.append(loudness * sum(math.sin(2 * math.pi * pitch * moment) for pitch in _CHORD_HZ))
    return samples.tobytes()
