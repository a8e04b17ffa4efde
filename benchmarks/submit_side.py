"""One submission as a process, for its memory: `python -m benchmarks.submit_side KEY`, in the function's environment.

All that SubmitGenerationFunction does with an image: its handler imported, its use case wired, the image read from S3, hashed
and validated, its address presigned, the request to the provider prepared and sent. Only the tables are left out.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Do it, and print what was found of the image as JSON."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "functions" / "submit_generation"))
    import handler  # type: ignore[import-not-found]  # noqa: F401 - found by the path above; for its memory

    from dropreel.images import CONTENT_TYPES
    from dropreel.jobs import ImageRef
    from dropreel.messages import Drop
    from dropreel.wiring import submit_generation

    use_case = submit_generation()
    judged = use_case.judge.judge(Drop(ImageRef(os.environ["IMAGE_BUCKET_NAMES"], sys.argv[1])))
    assert judged is not None  # noqa: S101 - no newer upload took its place
    assert judged.image is not None, judged.job.reason  # noqa: S101 - it is there
    url = judged.image.presigned_url(CONTENT_TYPES[judged.job.image["format"]])
    use_case.provider.prepare({**judged.job.options, "image_url": url}).send()
    sys.stdout.write(json.dumps(judged.job.image) + "\n")


if __name__ == "__main__":
    main()
