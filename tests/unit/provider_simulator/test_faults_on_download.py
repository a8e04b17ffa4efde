"""Scripted faults of the download."""

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local.provider_simulator.process import RunningSimulator

from .decoded_video import decode
from .provider_caller import ProviderCaller


@pytest.fixture
def url(finished: dict[str, Any]) -> str:
    return str(finished["result"]["url"])


@pytest.fixture
def video(provider: ProviderCaller, url: str) -> bytes:
    return provider.download(url).content


def script(simulator: RunningSimulator, **do: Any) -> None:
    simulator.client.set_faults([{"on": "download", "times": 1, "do": do}])


def raw_answer(url: str) -> tuple[bytes, bytes]:
    """Head and body exactly as received, until the connection ended."""
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        while piece := connection.recv(65_536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


def test_a_status_is_answered_and_the_next_download_works(
    simulator: RunningSimulator, provider: ProviderCaller, url: str
) -> None:
    script(simulator, kind="status", status=503, body="come back later")

    assert provider.download(url).text == "come back later"
    assert provider.download(url).status_code == 200


def test_a_cut_connection_gives_no_answer(simulator: RunningSimulator, provider: ProviderCaller, url: str) -> None:
    script(simulator, kind="cut")

    with pytest.raises(requests.ConnectionError):
        provider.download(url)


def test_silence_gives_no_answer(simulator: RunningSimulator, provider: ProviderCaller, url: str) -> None:
    script(simulator, kind="silence", seconds=5)

    with pytest.raises(requests.ReadTimeout):
        provider.download(url, timeout=0.2)


def test_a_delay_sends_the_whole_video_late(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="delay", seconds=0.2)

    began = time.monotonic()

    assert provider.download(url).content == video
    assert time.monotonic() - began >= 0.2


def test_a_truncated_video_with_its_full_length_fails_at_the_client(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="truncate", bytes=1000, content_length=True)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match="1000 bytes read"):
        provider.download(url)

    script(simulator, kind="truncate", bytes=1000)
    head, body = raw_answer(url)
    assert f"content-length: {len(video)}".encode() in head
    assert body == video[:1000]


def test_a_truncated_video_without_a_length_looks_whole(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="truncate", bytes=1000, content_length=False)

    answer = provider.download(url)

    assert "Content-Length" not in answer.headers
    assert "Transfer-Encoding" not in answer.headers
    assert answer.content == video[:1000]


@pytest.mark.parametrize("sent", [0, 1000])
def test_a_video_in_chunks_without_an_end_fails_at_the_client(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, sent: int
) -> None:
    script(simulator, kind="truncate", bytes=sent, content_length="chunked")

    answer = provider.download(url, stream=True)

    assert answer.headers["Transfer-Encoding"] == "chunked"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = answer.content


def test_junk_follows_the_video(simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes) -> None:
    script(simulator, kind="extend", bytes=17)

    answer = provider.download(url)

    assert "Content-Length" not in answer.headers
    assert answer.content.startswith(video)
    assert len(answer.content) == len(video) + 17


def test_junk_after_the_video_may_be_part_of_its_length(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="extend", bytes=17, content_length=True, fill="<!-- edge -->")

    answer = provider.download(url)

    assert answer.headers["Content-Length"] == str(len(video) + 17)
    assert answer.content == video + b"<!-- edge --><!--"


@pytest.mark.parametrize("oddity", ["long mdat", "no ftyp", "no media", "no picture"])
def test_an_odd_video_is_sent_with_its_length(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes, oddity: str
) -> None:
    script(simulator, kind="odd", oddity=oddity)

    answer = provider.download(url)

    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.content != video
    assert (b"ftyp" in answer.content, b"mdat" in answer.content) == (oddity != "no ftyp", oddity != "no media")
    assert (b"hdlr" + bytes(8) + b"vide" in answer.content) == (oddity != "no picture")
    if oddity in ("long mdat", "no ftyp"):
        assert decode(answer.content).frame_count == 120


@pytest.mark.parametrize(("extra", "kind"), [({}, "text/html"), ({"content_type": "video/mp4"}, "video/mp4")])
def test_another_body_is_sent_with_200(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, extra: dict[str, str], kind: str
) -> None:
    script(simulator, kind="body", body="<html>maintenance</html>", **extra)

    answer = provider.download(url)

    assert (answer.status_code, answer.text) == (200, "<html>maintenance</html>")
    assert answer.headers["Content-Type"].startswith(kind)


def test_an_empty_video_is_sent(simulator: RunningSimulator, provider: ProviderCaller, url: str) -> None:
    script(simulator, kind="empty")

    answer = provider.download(url)

    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


def test_a_dripping_video_arrives_whole_at_the_scripted_speed(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="drip", bytes_per_second=len(video) * 2)

    began = time.monotonic()

    assert provider.download(url).content == video
    assert 0.4 < time.monotonic() - began < 20


def test_a_stall_times_out_a_client_with_a_shorter_time_out(
    simulator: RunningSimulator, provider: ProviderCaller, url: str
) -> None:
    script(simulator, kind="stall", after_bytes=500, seconds=5)

    with pytest.raises(requests.ConnectionError, match="timed out"):
        provider.download(url, timeout=0.2)


def test_a_stalled_video_arrives_whole_within_a_longer_time_out(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="stall", after_bytes=500, seconds=0.3)

    began = time.monotonic()

    assert provider.download(url).content == video
    assert time.monotonic() - began >= 0.3


def test_a_reset_connection_is_a_real_reset(simulator: RunningSimulator, url: str) -> None:
    script(simulator, kind="reset", after_bytes=2000)

    with pytest.raises(ConnectionResetError):
        raw_answer(url)


def test_a_reset_comes_after_the_scripted_bytes(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="reset", after_bytes=2000)

    answer = provider.download(url, stream=True)

    assert answer.raw.read(2000) == video[:2000]
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        _ = answer.content


def test_a_padded_video_is_longer_and_still_one_whole_video(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="pad", bytes=3_000_000)

    answer = provider.download(url)

    box = (3_000_000).to_bytes(4, "big") + b"free"
    assert answer.headers["Content-Length"] == str(len(answer.content)) == str(len(video) + 3_000_000)
    assert answer.content[: len(video) + 8] == video + box
    assert decode(answer.content).frame_count == 120


def test_a_padded_video_may_be_reset_on_the_way(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="pad", bytes=3_000_000, reset_after=2_000_000)

    answer = provider.download(url, stream=True)

    assert answer.headers["Content-Length"] == str(len(video) + 3_000_000)
    assert len(answer.raw.read(2_000_000)) == 2_000_000
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        _ = answer.content


def test_a_gzipped_video_has_the_encoding_and_unpacks_to_the_same(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="gzip")

    answer = provider.download(url, stream=True)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == video


def test_a_content_encoding_of_gzip_may_be_false(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, video: bytes
) -> None:
    script(simulator, kind="gzip", compressed=False)

    answer = provider.download(url, stream=True)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.raw.read(decode_content=False) == video


@pytest.mark.parametrize(("extra", "status"), [({}, 302), ({"status": 307}, 307)])
def test_a_redirect_leads_elsewhere(
    simulator: RunningSimulator, provider: ProviderCaller, url: str, extra: dict[str, int], status: int
) -> None:
    script(simulator, kind="redirect", location="http://10.0.0.1/secret", **extra)

    answer = provider.download(url, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (status, "http://10.0.0.1/secret")
