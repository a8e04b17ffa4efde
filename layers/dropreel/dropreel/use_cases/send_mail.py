"""Send mails about jobs that need the operator."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropreel.domain.mails import Notice, mails_of, notice_of

if TYPE_CHECKING:
    from dropreel.use_cases.ports import MailTopic

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SendMail:
    """Called with all events that have waited in the mail queue: those of the same meaning become one mail."""

    topic: "MailTopic"

    def run(self, events: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Send the mails about these events, by their messages' ids. Return the ids of the messages to retry."""
        notices: dict[str, Notice] = {}
        failed: list[str] = []
        for message_id, event in events.items():
            try:
                notices[message_id] = notice_of(event)
            except (KeyError, TypeError, ValueError, AttributeError):
                logger.exception("not one of our events", extra={"message_id": message_id})
                failed.append(message_id)
        ids = list(notices)
        for mail in mails_of(list(notices.values())):
            try:
                self.topic.publish(mail.subject, mail.text)
            except Exception:  # the other mails are sent all the same, and none of them twice
                logger.exception("not sent")
                failed += [ids[place] for place in mail.places]
        return failed
