import hashlib
import io
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from dropreel.adapters.image_bucket import ImageBucket, StoredImage
from dropreel.domain.errors import RetryLater
from dropreel.domain.images import ImageRef, Missing
from dropreel.media.images.preparation import HEAD_BYTES
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel.use_cases.validate_image import is_sendable
from tests.support.scripted_server import scripted_server
from tests.support.stubbed_s3 import CONTENT, IMAGE, UNVERSIONED, client, client_of, has, head_of, refuses


@pytest.fixture
def s3() -> Iterator[Any]:
    with Stubber(client()) as stubber:
        yield stubber


def found_in(s3: Any, image: ImageRef = IMAGE, size: int | None = None) -> StoredImage:
    found = ImageBucket(s3.client).find(image, size)
    assert isinstance(found, StoredImage)
    s3.assert_no_pending_responses()
    return found


# --- one GET ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 87_000, len(CONTENT)])
def test_an_image_is_read_by_one_request_for_its_events_version(s3: Any, size: int):
    has(s3, {"VersionId": "v1"}, CONTENT[:size], VersionId="v1")

    found = found_in(s3, size=size)

    assert (found.version_id, found.etag, found.size) == ("v1", '"e1"', size)
    assert found.content == CONTENT[:size]
    assert found.sha256 == hashlib.sha256(CONTENT[:size]).hexdigest()


@pytest.mark.parametrize("version_id", [None, "null"], ids=["never versioned", "versions suspended"])
def test_without_versions_the_image_must_be_the_uploaded_one(s3: Any, version_id):
    has(s3, {"IfMatch": "e1"})

    assert found_in(s3, ImageRef("uploads", "a.jpg", version_id, "e1")).content == CONTENT


def test_the_version_that_every_upload_has_pins_nothing(s3: Any):
    """S3's answer in a bucket whose versioning is suspended."""
    has(s3, {"IfMatch": "e1"}, VersionId="null")

    found = found_in(s3, UNVERSIONED)

    assert found.version_id is None
    assert "versionId" not in found.presigned_url("image/jpeg")


def test_a_request_without_version_or_etag_pins_the_current_version(s3: Any):
    has(s3, {}, VersionId="v7")

    assert found_in(s3, ImageRef("uploads", "a.jpg")).version_id == "v7"


def test_an_entity_tag_of_a_multipart_upload_is_one_as_any_other(s3: Any):
    has(s3, {"IfMatch": "d41d8cd9-2"}, ETag='"d41d8cd9-2"')

    assert found_in(s3, ImageRef("uploads", "a.jpg", None, "d41d8cd9-2")).etag == '"d41d8cd9-2"'


@pytest.mark.parametrize("given", [None, MAX_IMAGE_BYTES + 1])
def test_of_what_is_too_large_only_the_head_is_read(s3: Any, given):
    body = has(s3, {"VersionId": "v1"}, VersionId="v1", ContentLength=MAX_IMAGE_BYTES + 1)

    found = found_in(s3, size=given)

    assert (found.size, found.version_id, found.content, found.sha256) == (MAX_IMAGE_BYTES + 1, "v1", None, None)
    assert found.head == CONTENT[:HEAD_BYTES]
    assert body.number_read == HEAD_BYTES
    assert body.closed


def test_the_head_of_what_is_read_whole_is_its_first_bytes(s3: Any):
    has(s3, {"VersionId": "v1"}, VersionId="v1")

    assert found_in(s3).head == CONTENT[:HEAD_BYTES]


def test_ten_million_bytes_are_read(s3: Any):
    has(s3, {"VersionId": "v1"}, bytes(MAX_IMAGE_BYTES), VersionId="v1")

    assert found_in(s3).content == bytes(MAX_IMAGE_BYTES)


def test_the_bytes_of_an_image_are_in_no_text_about_it(s3: Any):
    has(s3, {"VersionId": "v1"}, b"a private picture", VersionId="v1")

    assert "private" not in repr(found_in(s3))


