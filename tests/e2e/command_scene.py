"""What every command can be called on: jobs in the statuses that they need, images, and messages."""

import json
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dropreel.domain.job import Job
from dropreel.domain.messages import RetryMessage
from tests.e2e.conftest import EXISTING_BUCKET, SAMPLE, Account, InstalledCommand
from tests.e2e.made_jobs import CUT_AND_UNPAID, failed_job, unknown_job


@dataclass
class Scene:
    """What the commands are called on; each part is made with its first use."""

    account: Account
    dropreel: InstalledCommand
    folder: Path

    @cached_property
    def job(self) -> Job:
        """A completed job. The image file, dropped with the prefix, is what its key has."""
        key = self.account.new_key()
        self.account.put(key)
        return self.account.ended(key)

    @cached_property
    def other(self) -> Job:
        """Another completed job."""
        key = self.account.new_key()
        self.account.put(key)
        return self.account.ended(key)

    @cached_property
    def to_forget(self) -> str:
        """The key of another completed job. What is deleted without a permission is left out of the next call's plan."""
        key = self.account.new_key()
        self.account.put(key)
        self.account.ended(key)
        return key

    @property
    def image(self) -> str:
        """A file with the sample photograph."""
        return str(shutil.copy(SAMPLE, str(self.folder / "image.jpg")))

    @cached_property
    def new_prefix(self) -> str:
        """A folder of the bucket in which nothing is."""
        return self.account.new_key("")

    @cached_property
    def failed(self) -> Job:
        """A job that can be resumed."""
        return failed_job(self.account)

    @cached_property
    def unknown(self) -> Job:
        """A job whose submission got no answer, and was paid."""
        return unknown_job(self.account)

    @cached_property
    def to_abandon(self) -> Job:
        """A job whose submission got no answer, and was not paid."""
        return unknown_job(self.account, CUT_AND_UNPAID)

    @cached_property
    def to_resubmit(self) -> Job:
        """Another one."""
        return unknown_job(self.account, CUT_AND_UNPAID)

    @property
    def generation_id(self) -> str:
        """The generation of the unknown job."""
        return str(self.account.submitted(self.unknown.image.key)[0]["id"])

    @cached_property
    def address_in_existing_bucket(self) -> str:
        """An image in the bucket without versions, with the key of a job."""
        key = self.job.image.key
        self.account.client("s3").put_object(Bucket=EXISTING_BUCKET, Key=key, Body=SAMPLE.read_bytes())
        return f"s3://{EXISTING_BUCKET}/{key}"

    @cached_property
    def waiting_image(self) -> str:
        """An image that waits in the submission queue of the paused stack."""
        key, queue = self.account.new_key(), self.account.stack.outputs["QueueUrl"]
        self.account.put(key)
        end, number = time.monotonic() + 20, "ApproximateNumberOfMessages"
        sqs = self.account.client("sqs")
        while sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[number])["Attributes"][number] == "0":
            assert time.monotonic() < end
            time.sleep(0.1)
        return key

    def pause(self) -> None:
        """Pause the stack, with an image that waits."""
        self.dropreel.json("pause")
        assert self.waiting_image

    def put_dead_letters(self) -> None:
        """Leave a message of each of the two completed jobs in the dead-letter queue. They change nothing."""
        sqs, queue = self.account.client("sqs"), self.account.stack.outputs["DeadLetterQueueUrl"]
        sqs.purge_queue(QueueUrl=queue)
        for job in (self.job, self.other):
            body = json.dumps(RetryMessage(job.job_id, 1, 0).as_json())
            sqs.send_message(QueueUrl=queue, MessageBody=body)
