import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.images import Image
from dropreel.media.videos import MAX_KEY_BYTES, video_key
from tests.support.sample_jobs import job_with


def key_of(image_key: str, generation_id: str = "gen_1") -> str:
    return video_key(job_with(image=Image("uploads", image_key), generation_id=generation_id))


@pytest.mark.parametrize(
    ("image_key", "expected"),
    [
        ("beach.jpg", "beach-gen_1.mp4"),
        ("holiday/2026/beach.jpeg", "holiday/2026/beach-gen_1.mp4"),
        ("beach", "beach-gen_1.mp4"),
        ("beach.at.noon.png", "beach.at.noon-gen_1.mp4"),
        ("v1.2/beach", "v1.2/beach-gen_1.mp4"),
        ("v1.2/beach.webp", "v1.2/beach-gen_1.mp4"),
        (".jpg", ".jpg-gen_1.mp4"),
        ("holiday/.hidden", "holiday/.hidden-gen_1.mp4"),
        ("beach.", "beach-gen_1.mp4"),
        ("/beach.jpg", "/beach-gen_1.mp4"),
        ("a//b.jpg", "a//b-gen_1.mp4"),
        ("a b+c%20é.jpg", "a b+c%20é-gen_1.mp4"),
    ],
)
def test_a_videos_key_is_that_of_its_image_with_the_generation_id(image_key, expected):
    assert key_of(image_key) == expected


@pytest.mark.parametrize("generation_id", ["../../other", "a/b", "a?b=c", "a b", "é"])
def test_a_generation_id_cannot_move_the_video(generation_id):
    name = key_of("holiday/beach.jpg", generation_id).removeprefix("holiday/beach-")

    assert "/" not in name
    assert name.isascii()


def test_a_second_generation_does_not_overwrite_the_first():
    assert key_of("beach.jpg", "gen_1") != key_of("beach.jpg", "gen_2")


@pytest.mark.parametrize("letter", ["a", "é", "海", "🌊"])
def test_a_long_key_is_cut_between_letters_and_keeps_its_id(letter):
    image_key = letter * (1020 // len(letter.encode())) + ".jpg"

    key = key_of(image_key, "gen_img2v_x7y8z9")

    assert MAX_KEY_BYTES - 4 < len(key.encode()) <= MAX_KEY_BYTES
    assert key == letter * key.count(letter) + "-gen_img2v_x7y8z9.mp4"


@settings(max_examples=150)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=1024), st.text(max_size=200))
def test_every_video_key_is_valid_in_s3(image_key, generation_id):
    key = key_of(image_key, generation_id)

    assert 0 < len(key.encode()) <= MAX_KEY_BYTES
    assert key.endswith(".mp4")
