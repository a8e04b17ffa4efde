"""One step of a function as a process of its own, for its time and memory: `python -m benchmarks.run_step STEP ...`.

The environment is the function's, and its folder is on the path. Only the tables and the event bus are left out.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime


def deliver(url: str, key: str) -> dict[str, object]:
    """Deliver a video as DeliverVideoFunction does: hashed, checked, and uploaded as it comes."""
    import handler  # type: ignore[import-not-found]  # noqa: F401 - for its time and memory

    from dropreel.wiring import deliver_video

    use_case = deliver_video()
    with use_case.source.open(url) as stream:
        use_case.videos.put(key, stream, {"job-id": "bench"})
    return {"size": stream.size, "seconds": stream.facts.duration_seconds}


def submit(bucket: str, key: str) -> dict[str, object]:
    """Submit an image as SubmitGenerationFunction does: read from S3, validated, its address presigned, the request sent."""
    import handler  # noqa: F401 - for its time and memory

    from dropreel.domain.images import ImageRef
    from dropreel.domain.job import receive
    from dropreel.domain.messages import Drop
    from dropreel.provider.limits import CONTENT_TYPES
    from dropreel.use_cases.find_job import image_of
    from dropreel.wiring import submit_generation

    use_case = submit_generation()
    drop = Drop(ImageRef(bucket, key))
    validated = use_case.validator.validate(drop, receive("job", image_of(drop), datetime.now(UTC)))
    if validated.image is None or validated.job.options is None:
        raise RuntimeError(f"the image is not accepted: {validated.reason}")
    url = validated.image.presigned_url(CONTENT_TYPES[validated.job.image.format or ""])
    use_case.provider.prepare(validated.job.options, url).send()
    return dict(validated.job.image.as_json())


def copy_whole(url: str, bucket: str, key: str) -> dict[str, object]:
    """Copy a video as a first script would: the whole body in memory, then one PUT."""
    import boto3
    import requests

    body = requests.get(url, timeout=20).content
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return {"size": len(body)}


if __name__ == "__main__":
    steps: dict[str, Callable[..., dict[str, object]]] = {f.__name__: f for f in (deliver, submit, copy_whole)}
    print(json.dumps(steps[sys.argv[1]](*sys.argv[2:])))
