"""An image that must be prepared, uploaded to a FakeStack and brought to a step of its preparation."""

from dropreel.domain.job import Job
from dropreel.domain.messages import RetryMessage
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.fakes import FakeStoredImage

HEIC = b"\0\0\0\x18ftypheic" + bytes(range(100))
"""The first bytes of a HEIC file, which are enough to send it to Prepare Image."""
PREPARED_KEY = f"{JOB_ID}.jpg"


def upload(stack: FakeStack, content: bytes = HEIC) -> None:
    """Put an image that must be prepared into the uploads bucket, in place of the JPEG that is there."""
    stack.image.content = content
    stack.image.head = content


def start_preparation(stack: FakeStack) -> RetryMessage:
    """Upload a HEIC and deliver its event. Return the message to Prepare Image, which stays in its queue."""
    upload(stack)
    assert stack.run() == "preparing"
    ((message, _delay),) = stack.prepare_queue.sent
    return message


def prepare(stack: FakeStack) -> Job:
    """Upload a HEIC and prepare it. Return its job, whose message is in the submission queue."""
    start_preparation(stack)
    assert stack.deliver_prepare_message() == "deferred"
    return stack.job


def prepared_object(stack: FakeStack) -> FakeStoredImage:
    """Return the only object of the prepared bucket."""
    ((key, found),) = stack.images.prepared.items()
    assert key == found.key
    return found
