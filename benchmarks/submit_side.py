"""One submission as a process, for its memory: `python -m benchmarks.submit_side KEY`, in the function's environment.

All that SubmitGenerationFunction does with an image: its handler imported, its use case wired, the image read from S3, hashed
and validated, its address presigned, the request to the provider prepared and sent. Only the tables are left out.
"""

import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path


def main() -> None:
    """Do it, and print what was found of the image as JSON."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions" / "submit_generation"))
    import handler  # type: ignore[import-not-found]  # noqa: F401 - found by the path above; for its memory

    from dropreel.domain.job import ImageRef, receive
    from dropreel.domain.messages import Drop
    from dropreel.media.images.reader import CONTENT_TYPES
    from dropreel.use_cases.find_job import image_of
    from dropreel.wiring import submit_generation

    use_case = submit_generation()
    drop = Drop(ImageRef(os.environ["IMAGE_BUCKET_NAMES"], sys.argv[1]))
    validated = use_case.validator.validate(drop, receive("job", image_of(drop), datetime.now(UTC)))
    assert validated.image is not None, validated.reason  # noqa: S101 - it is there
    assert validated.job.options is not None, validated.reason  # noqa: S101 - it is a usable image
    url = validated.image.presigned_url(CONTENT_TYPES[validated.job.image.format or ""])
    use_case.provider.prepare({**asdict(validated.job.options), "image_url": url}).send()
    sys.stdout.write(json.dumps(validated.job.image.as_json()) + "\n")


if __name__ == "__main__":
    main()
