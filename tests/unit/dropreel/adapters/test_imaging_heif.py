"""HEIC and AVIF files as cameras write them: data behind the last box, and items beside the picture."""

from pathlib import Path

import pytest

from tests.support.heic_items import Item, heic_of, nclx, size
from tests.support.pictures import picture
from tests.support.prepared_pictures import heic, original, prepared

TRAILERS = {
    "Samsung's": b"\0\0\x30\x0a\x0e\0\0\0MotionPhoto_Data" + bytes(500) + b"SEFH" + bytes(20) + b"SEFT",
    "text": b"\r\nsome text that follows",
    "ones": b"\xff" * 100,
    "zeros": bytes(100),
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("name", ["HEIC", "HEIC grid", "AVIF"])
def test_data_behind_the_last_box_does_not_change_the_picture(name, trailer, tmp_path: Path):
    content = original(name)

    assert prepared(tmp_path, content + trailer).content == prepared(tmp_path, content).content


def test_items_beside_the_picture_do_not_change_it(tmp_path: Path):
    whole = heic(picture(64, 64))
    start, media = whole.index(b"hvcC") - 4, whole.index(b"mdat") - 4
    configuration = whole[start : start + int.from_bytes(whole[start : start + 4], "big")]
    data = whole[media + 8 : media + int.from_bytes(whole[media : media + 4], "big")]
    main = Item(1, data, [configuration, size(64, 64)])
    unused = Item(2, data, [configuration, size(30_000, 30_000), nclx(9, 16)], flags=1)

    assert prepared(tmp_path, heic_of([main, unused])).content == prepared(tmp_path, heic_of([main])).content