@pytest.mark.parametrize(("after", "start"), [("", {}), ("a.jpg.jsom~", {"StartAfter": "a.jpg.jsom~"})])
def test_keys_are_listed_a_page_at_a_time(s3: Any, after, start):
    given = {"Contents": [{"Key": "a.jpg.JSON"}, {"Key": "a.jpg.json"}], "IsTruncated": True}
    asked = {"Bucket": "uploads", "Prefix": "a.jpg.", "MaxKeys": 2, **start}
    s3.add_response("list_objects_v2", given, asked)
    s3.add_response("list_objects_v2", {}, asked)

    found = [ImageBucket(s3.client).list_keys("uploads", "a.jpg.", after, 2) for _ in range(2)]

    assert found == [(["a.jpg.JSON", "a.jpg.json"], True), ([], False)]


def test_encoded_metadata_is_decoded(s3: Any):
    metadata = {"prompt": "=?UTF-8?Q?=C3=A9t=C3=A9?=", "mode": "=?bad?Q?x?="}
    has(s3, {"VersionId": "v1"}, VersionId="v1", Metadata=metadata)

    assert found_in(s3).metadata == {"prompt": "été", "mode": "=?bad?Q?x?="}


def metadata_in(s3: Any, value: str) -> str:
    has(s3, {"VersionId": "v1"}, VersionId="v1", Metadata={"prompt": value})
    return found_in(s3).metadata["prompt"]


@pytest.mark.parametrize(
    "word", ["=?utf-7?Q?a+2AA-?=", "=?unicode-escape?Q?a=5Cud800?=", "=?raw-unicode-escape?B?YVx1ZDgwMA==?="]
)
def test_encoded_half_surrogates_stay_for_the_options_to_reject(s3: Any, word: str):
    assert metadata_in(s3, word) == "a\ud800"


@pytest.mark.parametrize(
    "word", ["=?\xe9?Q?x?=", "=?utf-8\xe9?B?eA==?=", "=?utf-8?B?7aCA?=", "=?rot13?Q?x?=", "=?\x00?Q?x?="]
)
def test_what_only_looks_like_encoded_words_is_taken_as_it_stands(s3: Any, word: str):
    assert metadata_in(s3, word) == word


CHARSETS = st.sampled_from(
    ["utf-8", "utf-7", "utf-16", "utf-32-le", "unicode-escape", "unknown-8bit", "iso-2022-kr", "hz", "idna", "punycode"]
) | st.text(alphabet=st.characters(max_codepoint=0xFF), max_size=8)
PAYLOADS = st.binary(max_size=12).map(lambda raw: b64encode(raw).decode()) | st.text(
    alphabet=st.characters(max_codepoint=0xFF), max_size=12
)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(CHARSETS, st.sampled_from("QBqb"), PAYLOADS), min_size=1, max_size=3),
    st.sampled_from(["", " ", "a"]),
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # an escape of Python's own that does not exist
def test_encoded_words_of_any_form_give_a_text(words: list[tuple[str, str, str]], between: str):
    value = between.join(f"=?{charset}?{encoding}?{payload}?=" for charset, encoding, payload in words)

    with Stubber(client()) as s3:
        assert isinstance(metadata_in(s3, value), str)


# --- answers that are not what was asked for -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "given", "size"),
    [
        (CONTENT[:500], {"ContentRange": f"bytes 0-499/{len(CONTENT)}"}, None),
        (CONTENT[:-1], {"ContentLength": len(CONTENT)}, None),
        (CONTENT, {"ContentLength": len(CONTENT) - 1}, None),
        (CONTENT[:-1], {}, len(CONTENT)),
        (CONTENT, {"VersionId": "v2"}, None),
        (CONTENT, {"VersionId": None}, None),
    ],
    ids=["a range", "cut", "more than was said", "less than the event said", "another version", "no version"],
)
def test_an_answer_that_is_not_the_image_is_asked_for_again(s3: Any, content, given, size):
    fields = {name: value for name, value in {"VersionId": "v1", **given}.items() if value is not None}
    has(s3, {"VersionId": "v1"}, content, **fields)

    with pytest.raises(RetryLater):
        ImageBucket(s3.client).find(IMAGE, size)


