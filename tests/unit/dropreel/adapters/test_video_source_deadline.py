"""The deadline of a whole download."""

import pytest

from dropreel.adapters import video_source
from dropreel.adapters.http import Session
from dropreel.adapters.video_source import VideoSource
from dropreel.domain.errors import VideoFault
from tests.support.deadlines import deadline_threads, open_files, open_files_fall_to, record_deadlines
from tests.support.downloads import CDN, CHUNKED_HEAD, HEAD, OPEN_HEAD, SLOW, TARGET, fault_of, fetch
from tests.support.scripted_server import ScriptedServer
from tests.support.tiny_video import box, tiny_video

pytestmark = pytest.mark.usefixtures("_short_timeouts")


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_response_ends_at_the_deadline(server: ScriptedServer, name):
    sends, slow = SLOW[name]
    server.plays(sends, slow)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("sends", [b"", b"HTTP/1.1 200", HEAD, OPEN_HEAD, HEAD + tiny_video()[:500]])
def test_a_stalled_response_ends_at_the_deadline(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.played_out == 0


def test_a_stalled_body_is_reported_with_its_size(server: ScriptedServer, monkeypatch):
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (10, 10))
    deadlines = record_deadlines(monkeypatch, video_source)
    start = tiny_video() + box(b"free", bytes(100_000))
    server.plays(CHUNKED_HEAD + b"%x\r\n%b\r\n" % (len(start), start), hangs=True)
    server.sent = deadlines.expire_soon

    assert fault_of(server) == "the download took longer than 800 seconds and was given up after 65,536 bytes"
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
def test_a_body_cut_by_the_deadline_is_a_fault_even_with_whole_boxes(server: ScriptedServer):
    server.plays(OPEN_HEAD + tiny_video(), hangs=True)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.played_out == 0


def test_the_deadline_is_for_all_redirects_together(server: ScriptedServer, monkeypatch):
    monkeypatch.setattr(video_source, "DOWNLOAD_SECONDS", 0.2)
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (10, 10))
    server.plays(f"HTTP/1.1 302 Found\r\nLocation: {server.base_url}/\r\nX: ".encode(), b"y" * 10 + b"\r\n\r\n")

    assert "took longer than 0.2 seconds" in fault_of(server)


@pytest.mark.usefixtures("_short_deadline")
def test_a_location_cut_by_the_deadline_is_not_followed(server: ScriptedServer, monkeypatch):
    sessions: list[Session] = []

    def entered(session: Session) -> Session:
        sessions.append(session)
        return session

    monkeypatch.setattr(Session, "__enter__", entered)
    server.plays(f"HTTP/1.1 302 Found\r\nLocation: {server.base_url}/else".encode(), hangs=True)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert (len(sessions), server.connections) == (1, 1)


def test_time_between_reads_counts_for_the_deadline(server: ScriptedServer, monkeypatch):
    deadlines = record_deadlines(monkeypatch, video_source)
    server.answers(200, tiny_video())

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        stream.read(10)
        deadlines.expire()
        with pytest.raises(VideoFault, match="took longer than 800 seconds"):
            stream.read()


def test_a_video_that_was_read_to_its_end_in_time_stays_whole(server: ScriptedServer, monkeypatch):
    deadlines = record_deadlines(monkeypatch, video_source)
    server.answers(200, tiny_video())

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        found = stream.read()
        deadlines.expire()
        end = stream.read(1)

    assert (found, end) == (tiny_video(), b"")


def test_downloads_leave_no_file_and_no_thread(server: ScriptedServer):
    before = open_files()

    for turn in range(20):
        if turn % 2:
            server.answers(200, tiny_video())
            fetch(server.base_url + TARGET, server.base_url)
        else:
            server.answers(302, b"x" * 1000, Location=f"{server.base_url}/elsewhere")
            fault_of(server)

    assert open_files_fall_to(before)
    assert deadline_threads() == []


@pytest.mark.usefixtures("_short_deadline")
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_response_over_https_ends_at_the_deadline(cdn, name):
    running = cdn("cdn.example")
    running.plays(*SLOW[name])

    with pytest.raises(VideoFault, match=r"took longer than 0\.1 seconds"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
def test_a_body_over_https_cut_by_the_deadline_is_a_fault(cdn):
    running = cdn("cdn.example")
    running.plays(OPEN_HEAD + tiny_video(), hangs=True)

    with pytest.raises(VideoFault, match=r"took longer than 0\.1 seconds"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.played_out == 0


@pytest.mark.usefixtures("_short_deadline")
def test_a_slow_response_after_a_redirect_ends_at_the_deadline(server: ScriptedServer, cdn):
    server.answers(302, b"", Location=CDN)
    running = cdn("cdn.example")
    running.plays(HEAD, bytes(300))

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert running.played_out == 0
