"""The SNS topic whose subscribers get the mails."""

from typing import Any


class MailTopic:
    """Publishes with a subject, which is the subject of the mail. An EventBridge rule cannot set one."""

    def __init__(self, client: Any, arn: str) -> None:
        self.client = client
        self.arn = arn

    def publish(self, subject: str, text: str) -> None:
        """Publish once."""
        self.client.publish(TopicArn=self.arn, Subject=subject, Message=text)