@pytest.mark.parametrize("sent", [CONTENT[:-1], CONTENT + b"!"])
def test_a_body_of_another_length_is_asked_for_again_whoever_reads_it(s3: Any, sent):
    has(s3, {"VersionId": "v1"}, VersionId="v1", Body=io.BytesIO(sent), ContentLength=len(CONTENT))

    with pytest.raises(RetryLater):
        ImageBucket(s3.client).find(IMAGE)


def test_an_answer_of_no_length_is_asked_for_again(s3: Any):
    answer = {
        "Body": StreamingBody(io.BytesIO(CONTENT), cast("int", None)),
        "ETag": '"e1"',
        "Metadata": {},
        "VersionId": "v1",
    }
    s3.add_response("get_object", answer)

    with pytest.raises(RetryLater):
        ImageBucket(s3.client).find(IMAGE)


def test_a_store_without_conditions_does_not_pass_another_image_off(s3: Any):
    body = has(s3, {"IfMatch": "e1"}, ETag='"e2"')

    assert ImageBucket(s3.client).find(UNVERSIONED) is Missing.SUPERSEDED
    assert not body.was_read


@pytest.mark.parametrize("sent", [CONTENT[:70_000], b""])
def test_an_image_that_is_cut_on_its_way_is_asked_for_again(sent):
    with scripted_server() as server:
        server.plays(head_of(len(CONTENT)) + sent)

        with pytest.raises(RetryLater):
            ImageBucket(client_of(endpoint_url=server.base_url, style="path")).find(IMAGE)


def test_a_stored_encoding_does_not_touch_the_bytes():
    with scripted_server() as server:
        server.plays(head_of(9, "Content-Encoding: gzip") + b"not gzip!")

        found = ImageBucket(client_of(endpoint_url=server.base_url, style="path")).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert (found.content, found.encoding) == (b"not gzip!", "gzip")


# --- what S3 refuses -------------------------------------------------------------------------------------------------

SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."


@pytest.mark.parametrize(
    ("status", "code", "message", "missing"),
    [
        (404, "NoSuchKey", "The specified key does not exist.", Missing.GONE),
        (404, "NoSuchVersion", "The specified version does not exist.", Missing.GONE),
        (404, "NoSuchBucket", "The specified bucket does not exist", Missing.GONE),
        (405, "MethodNotAllowed", "The specified method is not allowed against this resource.", Missing.GONE),
        (400, "InvalidArgument", "Invalid version id specified", Missing.GONE),
        (412, "PreconditionFailed", "At least one of the pre-conditions did not hold", Missing.SUPERSEDED),
        (403, "InvalidObjectState", "The operation is not valid for the object's storage class", Missing.ARCHIVED),
        (400, "InvalidRequest", SSE_C, Missing.ENCRYPTED),
        (400, "KMS.DisabledException", "arn:aws:kms:… is disabled.", Missing.KMS_KEY),
        (400, "KMS.KMSInvalidStateException", "arn:aws:kms:… is pending deletion.", Missing.KMS_KEY),
        (400, "KMS.NotFoundException", "Key does not exist", Missing.KMS_KEY),
    ],
)
def test_an_error_that_tells_of_the_object_is_an_answer(s3: Any, status, code, message, missing):
    refuses(s3, status, code, message)

    assert ImageBucket(s3.client).find(IMAGE) is missing


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "ExpiredToken", "The provided token has expired."),
        (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        (400, "RequestTimeout", "Your socket connection to the server was not read from in time."),
        (400, "InvalidArgument", "Requests specifying Server Side Encryption with AWS KMS managed keys require SigV4."),
        (400, "InvalidRequest", "Missing required header for this request"),
        (400, "KMS.ThrottlingException", "You have exceeded the rate at which you may call KMS."),
        (400, "400", "Bad Request"),
        (403, "AccessDenied", "User is not authorized to perform: kms:Decrypt"),
        (403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        (403, "403", "Forbidden"),
        (404, "404", "Not Found"),
        (500, "InternalError", ""),
        (503, "SlowDown", "Please reduce your request rate."),
    ],
)
def test_an_error_that_tells_nothing_of_the_object_is_a_fault(s3: Any, status, code, message):
    refuses(s3, status, code, message)

    with pytest.raises(ClientError):
        ImageBucket(s3.client).find(IMAGE)


