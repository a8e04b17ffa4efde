"""The sides of the delivery benchmark, each run as a process: `python -m benchmarks.delivery_sides SIDE URL BUCKET KEY`.

Each imports no more than it needs, so that its memory is its own.
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

_PIECE = 256 * 1024


def ours(url: str, bucket: str, key: str) -> dict[str, object]:
    """Deliver as DeliverVideoFunction does: its handler imported, its use case wired, the bytes hashed and walked."""
    parts = urlsplit(url)
    os.environ |= {
        "JOBS_TABLE_NAME": "jobs",
        "STACK_NAME": "dropreel",
        "EVENT_BUS_NAME": "default",
        "API_KEY_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:key",
        "API_BASE_URL": f"{parts.scheme}://{parts.netloc}",
        "MAX_VIDEO_BYTES": str(4 * 1024**3),
        "VIDEOS_BUCKET_NAME": bucket,
    }
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions" / "deliver_video"))
    import handler  # type: ignore[import-not-found]  # noqa: F401 - found by the path above; for its time and memory

    from dropreel.wiring import deliver_video

    use_case = deliver_video()
    with use_case.source.open(url) as stream:
        use_case.videos.put(key, stream, {"job-id": "bench"})
    return {"size": stream.size, "sha256": stream.sha256, "seconds": stream.facts.duration_seconds}


def naive(url: str, bucket: str, key: str) -> dict[str, object]:
    """Deliver as a first script would: the whole body in memory, then one PUT."""
    import boto3
    import requests

    body = requests.get(url, timeout=20).content
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return {"size": len(body)}


def floor(url: str, _bucket: str, _key: str) -> dict[str, object]:
    """Read and hash the same bytes, and do nothing with them."""
    import hashlib
    from http.client import HTTPConnection

    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=20)
    connection.request("GET", parts.path)
    digest, size = hashlib.sha256(), 0
    with connection.getresponse() as answer:
        buffer = bytearray(_PIECE)
        while count := answer.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
            size += count
    return {"size": size, "sha256": digest.hexdigest()}


if __name__ == "__main__":
    side, *where = sys.argv[1:]
    sys.stdout.write(json.dumps({"ours": ours, "naive": naive, "floor": floor}[side](*where)) + "\n")
