"""A board of a stack in moto, and one draft on it."""

from typing import Any

from dropreel_cli.stack import Stack
from tests.support.drop_stack import UPLOADS


class Drop:
    """A board, and one draft on it."""

    def __init__(self, board: Any, stack: Stack) -> None:
        self.board, self.stack, self.client = board, stack, board.client
        opened = self.client.post("/drops", json={}).json()
        self.id, self.options = opened["id"], opened["options"]
        self.draft = board.site.drafts.find(self.id)

    def put(self, path: str, content: bytes) -> Any:
        return self.client.put(f"/drops/{self.id}/files", params={"path": path}, content=content)

    def plan(self, **body: Any) -> Any:
        return self.client.post(f"/drops/{self.id}/plan", json=body)

    def upload(self, **changes: Any) -> Any:
        """Begin the upload of the last plan, as the page does."""
        planned = self.draft.planned
        body = {} if planned is None else {"plan": planned.token, "cents": planned.files.plan.total_cents}
        return self.client.post(f"/drops/{self.id}/upload", json={**body, **changes})

    def ended(self) -> Any:
        """Return the upload once it has ended."""
        assert self.draft.upload is not None
        self.draft.upload.wait()
        return self.draft.upload

    @property
    def keys(self) -> list[str]:
        listed = self.stack.client("s3").list_object_versions(Bucket=UPLOADS)
        return [version["Key"] for version in listed.get("Versions", [])]
