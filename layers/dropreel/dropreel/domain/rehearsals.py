"""Rehearsals: jobs without the provider and without cost. A job is one from its creation on, or never."""

REHEARSAL_ID = "rehearsal_"
"""The beginning of the generation id of every rehearsal. No generation of the provider has it."""


def is_rehearsal_id(generation_id: str | None) -> bool:
    """Return whether a generation is a rehearsal: the provider is never asked about it."""
    return generation_id is not None and generation_id.startswith(REHEARSAL_ID)
