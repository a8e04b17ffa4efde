"""Dropping images on the board: a draft, its plan, and one upload of what was confirmed."""

import shutil
import threading
from typing import Any

import pytest

from dropreel_cli.stack import Stack
from dropreel_cli.web import drafts, drops
from tests.support.drop_stack import UPLOADS
from tests.support.phone_pictures import photograph
from tests.support.pictures import jpeg, png
from tests.unit.web.board_drop import Drop

ODD = "a'\"b\n<img src=x onerror=alert(1)>é 🐢.jpg"


def test_files_are_planned_priced_and_nothing_is_sent(drop: Drop) -> None:
    drop.put("holiday/a.jpg", jpeg())
    drop.put("holiday/b.heic", photograph("HEIC", (1024, 1024)))
    drop.put("holiday/text.jpg", b"not a picture")
    drop.put("holiday/.DS_Store", b"desktop")

    page = drop.plan().text

    assert "Make 2 videos for $0.94" in page
    assert "<strong>prepared</strong>: the provider does not take this format" in page
    assert '<li class="refused">' in page
    assert "not an image: a file of the desktop" in page
    assert "up to $1.88 if generations fail (MaxAttempts 2)" in page
    assert "no daily limit" in page
    assert drop.keys == []


def test_what_was_confirmed_is_uploaded_once_with_its_options(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan(options={"prompt": "slow zoom", "mode": "hq"}, to="/shop/summer/")
    planned = drop.draft.planned
    assert planned is not None

    first = drop.upload()
    again = [drop.upload(plan=planned.token, cents=94) for _ in range(3)]
    drop.ended()

    assert (first.status_code, first.json()) == (202, {"begun": True})
    assert [answer.json() for answer in again] == [{"begun": False}] * 3
    assert drop.keys == ["shop/summer/a.jpg"]
    metadata = drop.stack.client("s3").head_object(Bucket=UPLOADS, Key="shop/summer/a.jpg")["Metadata"]
    assert (metadata["prompt"], metadata["mode"]) == ("slow zoom", "hq")
    assert "sound" not in metadata


def test_many_requests_at_once_begin_one_upload(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()
    planned = drop.draft.planned
    assert planned is not None
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(drop.upload(plan=planned.token, cents=47).status_code))
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drop.ended()

    assert sorted(answers) == [200] * 7 + [202]
    assert drop.keys == ["a.jpg"]


@pytest.mark.parametrize("change", [{"plan": "other"}, {"cents": 46}, {"cents": None}, {"cents": "47"}])
def test_another_plan_or_price_than_the_page_has_shown_is_refused(drop: Drop, change: dict[str, Any]) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()

    answer = drop.upload(**change)

    assert answer.status_code == 409
    assert "price" in answer.json()["error"]
    assert drop.keys == []


def test_a_plan_is_void_once_a_file_or_an_option_has_changed(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()
    old = drop.draft.planned
    assert old is not None
    drop.put("b.jpg", jpeg(comment=b"other"))

    after_file = drop.upload(plan=old.token, cents=47)
    drop.plan(options={"mode": "hq"})
    after_option = drop.upload(plan=old.token, cents=47)

    assert (after_file.status_code, after_option.status_code) == (409, 409)
    assert drop.keys == []


def test_a_price_that_has_changed_in_the_stack_is_shown_first(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.put("a.jpg", jpeg())
    drop.plan()
    prices = {"PricesUsd": "fast-5=0.60 fast-10=0.94 hq-5=0.94 hq-10=1.87"}
    raised = Stack("shop", drop.stack.outputs, drop.stack.session, parameters={**drop.stack.parameters, **prices})
    monkeypatch.setattr(Stack, "renewed", lambda _: raised)

    answer = drop.upload()

    assert answer.status_code == 409
    assert "have changed" in answer.json()["error"]
    assert drop.keys == []
    assert "Make 1 video for $0.60" in drop.plan().text


def test_every_part_of_the_board_has_the_limit_that_a_plan_was_made_with(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = {"DailySpendLimitUsd": "2.50"}
    lowered = Stack("shop", drop.stack.outputs, drop.stack.session, parameters={**drop.stack.parameters, **limit})
    drop.put("a.jpg", jpeg())
    monkeypatch.setattr(Stack, "renewed", lambda _: lowered)

    assert "daily limit $2.50" in drop.plan().text

    assert drop.board.site.limit.cents == 250


def test_above_the_limit_of_the_command_the_price_is_confirmed(drop: Drop) -> None:
    for number in range(11):
        drop.put(f"{number}.jpg", jpeg(comment=str(number).encode()))
    page = drop.plan().text

    unconfirmed = drop.upload()
    other = drop.upload(confirmed=500)
    confirmed = drop.upload(confirmed=517)
    drop.ended()

    assert "Upload 11 images? The videos cost $5.17, up to $10.34 if generations fail." in page
    assert (unconfirmed.status_code, other.status_code, confirmed.status_code) == (409, 409, 202)
    assert len(drop.keys) == 11


def test_up_to_the_limit_of_the_command_nothing_is_asked(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "ASK_ABOVE_CENTS", 47)
    drop.put("a.jpg", jpeg())

    assert "Confirm the price" not in drop.plan().text
    assert drop.upload().status_code == 202
    drop.ended()


def test_names_are_shown_as_text_and_kept_as_they_are(drop: Drop) -> None:
    decomposed = "e\u0301.jpg"
    drop.put(ODD, jpeg())
    drop.put(decomposed, jpeg(comment=b"other"))

    page = drop.plan().text
    drop.upload()
    drop.ended()

    assert "<img src=x" not in page
    assert "a&#39;&#34;b\\n&lt;img src=x" in page
    assert sorted(drop.keys) == sorted([ODD, decomposed])


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../a.jpg", "a/../../b.jpg", "a//b.jpg", "./a.jpg", "a\0.jpg", ".."]
)
def test_a_path_that_is_not_below_a_folder_is_refused(drop: Drop, path: str) -> None:
    answer = drop.put(path, jpeg())

    assert answer.status_code == 400
    assert "is no path of a file below a folder" in answer.json()["error"]
    assert drop.draft.files == {}
    assert list(drop.draft.folder.iterdir()) == []


def test_a_file_that_the_stack_cannot_take_is_not_kept(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_FILE_BYTES", 3_000_000)

    declared = drop.put("a.jpg", bytes(3_000_001))
    streamed = drop.client.put(
        f"/drops/{drop.id}/files", params={"path": "b.jpg"}, content=(bytes(1_000_000) for _ in range(5))
    )

    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert "larger than 3.0 MB" in streamed.json()["error"]
    assert list(drop.draft.folder.iterdir()) == []


def test_a_full_disk_is_named_and_nothing_half_is_kept(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 65 * 1024 * 1024

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)

    fits, full = drop.put("a.jpg", jpeg()), drop.put("b.jpg", bytes(2 * 1024 * 1024))

    assert (fits.status_code, full.status_code) == (200, 507)
    assert "is full" in full.json()["error"]
    assert [file.name for file in drop.draft.folder.iterdir()] == ["1"]


def test_more_files_than_a_page_shows_are_refused(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_FILES", 1)
    drop.put("a.jpg", jpeg())

    assert drop.put("a.jpg", png()).status_code == 200
    assert drop.put("b.jpg", jpeg()).status_code == 413


def test_options_that_are_not_valid_are_said_at_their_controls(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())
    options = {
        "prompt": "a\nb",
        "cfg_scale": "1.5",
        "duration": "7",
        "aspect_ratio": "4:3",
        "mode": "slow",
        "sound": "x",
    }

    answer = drop.plan(options=options, to="a/../b")

    assert answer.status_code == 422
    assert answer.json()["faults"].keys() == options.keys() | {"to"}
    assert "allowed is 0 to 1" in answer.json()["faults"]["cfg_scale"]
    assert drop.draft.planned is None


def test_the_controls_have_the_limits_and_prices_of_the_code(drop: Drop) -> None:
    assert 'maxlength="2500"' in drop.options
    assert "5 s $0.47, 10 s $0.94" in drop.options
    assert "fast $0.94, hq $1.87" in drop.options
    assert 'min="0" max="1" step="0.05"' in drop.options
    for ratio in ("auto", "16:9", "9:16", "1:1"):
        assert f'value="{ratio}"' in drop.options


def test_a_sidecar_and_the_folders_defaults_come_along(drop: Drop) -> None:
    drop.put("a/x.jpg", jpeg())
    drop.put("a/x.jpg.json", b'{"duration": 10}')
    drop.put("a/dropreel.json", b'{"mode": "hq"}')

    page = drop.plan().text
    drop.upload()
    drop.ended()

    assert "Make 1 video for $1.87" in page
    assert sorted(drop.keys) == ["a/dropreel.json", "a/x.jpg", "a/x.jpg.json"]


def test_defaults_that_would_hold_for_the_whole_bucket_are_named(drop: Drop) -> None:
    drop.put("x.jpg", jpeg())
    drop.put("dropreel.json", b'{"mode": "hq"}')

    assert "from then on it holds for every image below s3://uploads/." in drop.plan().text


def test_what_is_there_already_is_not_dropped_unless_again_asks(drop: Drop) -> None:
    drop.put("a.jpg", jpeg())
    drop.put("b.jpg", jpeg())
    drop.plan()
    drop.upload()
    drop.ended()
    other = Drop(drop.board, drop.stack)
    other.put("a.jpg", jpeg())
    other.put("b.jpg", jpeg())

    page, again = other.plan().text, other.plan(again=True).text

    assert "already there" in page
    assert "Nothing to make" in page
    assert "Make 2 videos for $0.94" in again
    other.plan()
    assert other.upload().status_code == 409


def test_two_pages_that_drop_the_same_image_pay_once(drop: Drop) -> None:
    other = Drop(drop.board, drop.stack)
    for each in (drop, other):
        each.put("a.jpg", jpeg())
        each.plan()

    assert [each.upload().status_code for each in (drop, other)] == [202, 202]
    for each in (drop, other):
        each.ended()

    assert drop.keys == ["a.jpg"]
