"""Decodes an MP4, and finds its camera motion by comparison with the source."""

import io
import math
from dataclasses import dataclass
from itertools import product

import av
import numpy
from numpy.typing import NDArray
from PIL import Image

MOTIONS = ("zoom in", "zoom out", "pan left", "pan right", "pan up", "pan down", "no motion")
ZOOMS = (1.1, 1.25, 1.35, 1.45)

Pixels = NDArray[numpy.float64]


@dataclass(frozen=True)
class DecodedVideo:
    """The decoded content of an MP4; durations in seconds, of the file as a whole and of each track."""

    codecs: list[str]
    pixel_format: str
    size: tuple[int, int]
    durations: list[float]
    frame_count: int
    first: Image.Image
    last: Image.Image
    loudest: float


def decode(content: bytes) -> DecodedVideo:
    """Decodes every frame and every sample."""
    with av.open(io.BytesIO(content), "r") as container:
        video = container.streams.video[0]
        tracks = [stream for stream in container.streams if stream.type in ("video", "audio")]
        durations = [float((container.duration or 0) / av.time_base)]
        durations += [float((track.duration or 0) * (track.time_base or 0)) for track in tracks]
        frames = 0
        loudest = 0.0
        first = last = None
        for frame in container.decode(*tracks):
            if isinstance(frame, av.VideoFrame):
                frames += 1
                first = first or frame
                last = frame
            elif isinstance(frame, av.AudioFrame):
                loudest = max(loudest, float(numpy.abs(frame.to_ndarray()).max()))
        assert first is not None
        assert last is not None
        return DecodedVideo(
            codecs=[track.codec_context.name for track in tracks],
            pixel_format=str(video.pix_fmt),
            size=(video.width, video.height),
            durations=durations,
            frame_count=frames,
            first=_picture(first),
            last=_picture(last),
            loudest=loudest,
        )


def _picture(frame: av.VideoFrame) -> Image.Image:
    return Image.fromarray(frame.to_ndarray(format="rgb24"))


def motion_of(video: DecodedVideo, source: Image.Image) -> tuple[str, float]:
    """The motion and the zoom whose crops of the source come nearest to the first and the last frame."""
    shown_first, shown_last = _small(video.first), _small(video.last)

    def error(hypothesis: tuple[str, float]) -> float:
        first, last = _crops(source, video.size, *hypothesis)
        return float(numpy.abs(first - shown_first).mean() + numpy.abs(last - shown_last).mean())

    return min(product(MOTIONS, ZOOMS), key=error)


def widest_crop(source: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The largest middle part of the source that has the shape of the video, at the size of the video."""
    return source.resize(size, Image.Resampling.LANCZOS, box=_middle(source, size))


def signal_to_noise(shown: Image.Image, expected: Image.Image) -> float:
    """PSNR in decibels."""
    difference = numpy.asarray(shown, numpy.float64) - numpy.asarray(expected, numpy.float64)
    mean_square = float((difference**2).mean())
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


def _crops(source: Image.Image, size: tuple[int, int], motion: str, zoom: float) -> tuple[Pixels, Pixels]:
    left, top, right, bottom = _middle(source, size)
    width, height = right - left, bottom - top
    near_width, near_height = width / zoom, height / zoom

    def near(across: float, down: float) -> tuple[float, float, float, float]:
        x, y = left + (width - near_width) * across, top + (height - near_height) * down
        return x, y, x + near_width, y + near_height

    whole, middle = (left, top, right, bottom), near(0.5, 0.5)
    first, last = {
        "zoom in": (whole, middle),
        "zoom out": (middle, whole),
        "pan left": (near(1, 0.5), near(0, 0.5)),
        "pan right": (near(0, 0.5), near(1, 0.5)),
        "pan up": (near(0.5, 1), near(0.5, 0)),
        "pan down": (near(0.5, 0), near(0.5, 1)),
        "no motion": (middle, middle),
    }[motion]
    return _small(source, first), _small(source, last)


def _middle(source: Image.Image, size: tuple[int, int]) -> tuple[float, float, float, float]:
    shape = size[0] / size[1]
    width = min(source.width, source.height * shape)
    height = width / shape
    left, top = (source.width - width) / 2, (source.height - height) / 2
    return left, top, left + width, top + height


def _small(picture: Image.Image, box: tuple[float, float, float, float] | None = None) -> Pixels:
    grey = picture.convert("L").resize((96, 96), Image.Resampling.BILINEAR, box=box)
    return numpy.asarray(grey, numpy.float64)
