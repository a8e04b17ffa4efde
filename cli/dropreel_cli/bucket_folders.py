"""What lies in the uploads bucket: listed a folder at a time, so that 10,000 images need ten requests and not 10,000."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from dropreel.adapters.image_bucket import ImageBucket
from dropreel.domain.option_files import ENDING, MAX_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_s3 import S3Client

    from dropreel.domain.images import Missing

_MIN_PAGES = 10
_KEPT_FOLDERS = 16


class StoredObject(NamedTuple):
    """An object as the list has it: its size in bytes and its entity tag."""

    size: int
    etag: str


@dataclass(frozen=True)
class Listing:
    """A folder of the bucket: the keys of its JSON files in their order, and the objects under keys of interest."""

    option_keys: list[str]
    objects: dict[str, StoredObject]


class BucketFolders:
    """Answers what is in a bucket. Threads can share it. Raises botocore's ClientError.

    `wanted`: the number of keys of interest in each folder (`a/b/`), and `is_wanted` finds them. A folder with far more
    objects than these is not listed; its images are then looked up one by one.
    """

    def __init__(
        self, client: S3Client, bucket: str, wanted: Mapping[str, int], is_wanted: Callable[[str], bool]
    ) -> None:
        self.client, self.bucket = client, bucket
        self._wanted, self._is_wanted = wanted, is_wanted
        self._images = ImageBucket(client)
        self._listings: OrderedDict[str, Listing | None] = OrderedDict()
        self._lock = threading.Lock()
        self._list_keys = lru_cache(4096)(self._images.list_keys)
        self.read_file: Callable[[str], bytes | Missing] = lru_cache(64)(self._read_file)

    def list_keys(self, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        """Return keys with a prefix, as S3 lists them; of a listed folder, only its JSON files."""
        folder = _folder(prefix)
        listing = None if prefix.endswith("/") or folder not in self._wanted else self._listing(folder)
        if listing is None:
            return self._list_keys(self.bucket, prefix, after, most)
        start = bisect_right(listing.option_keys, max(after, prefix))
        return [key for key in listing.option_keys[start : start + most] if key.startswith(prefix)], False

    def find(self, key: str) -> StoredObject | None:
        """Return the object with this key."""
        listing = self._listing(_folder(key))
        if listing is not None:
            return listing.objects.get(key)
        head = self.head(key)
        return None if head is None else StoredObject(head["ContentLength"], head["ETag"])

    def head(self, key: str) -> Any:
        """Return S3's answer to a HEAD of the key, None where there is no object."""
        try:
            return self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def _read_file(self, key: str) -> bytes | Missing:
        return self._images.read_file(self.bucket, key, MAX_FILE_BYTES + 1)

    def _listing(self, folder: str) -> Listing | None:
        with self._lock:
            if folder not in self._listings:
                listing = self._list(folder)
                while len(self._listings) >= _KEPT_FOLDERS:
                    self._listings.popitem(last=False)
                self._listings[folder] = listing
            return self._listings[folder]

    def _list(self, folder: str) -> Listing | None:
        pages = max(_MIN_PAGES, self._wanted.get(folder, 0))
        option_keys, objects = [], {}
        paginator = self.client.get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=self.bucket, Prefix=folder, Delimiter="/"):
            pages -= 1
            for each in page.get("Contents", []):
                key = each["Key"]
                if key.lower().endswith(ENDING):
                    option_keys.append(key)
                if self._is_wanted(key):
                    objects[key] = StoredObject(each["Size"], each["ETag"])
            if not pages and page.get("IsTruncated"):
                return None
        return Listing(sorted(option_keys), objects)


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
