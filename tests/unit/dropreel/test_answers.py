import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.answers import MAX_PROVIDER_WORDS, words_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("no faces allowed", "no faces allowed"),
        ({"code": "moderation", "message": "no faces"}, "moderation: no faces"),
        ({"message": "no faces"}, "no faces"),
        ({"code": 17}, "17"),
        ({"detail": "odd"}, "{'detail': 'odd'}"),
        ("two\nlines\t here", "two lines here"),
    ],
)
def test_the_providers_words_become_one_line(error, words):
    assert words_of(error) == words


@pytest.mark.parametrize("error", [None, "", " \n\t", {}, [], 0, False])
def test_no_words_are_told_as_such(error):
    assert words_of(error) == "the provider gave no reason"


@given(JSON | st.text(min_size=MAX_PROVIDER_WORDS))
def test_words_are_one_line_of_sane_length_whatever_the_provider_sends(error):
    words = words_of(error)

    assert len(words) <= MAX_PROVIDER_WORDS
    assert len(words.splitlines()) <= 1


def test_long_words_show_that_they_were_cut():
    words = words_of("x" * 5000)

    assert len(words) == MAX_PROVIDER_WORDS
    assert words.endswith("…")


@pytest.mark.parametrize(
    "error",
    [
        "cannot fetch https://uploads.s3.amazonaws.com/a.jpg?X-Amz-Signature=5ec2e7",
        {
            "code": "image",
            "message": "https://uploads.s3.amazonaws.com/a.jpg?versionId=1&X-Amz-Signature=5ec2e7 gave 403",
        },
        {"image_url": "https://uploads.s3.amazonaws.com/a.jpg?X-Amz-Signature=5ec2e7"},
    ],
)
def test_a_signed_address_that_the_provider_repeats_loses_its_signature(error):
    assert "5ec2e7" not in words_of(error)
