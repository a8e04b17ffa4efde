"""`dropreel plan`, as an installed process against the local cloud."""

import json
import shutil
from pathlib import Path

from tests.e2e.conftest import SAMPLE, Account, InstalledCommand
from tests.support.photographs import small_jpeg


def folder_with(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return folder


def test_a_folder_is_planned_without_an_upload(account: Account, dropreel: InstalledCommand, tmp_path: Path) -> None:
    to = account.new_key("").rstrip("/")
    account.put(f"{to}/dropreel.json", b'{"cfg_scale": 0.25}')
    folder = folder_with(
        tmp_path, a_jpg=SAMPLE.read_bytes(), b_jpg=SAMPLE.read_bytes(), c_txt=b"text", d_jpg=small_jpeg(),
        d_jpg_json=b'{"mode": "hq"}',
    )  # fmt: skip
    (folder / "\u001b[31mred.jpg").write_bytes(b"no image")
    (folder / "loop").symlink_to(folder, target_is_directory=True)

    done = dropreel.run("plan", str(folder), "--to", to, "--duration", "10", "--local")
    as_json = dropreel.run("plan", str(folder), "--to", to, "--duration", "10", "--local", "--json")

    assert done.returncode == as_json.returncode == 1
    assert "\u001b" not in done.stdout
    assert "\\x1b[31mred.jpg" in done.stdout
    assert "duplicate: the same picture and options as" in done.stdout
    assert f"mode=hq ({to}/d.jpg.json)" in done.stdout
    assert "duration=10 (command line)" in done.stdout
    assert f"cfg_scale=0.25 ({to}/dropreel.json)" in done.stdout
    assert "$2.81 for 2 videos; up to $5.62 if generations fail" in done.stdout
    document = json.loads(as_json.stdout)
    found = {image["key"].removeprefix(f"{to}/"): (image["verdict"], image["cost_usd"]) for image in document["images"]}
    assert found == {
        "a.jpg": ("submitted", 0.94),
        "b.jpg": ("duplicate", 0.94),
        "c.txt": ("refused", 0.0),
        "d.jpg": ("submitted", 1.87),
        "\u001b[31mred.jpg": ("refused", 0.0),
        "loop/": ("skipped", 0.0),
    }
    listed = account.client("s3").list_objects_v2(Bucket=account.uploads, Prefix=f"{to}/")
    assert [one["Key"] for one in listed["Contents"]] == [f"{to}/dropreel.json"]


def test_images_in_s3_are_planned_with_their_jobs(account: Account, dropreel: InstalledCommand) -> None:
    key = account.new_key("shop/a.jpg")
    account.put(key, metadata={"mode": "hq"})
    account.ended(key)

    document = dropreel.json("plan", f"s3://{account.uploads}/{key.rpartition('/')[0]}")

    (image,) = document["images"]
    assert (image["verdict"], image["job_status"], image["option_sources"]["mode"]) == (
        "present",
        "completed",
        "S3 metadata",
    )
    assert document["total_usd"] == 0


def test_a_wrong_call_is_a_sentence(account: Account, dropreel: InstalledCommand, tmp_path: Path) -> None:
    image = tmp_path / "a.jpg"
    shutil.copy(SAMPLE, image)
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, status, sentence in (
        (["nope.jpg"], 2, "There is no file or folder nope.jpg"),
        ([], 2, "Missing argument"),
        ([str(image), "--mode", "fsat"], 2, "did you mean fast?"),
        ([str(image), "--to", "../x"], 2, "no . or .."),
        (["s3://nobody/x"], 2, f"s3://{account.uploads}/"),
        ([f"s3://{account.uploads}/", str(image)], 2, "is planned alone"),
        ([str(empty)], 6, "no files"),
        ([f"s3://{account.uploads}/{account.new_key('none')}"], 6, "no files"),
    ):
        done = dropreel.run("plan", *arguments, "--local")
        assert done.returncode == status, (arguments, done)
        assert sentence in done.stdout + done.stderr, arguments
        assert "Traceback" not in done.stderr
