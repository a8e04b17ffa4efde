"""Time and peak memory to prepare a picture of each format, beside a plain script with Pillow that does the same."""

import io
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

from PIL import Image

from benchmarks.measure import MEBIBYTE, Progress, interleaved, is_quick, ratios, run_command, spread
from benchmarks.tables import Report, Table, Target, range_text

SIZES = {"12": (4032, 3024), "48": (8064, 6048), "200": (16320, 12240)}
"""Width and height by megapixels, as phones have them."""
LARGEST_WEBP = (16320, 8192)
FORMATS = ("JPEG", "HEIC", "PNG", "WebP", "AVIF", "TIFF", "BMP", "GIF")
TIME_LIMIT, MEMORY_FACTOR, MEMORY_SIZE_MIB = 1.15, 1.3, 3008  # the last is Prepare Image's
_RUNS = {"12": 3, "48": 2, "200": 1}
_ME = "benchmarks.preparation"


def run(progress: Progress) -> dict[str, Any]:
    """Prepare each picture with both sides in turn; return times as ratios, and peaks."""
    from tests.support.phone_pictures import photograph  # the sides, which this module starts, are without it

    found: dict[str, Any] = {}
    for megapixels, size in list(SIZES.items())[: 1 if is_quick() else None]:
        for name in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "original")
                path.write_bytes(photograph(name, LARGEST_WEBP if (name, megapixels) == ("WebP", "200") else size))
                ours = partial(run_command, [sys.executable, "-m", _ME, "prepare_picture", path])
                plain = partial(run_command, [sys.executable, "-m", _ME, "plain_script", path, ours().output])
                used = interleaved({"ours": ours, "plain": plain}, 1 if is_quick() else _RUNS[megapixels])
            found[f"{name} {megapixels}"] = {
                "time": ratios(*([json.loads(one.output)[-1] for one in used[side]] for side in ("ours", "plain"))),
                **{side: spread([one.peak_bytes for one in used[side]]) for side in used},
            }
            progress(f"{name}, {megapixels} megapixels: {found[f'{name} {megapixels}']}")
    return {"runs": 1 if is_quick() else max(_RUNS.values()), "pictures": found}


def prepare_picture(path: str) -> None:
    """Prepare a picture, and print how it was saved and the processor time that it took, imports left out."""
    from dropreel.adapters import imaging

    begun = process_time()
    prepared, seconds = imaging.prepare_picture(Path(path)), process_time() - begun
    assert isinstance(prepared, imaging.PreparedPicture), prepared  # noqa: S101  # it is one of ours
    quality = {2: 95, 3: 90, 5: 85}[prepared.content[prepared.content.index(b"\xff\xdb") + 5]]
    sampling = prepared.content[prepared.content.index(b"\xff\xc0") + 11]
    print(json.dumps([prepared.width, prepared.height, quality, 0 if sampling == 0x11 else 2, seconds]))


def plain_script(path: str, how: str) -> None:
    """Do the same with Pillow alone, knowing the size and quality beforehand."""
    import pi_heif
    from PIL import ImageCms, ImageOps

    pi_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None
    width, height, quality, subsampling = json.loads(how)[:4]
    begun = process_time()
    image: Image.Image = Image.open(path)
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if profile:
        ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), inPlace=True)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    image.save(io.BytesIO(), "JPEG", quality=quality, subsampling=subsampling)
    print(json.dumps([process_time() - begun]))


def report(figures: dict[str, Any]) -> Report:
    """Return the table of times and peaks, and what they are held to."""
    pictures = figures["pictures"]
    rows = [
        [
            *picture.split(),
            range_text(found["time"]),
            *(f"{found[side]['max'] / MEBIBYTE:,.0f} MiB" for side in ("ours", "plain")),
        ]
        for picture, found in pictures.items()
    ]
    slowest = max(pictures, key=lambda one: pictures[one]["time"]["median"])
    peak = max(found["ours"]["max"] for found in pictures.values()) / MEBIBYTE
    time = pictures[slowest]["time"]["median"]
    targets = [
        Target(f"processor time of the slowest ({slowest} MP), times Pillow alone", time, at_most=TIME_LIMIT),
        Target("memory of the function, times the peak", MEMORY_SIZE_MIB / peak, at_least=MEMORY_FACTOR),
    ]
    summary = [["peak memory to prepare any picture", f"{peak:,.0f} MiB", f"the function's {MEMORY_SIZE_MIB:,} MiB"]]
    columns = ("picture", "megapixels", "time, times Pillow alone", "peak memory", "Pillow's")
    return Report({"preparation": Table(columns, rows)}, targets, summary)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
