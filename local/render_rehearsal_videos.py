"""`python -m local.render_rehearsal_videos`: renders the packaged videos of rehearsals, once. Each frame says what it is.

Small on purpose, since every function carries them: one picture, one frame a second, and a chord of one second as the sound track.
"""

import math
import sys
from array import array
from fractions import Fraction
from pathlib import Path

import av
from av import AudioFrame, VideoFrame
from PIL import Image, ImageDraw, ImageFont

from dropreel.adapters.rehearsal_videos import FOLDER
from dropreel.provider.rehearsal import VIDEO_NAMES

SIZES = {"16x9": (320, 180), "9x16": (180, 320), "1x1": (240, 240)}
"""Width and height in pixels."""
FRAMES_PER_SECOND = 1
TEXTS = (("Rehearsal", 9), ("not a generated video,", 20), ("nothing was paid", 20))
"""What each frame says, and for each line the part of the width that its letters are high."""
_AUDIO_RATE = 8_000
_BITS_PER_SECOND = 8_000
_CHORD_HZ = (220.0, 277.18, 329.63)
_CHORD_SECONDS = 1
_FADE_SECONDS = 0.25


def main() -> int:
    """Render every video into the package and print their sizes."""
    FOLDER.mkdir(exist_ok=True)
    for name in sorted(VIDEO_NAMES):
        shape, seconds, track = name.split("-")
        path = FOLDER / f"{name}.mp4"
        render(path, SIZES[shape], int(seconds), has_sound=track == "sound")
        print(f"{path.stat().st_size:>7,}  {path.name}")
    print(f"{sum(path.stat().st_size for path in FOLDER.glob('*.mp4')):>7,}  in all")
    return 0


def render(path: Path, size: tuple[int, int], seconds: int, *, has_sound: bool) -> None:
    """Render one video: H.264, and AAC where it has sound."""
    drawn = VideoFrame(*size, "rgb24")
    drawn.planes[0].update(_picture(size).tobytes("raw", "RGB", drawn.planes[0].line_size))
    picture = drawn.reformat(format="yuv420p")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "veryslow", "crf": "40"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=_AUDIO_RATE, layout="mono") if has_sound else None
        if audio is not None:
            audio.bit_rate = _BITS_PER_SECOND
            container.mux(audio.encode(_chord(seconds)))
            container.mux(audio.encode(None))
        for number in range(seconds * FRAMES_PER_SECOND):
            picture.pts = number
            picture.time_base = Fraction(1, FRAMES_PER_SECOND)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))


def _picture(size: tuple[int, int]) -> Image.Image:
    width, height = size
    image = Image.new("RGB", size, (24, 28, 40))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, height // 12), fill=(240, 180, 40))
    draw.rectangle((0, height - height // 12, width, height), fill=(240, 180, 40))
    y = height // 2 - 0.75 * sum(width // part for _, part in TEXTS)
    for text, part in TEXTS:
        draw.text((width // 2, y), text, font=ImageFont.load_default(width // part), fill="white", anchor="ma")
        y += 1.4 * (width // part)
    return image


def _chord(seconds: int) -> AudioFrame:
    samples = array("f")
    for number in range(seconds * _AUDIO_RATE):
        moment = number / _AUDIO_RATE
        loudness = max(0, min(1, min(moment, _CHORD_SECONDS - moment) / _FADE_SECONDS)) * 0.08
        samples.append(loudness * sum(math.sin(2 * math.pi * pitch * moment) for pitch in _CHORD_HZ))
    frame = AudioFrame(format="fltp", layout="mono", samples=len(samples))
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate = _AUDIO_RATE
    frame.time_base = Fraction(1, _AUDIO_RATE)
    frame.pts = 0
    return frame


if __name__ == "__main__":
    sys.exit(main())