# --- files beside an image -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "content"),
    [
        (416, "InvalidRange", b""),
        (404, "NoSuchKey", Missing.GONE),
        (403, "InvalidObjectState", Missing.ARCHIVED),
        (400, "KMS.DisabledException", Missing.KMS_KEY),
    ],
)
def test_an_empty_file_is_empty_and_one_that_cannot_be_had_says_why(s3: Any, status, code, content):
    refuses(s3, status, code)

    assert ImageBucket(s3.client).read_file("uploads", "dropreel.json", 10) == content


@pytest.mark.parametrize("given", [{"ContentRange": "bytes 0-9/500", "ContentLength": 10}, {}])
def test_of_a_file_no_more_is_read_than_is_wanted(s3: Any, given):
    content = CONTENT[:10] if given else CONTENT  # a store that knows no ranges sends all of it
    has(s3, {"Range": "bytes=0-9"}, content, **given)

    assert ImageBucket(s3.client).read_file("uploads", "a.jpg", 10) == CONTENT[:10]


def test_a_file_that_we_may_not_read_just_now_is_a_fault(s3: Any):
    refuses(s3, 403, "AccessDenied")

    with pytest.raises(ClientError):
        ImageBucket(s3.client).read_file("uploads", "dropreel.json", 10)


def test_another_range_of_a_file_than_was_asked_for_is_no_file(s3: Any):
    has(s3, {"Range": "bytes=0-9"}, CONTENT[10:20], ContentRange="bytes 10-19/500")

    with pytest.raises(RetryLater):
        ImageBucket(s3.client).read_file("uploads", "a.jpg", 10)


# --- the address that the provider gets ------------------------------------------------------------------------------


def stored(key: str = "a.jpg", **fields: Any) -> StoredImage:
    return StoredImage(client(), "uploads", key, "v1", '"e1"', 9, datetime(2026, 5, 4, tzinfo=UTC), **fields)


def test_the_address_pins_the_version_and_overrides_the_stored_type():
    url = stored().presigned_url("image/webp")

    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).hostname == "uploads.s3.us-east-1.amazonaws.com"
    assert query["versionId"] == ["v1"]
    assert query["response-content-type"] == ["image/webp"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert "response-content-encoding" not in query


@pytest.mark.parametrize("encoding", ["gzip", "br", "aws-chunked", "utf-8", "base64"])
def test_the_presigned_url_overrides_a_stored_encoding(encoding):
    url = stored(encoding=encoding).presigned_url("image/jpeg")

    assert parse_qs(urlsplit(url).query)["response-content-encoding"] == ["identity"]


SEGMENTS = st.lists(
    st.sampled_from([".", "..", "...", "a", "", " ", "%2e", "%2E%2e", "é", "e\u0301", "+", "a;b", "?#", ".a"])
)


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=40) | SEGMENTS.map("/".join).filter(bool))
def test_a_key_is_taken_exactly_if_clients_send_its_address_as_signed(key: str):
    try:
        key.encode()
    except UnicodeEncodeError:
        return  # no key of S3
    url = stored(key).presigned_url("image/jpeg")
    signed = urlsplit(url).path

    prepared = requests.Request("GET", url).prepare().path_url.partition("?")[0]

    assert unquote(signed) == f"/{key}"
    assert (prepared == signed == parse_url(url).path) is is_sendable(key)
