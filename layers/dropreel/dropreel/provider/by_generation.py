"""Asks who made a generation about it: the provider or the rehearsal."""

from dataclasses import dataclass
from typing import Any

from dropreel.domain.rehearsals import is_rehearsal_id
from dropreel.provider.poll_answers import PollAnswer


@dataclass(frozen=True)
class ProviderByGeneration:
    """The id decides, whatever `Rehearsal` is now: a rehearsal's never reaches the provider, nor the reverse."""

    provider: Any
    rehearsal: Any

    def poll(self, generation_id: str) -> PollAnswer:
        """Return the state of a generation."""
        asked = self.rehearsal if is_rehearsal_id(generation_id) else self.provider
        answer: PollAnswer = asked.poll(generation_id)
        return answer
