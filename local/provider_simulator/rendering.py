"""Makes an MP4 out of an image: H.264 and, where asked, AAC, of exactly the shape and duration asked for."""

import io
import threading
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .camera import Box, Movement, movement_of, view, zoom_of
from .contract import AspectRatio, GenerationRequest, Mode

if TYPE_CHECKING:
    # Pillow, PyAV and numpy are imported where they are used, so that the simulator is up sooner.
    from av import AudioFrame
    from av.container import OutputContainer
    from numpy import uint8
    from numpy.typing import NDArray
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
    """The simulator is going down, so the video was given up."""


@dataclass(frozen=True)
class VideoPlan:
    """All that a video depends on, beside the image itself."""

    mode: Mode
    aspect_ratio: AspectRatio
    seconds: int
    sound: bool
    movement: Movement
    cfg_scale: float

    @classmethod
    def of(cls, request: GenerationRequest) -> "VideoPlan":
        """The plan that a submission asks for."""
        return cls(
            request.mode,
            request.aspect_ratio,
            request.seconds,
            request.sound,
            movement_of(request.prompt),
            request.cfg_scale,
        )


def render_video(image: bytes, plan: VideoPlan, destination: Path, stop: threading.Event) -> None:
    """Writes the video of an image to a file. Raises RenderingStopped within a frame's time once `stop` is set."""
    import av

    zoom = zoom_of(plan.cfg_scale)
    size = SIZES[plan.mode, plan.aspect_ratio]
    picture = widest_view(image, (round(size[0] * zoom), round(size[1] * zoom)))
    with av.open(str(destination), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        _encode(container, picture, size, plan, zoom, stop)


def _encode(
    container: "OutputContainer",
    picture: "Image.Image",
    size: tuple[int, int],
    plan: VideoPlan,
    zoom: float,
    stop: threading.Event,
) -> None:
    from av import VideoFrame
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    video = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_X264_OPTIONS[plan.mode])
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
    frames = plan.seconds * FRAMES_PER_SECOND
    for number in range(frames):
        if stop.is_set():
            raise RenderingStopped
        box = view(plan.movement, number / (frames - 1), picture.width, picture.height, zoom)
        frame = VideoFrame.from_ndarray(_planes_seen(planes, size, box), format="yuv420p")
        frame.pts = number
        frame.time_base = Fraction(1, FRAMES_PER_SECOND)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))


def _planes(picture: "Image.Image") -> list["Image.Image"]:
    """Luma and both chromas at full size: converted once, where each frame would otherwise be."""
    import numpy
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace
    from PIL import Image

    frame = VideoFrame.from_ndarray(numpy.asarray(picture), format="rgb24").reformat(
        format="yuv444p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    return [Image.fromarray(plane) for plane in frame.to_ndarray()]


def _planes_seen(planes: list["Image.Image"], size: tuple[int, int], box: Box) -> "NDArray[uint8]":
    """What the camera sees, as yuv420p: chroma at half the size, all planes one below the other."""
    import numpy
    from PIL import Image

    half = (size[0] // 2, size[1] // 2)
    # A box of fractions of a pixel keeps the movement smooth; bilinear takes half the time of bicubic.
    seen = [
        numpy.asarray(plane.resize(plane_size, Image.Resampling.BILINEAR, box=box)).ravel()
        for plane, plane_size in zip(planes, (size, half, half), strict=True)
    ]
    return numpy.concatenate(seen).reshape(-1, size[0])


def widest_view(content: bytes, size: tuple[int, int]) -> "Image.Image":
    """The image as shown, in RGB, cut around its middle to fill the size: the widest view that the camera has."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
        upright = _rgb(ImageOps.exif_transpose(image))
    return ImageOps.fit(upright, size, Image.Resampling.LANCZOS)


def _rgb(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):
        import numpy

        # Pillow would clip 16-bit grey at 255, which leaves a white picture.
        grey = (numpy.asarray(image).astype(numpy.uint32) >> 8).clip(0, 255).astype(numpy.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        backdrop = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _chord(seconds: int) -> "AudioFrame":
    """A soft A major chord that fades in and out."""
    import numpy
    from av import AudioFrame

    moments = numpy.arange(seconds * _AUDIO_RATE) / _AUDIO_RATE
    loudness = numpy.minimum(1, numpy.minimum(moments, seconds - moments) / _FADE_SECONDS) * 0.08
    wave = loudness * sum(numpy.sin(2 * numpy.pi * pitch * moments) for pitch in _CHORD_HZ)
    frame = AudioFrame.from_ndarray(wave.astype(numpy.float32)[numpy.newaxis, :], format="fltp", layout="mono")
    frame.sample_rate = _AUDIO_RATE
    frame.time_base = Fraction(1, _AUDIO_RATE)
    frame.pts = 0
    return frame
