"""Uploads planned images: option files first, several files at once, and never the same one twice."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dropreel.domain.images import ImageRef
from dropreel.domain.job import job_id_of
from dropreel.domain.messages import pinned_version
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel_cli.local_files import cannot_be_read
from dropreel_cli.local_images import sha256_of
from dropreel_cli.option_metadata import CONTENT_HASH, OPTIONS_HASH, option_metadata, options_hash
from dropreel_cli.planning import PlannedImage, in_order, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from dropreel_cli.bucket_folders import BucketFolders
    from dropreel_cli.local_images import LocalImages
    from dropreel_cli.plan_sources import PlannedFiles
    from dropreel_cli.stack import Stack

UPLOAD_ID = "dropreel-upload"
"""The metadata with a random number of each upload: it shows whether a PUT without an answer has arrived."""
PART_BYTES = 8 * 1024 * 1024
WORKERS = 4
TRIES = 4
_CHANGED = "it was changed after it was checked"
_TAKEN = "another upload with this key came first"


def upload_unchecked(stack: Stack, path: Path, options: Mapping[str, str], key: str | None = None) -> ImageRef:
    """Upload a file as any S3 client does, whatever it is and whatever is there: for where nothing is paid."""
    bucket, key = stack.outputs["UploadsBucketName"], key or path.name
    with path.open("rb") as content:  # not read into memory: a scan that is prepared may have a gigabyte
        answer = stack.client("s3").put_object(Bucket=bucket, Key=key, Body=content, Metadata=option_metadata(options))
    return ImageRef(bucket, key, answer["VersionId"])


@dataclass(frozen=True)
class Upload:
    """An uploaded image. `job_id` is None in a bucket without versions."""

    planned: PlannedImage
    version_id: str | None
    job_id: str | None


@dataclass(frozen=True)
class FailedUpload:
    """An image that was not uploaded, and why. Nothing is charged for it."""

    planned: PlannedImage
    message: str


class _NotUploaded(Exception):
    """The image was not uploaded; the message says why."""


class _Outdated(Exception):
    """The image was not uploaded: it is not what the plan has seen. The message says what has changed."""


@dataclass
class Uploader:
    """Uploads images. A write is conditional on what the plan has seen, so that two calls do not upload the same image twice.

    `client` retries; `single` does not, for requests that must not arrive twice. `on_bytes` and `on_upload` are
    called by several threads, for each piece and each uploaded image. `advice` is what to do about an image that has
    changed meanwhile, here or there. Raises botocore's errors where S3 refuses or is gone.
    """

    client: Any
    single: Any
    bucket: str
    images: LocalImages
    folders: BucketFolders
    options: Mapping[str, str]
    on_bytes: Callable[[int], None] = lambda _: None
    on_upload: Callable[[PlannedImage], None] = lambda _: None
    advice: str = "run the same command again"
    sleep: Callable[[float], None] = time.sleep
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, stack: Stack, files: PlannedFiles, options: Mapping[str, str], **others: Any) -> Uploader:
        """Return an uploader of planned files, with clients of the stack's session."""
        once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
        session: Any = stack.session
        single = session.client("s3", endpoint_url=stack.endpoint_url, config=once)
        return cls(stack.client("s3"), single, files.bucket, files.images, files.folders, options, **others)

    def stop(self) -> None:
        """Let a large file that is being uploaded end early; may be called from another thread."""
        self._stop.set()

    def upload(self, planned: list[PlannedImage]) -> Generator[Upload | FailedUpload, None, None]:
        """Upload option files, then the images in their order, and yield each. What has begun ends when the caller stops."""
        option_keys = dict.fromkeys(key for image in planned for key in image.option_files)
        results = in_order(self._upload_option_file, option_keys, WORKERS)
        faults = {key: fault for key, fault in results if fault}

        def upload(image: PlannedImage) -> Upload | FailedUpload:
            fault = next((f"{key}: {faults[key]}" for key in image.option_files if key in faults), None)
            return FailedUpload(image, fault) if fault else self._upload(image)

        yield from in_order(upload, planned, WORKERS, self._stop.set)

    def _upload_option_file(self, key: str) -> tuple[str, str | None]:
        """Upload an option file unless it is there with the same content. Return its key, and why it was not possible."""
        try:
            content = self.images.content_of(key)
        except OSError as error:
            return key, cannot_be_read(error)
        there = self.folders.find(key)
        if there is None or there.size != len(content) or self.folders.read_file(key) != content:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType="application/json")
        return key, None

    def _upload(self, planned: PlannedImage) -> Upload | FailedUpload:
        try:
            version_id = self._put(planned) if _is_put_whole(planned) else self._put_in_parts(planned)
        except OSError as error:
            return FailedUpload(planned, unreadable(error, planned.path))
        except _NotUploaded as error:
            return FailedUpload(planned, str(error))
        except _Outdated as error:
            return FailedUpload(planned, f"{error}; {self.advice}")
        self.on_upload(planned)
        pinned = pinned_version(version_id)
        job_id = job_id_of(ImageRef(self.bucket, planned.key, pinned)) if pinned else None
        return Upload(planned, pinned, job_id)

    def _put(self, planned: PlannedImage) -> str | None:
        with Path(planned.path).open("rb") as file:
            content = file.read((planned.size or 0) + 1)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != planned.sha256:
            raise _Outdated(_CHANGED)
        settings = self._settings(planned, sha256)

        def put() -> Any:
            return self.single.put_object(
                Bucket=self.bucket, Key=planned.key, Body=content, **settings, **_condition(planned)
            )

        version_id = self._write(planned, put, settings["Metadata"])
        self.on_bytes(len(content))
        return version_id

    def _put_in_parts(self, planned: PlannedImage) -> str | None:
        """Upload a large file part by part: it is not held in memory, and it is in the bucket whole or not at all."""
        sha256 = planned.sha256 or sha256_of(planned.path)
        settings = self._settings(planned, sha256)
        where = {"Bucket": self.bucket, "Key": planned.key}
        part_bytes = PART_BYTES + (secrets.randbelow(PART_BYTES) if planned.replaces else 0)
        with Path(planned.path).open("rb") as file:
            where["UploadId"] = self.client.create_multipart_upload(**where, **settings)["UploadId"]
            try:
                parts = list(self._parts(file, where, sha256, part_bytes))

                def complete() -> Any:
                    return self.single.complete_multipart_upload(
                        **where, MultipartUpload={"Parts": parts}, **_condition(planned)
                    )

                return self._write(planned, complete, settings["Metadata"])
            except BaseException:
                self.client.abort_multipart_upload(**where)
                raise

    def _parts(self, file: IO[bytes], where: dict[str, str], sha256: str, part_bytes: int) -> Iterator[dict[str, Any]]:
        """Upload the parts. Raises _NotUploaded where the bytes are not those with this SHA-256."""
        digest = hashlib.sha256()
        number = 0
        while piece := file.read(part_bytes):
            if self._stop.is_set():
                raise _NotUploaded("it was stopped")
            number += 1
            digest.update(piece)
            answer = self.client.upload_part(**where, PartNumber=number, Body=piece)
            self.on_bytes(len(piece))
            yield {"PartNumber": number, "ETag": answer["ETag"]}
        if digest.hexdigest() != sha256:
            raise _Outdated(_CHANGED)

    def _settings(self, planned: PlannedImage, sha256: str) -> dict[str, Any]:
        metadata = {CONTENT_HASH: sha256, UPLOAD_ID: secrets.token_hex(8)}
        if self.images.uses_sidecars:
            metadata[OPTIONS_HASH] = options_hash(self.options)
        else:
            metadata |= option_metadata(self.options)
        content_type = f"image/{planned.format.lower()}" if planned.format else "application/octet-stream"
        return {"Metadata": metadata, "ContentType": content_type}

    def _write(self, planned: PlannedImage, write: Callable[[], Any], metadata: Mapping[str, str]) -> str | None:
        """Send the request that makes the object, and return the version. After a fault, look first whether it has arrived."""
        for left in reversed(range(TRIES)):
            try:
                version_id: str | None = write().get("VersionId")
            except (ClientError, BotoCoreError) as error:
                there = self.folders.head(planned.key)
                if there is not None and _is_this(there["Metadata"], metadata, planned):
                    return there.get("VersionId")  # type: ignore[no-any-return]
                if _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
                    raise _Outdated(_TAKEN) from error
                # Without an answer it may still arrive; where it replaces an object, a second one would, too.
                if not left or not _is_retryable(error) or (planned.replaces and not _code(error)):
                    raise
                self.sleep(2.0 ** (TRIES - left))
            else:
                return version_id
        raise AssertionError("unreachable")


def _is_this(there: Mapping[str, str], metadata: Mapping[str, str], planned: PlannedImage) -> bool:
    """Return whether the object is this upload, or where none was there, another one with the same content and options."""
    if there.get(UPLOAD_ID) == metadata[UPLOAD_ID]:
        return True
    without_id = [{name: value for name, value in each.items() if name != UPLOAD_ID} for each in (there, metadata)]
    return planned.replaces is None and without_id[0] == without_id[1]


def _is_put_whole(planned: PlannedImage) -> bool:
    """Return whether an image is uploaded by one request.

    The same content with other options has the same entity tag, which the condition of a second call would match. Where an
    image is replaced, it is thus uploaded in the other form, or in parts of another size: then its entity tag changes.
    """
    is_small = (planned.size or 0) <= MAX_IMAGE_BYTES
    return is_small and (planned.replaces is None or "-" in planned.replaces)


def _condition(planned: PlannedImage) -> dict[str, str]:
    return {"IfMatch": planned.replaces} if planned.replaces else {"IfNoneMatch": "*"}


def _code(error: ClientError | BotoCoreError) -> str:
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def _is_retryable(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status >= 500 or _code(error) in ("RequestTimeout", "SlowDown")
    return True
