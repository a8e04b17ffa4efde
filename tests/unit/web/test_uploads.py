"""Uploads of the board: what was confirmed, its faults, its end."""

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dropreel_cli.uploading import Uploader
from dropreel_cli.web import drafts
from tests.support.pictures import jpeg
from tests.unit.web.board_drop import Drop


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (EndpointConnectionError(endpoint_url="https://s3.invalid"), "Check the region and your network connection"),
        (
            ClientError(
                {"Error": {"Code": "AccessDenied", "Message": "no s3:PutObject"},
                 "ResponseMetadata": {"HTTPStatusCode": 403}},  # type: ignore[typeddict-item]
                "PutObject",
            ),
            "not allowed to do this: no s3:PutObject",
        ),
    ],
)  # fmt: skip
def test_an_upload_that_fails_says_why_and_is_tried_again_with_its_options(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, fault: Exception, said: str
) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan(options={"mode": "hq"}, to="shop")

    def fails(*_: Any) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(Uploader, "_put", fails)
        drop.upload()
        drop.ended()

    page = drop.client.get("/videos").text
    assert said in page
    assert "No image was uploaded." in page
    assert drop.keys == []
    drop.plan(same=True)
    drop.upload()
    assert drop.ended().is_whole
    assert drop.keys == ["shop/a.jpg"]
    assert "1 image uploaded, $0.94." in drop.client.get("/videos").text


def fail_on(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the upload of one image fail, as without a network."""
    put = Uploader._put

    def fails(uploader: Uploader, planned: Any) -> Any:
        if planned.key == key:
            raise EndpointConnectionError(endpoint_url="https://s3.invalid")
        return put(uploader, planned)

    monkeypatch.setattr(Uploader, "_put", fails)


@pytest.mark.parametrize("again", [False, True])
def test_trying_again_uploads_nothing_a_second_time(drop: Drop, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    drop.put("a.jpg", jpeg())
    drop.put("b.jpg", jpeg(comment=b"other"))
    drop.put("c.jpg", jpeg())
    drop.plan(again=again)
    with monkeypatch.context() as patch:
        fail_on("b.jpg", patch)
        drop.upload()
        drop.ended()
    before = drop.keys

    page = drop.plan(same=True).text
    drop.upload()
    drop.ended()

    assert "a.jpg" in before
    assert "Make 1 video for $0.47" in page or again
    assert sorted(drop.keys) == (["a.jpg", "b.jpg", "c.jpg"] if again else ["a.jpg", "b.jpg"])


def test_closing_removes_the_files_and_the_draft(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())

    answer = drop.client.delete(f"/drops/{drop.id}")

    assert answer.json() == {"removed": True}
    assert not drop.draft.folder.exists()
    assert drop.plan().status_code == 404
    assert "Drop the files again" in drop.put("b.jpg", jpeg()).json()["error"]


def uploads_that_wait(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let each upload wait, for 10 s at most, until the event that is returned is set."""
    may_go, put = threading.Event(), Uploader._put

    def waits(uploader: Uploader, planned: Any) -> Any:
        may_go.wait(10)
        return put(uploader, planned)

    monkeypatch.setattr(Uploader, "_put", waits)
    return may_go


def test_an_upload_that_has_begun_is_not_lost_by_closing(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()
    may_go = uploads_that_wait(monkeypatch)
    drop.upload()

    answer = drop.client.delete(f"/drops/{drop.id}")
    page = drop.client.get("/videos").text
    adding = drop.put("b.jpg", jpeg())
    may_go.set()
    drop.ended()

    assert answer.json() == {"removed": False}
    assert "Uploading: 0 of 1 image" in page
    assert "the upload continues" in page
    assert adding.status_code == 409
    assert drop.keys == ["a.jpg"]


def test_the_uploads_are_sent_as_events_until_they_end(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()
    drop.upload()
    drop.ended()

    events = drop.client.get("/drops/events").text

    assert events.startswith("event: uploads\ndata: ")
    assert "1 image uploaded, $0.47." in events
    assert events.endswith("event: end\ndata: {}\n\n")


def test_the_boards_end_stops_an_upload_and_says_what_was_uploaded(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        drop.put(f"{number:02}.jpg", jpeg(comment=str(number).encode()))
    drop.plan()
    may_go = uploads_that_wait(monkeypatch)
    drop.upload(confirmed=60 * 47)
    threading.Timer(0.3, may_go.set).start()

    drop.board.site.drafts.close()

    uploaded = len(drop.keys)
    assert 0 < uploaded < 60
    cents = uploaded * 47 / 100
    assert drop.board.site.drafts.sentences == [
        f"{uploaded} of 60 images were uploaded: they become videos and are charged (${cents:.2f})."
    ]
    assert not drop.draft.folder.parent.exists()


def test_what_an_upload_of_hours_has_left_out_stays_for_an_hour(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()
    uploads, hours = drop.board.site.drafts, [0.0]
    monkeypatch.setattr(uploads, "_now", lambda: drop.draft.used_at + 1 if not hours[0] else hours[0])

    def fail(*_: Any) -> Any:
        hours[0] = drop.draft.used_at + 3 * drafts.IDLE_SECONDS
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(Uploader, "upload", fail)
    drop.upload()
    drop.ended()

    uploads.remove_unused()

    assert [draft.upload and bool(draft.upload.error) for draft in uploads.uploads] == [True]


def test_drops_that_were_uploaded_whole_keep_no_other_out(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_DRAFTS", 1)
    drop.put("a.jpg", jpeg())
    drop.plan()
    assert drop.client.post("/drops", json={}).status_code == 409
    drop.upload()
    drop.ended()

    assert drop.client.post("/drops", json={}).status_code == 200
