"""What every route of the board uses: the stack, the feed, the templates, the clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.config import Config
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from dropreel.domain.prices import usd
from dropreel_cli.operations import Operations
from dropreel_cli.output import printable
from dropreel_cli.plan_output import size_text
from dropreel_cli.rehearsals import is_rehearsal
from dropreel_cli.stack_resources import StackResources
from dropreel_cli.stack_settings import prices_of
from dropreel_cli.submissions import Submissions
from dropreel_cli.web.cards import Card, card_of
from dropreel_cli.web.drafts import Drafts
from dropreel_cli.web.histories import Histories
from dropreel_cli.web.stories import Stories

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropreel.domain.job import Job
    from dropreel.domain.prices import PriceTable
    from dropreel.domain.spending import SpendLimit
    from dropreel_cli.stack import Stack
    from dropreel_cli.web.feed import Snapshot
    from dropreel_cli.web.thumbnails import Thumbnails
    from dropreel_cli.web.updates import Updates

FOLDER = Path(__file__).parent
LINK_SECONDS = 300
"""How long a presigned address lives. It is made when it is asked for."""


@dataclass(frozen=True)
class Site:
    """One board. `arguments` are the options that name its stack, for commands to paste."""

    stack: Stack
    updates: Updates
    thumbnails: Thumbnails
    arguments: str = ""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    drafts: Drafts = field(default_factory=Drafts)

    @property
    def snapshot(self) -> Snapshot:
        """The stack as it was read last."""
        return self.updates.feed.snapshot

    @cached_property
    def operations(self) -> Operations:
        """The operator's use cases."""
        return Operations(self.stack)

    @cached_property
    def submissions(self) -> Submissions:
        """The switch of `pause`. Raises CommandError, botocore's errors."""
        return Submissions.of(self.stack)

    def renewed(self) -> Stack:
        """Return the stack with the parameters that it has now. Raises StackMissing, botocore's errors."""
        return self.updates.feed.renew()

    @property
    def prices(self) -> PriceTable:
        """The stack's prices, as they were read last. Raises CommandError."""
        return prices_of(self.updates.feed.stack)

    @property
    def limit(self) -> SpendLimit:
        """The stack's daily limit, as it was read last."""
        return self.updates.feed.board.limit

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is paid, as it was read last."""
        return is_rehearsal(self.updates.feed.stack)

    @cached_property
    def stories(self) -> Stories:
        """What was read of single jobs."""
        return Stories()

    @cached_property
    def histories(self) -> Histories:
        """When generations were polled."""
        return Histories(self.stack)

    @cached_property
    def resources(self) -> StackResources | None:
        """The stack's resources; None where they cannot be listed."""
        return StackResources.if_allowed(self.stack)

    def card(self, job: Job) -> Card:
        """Return a job's card as it is now."""
        return card_of(job, self.now(), self.prices)

    # --- presigned addresses ---------------------------------------------------------------------------------------

    @cached_property
    def _signer(self) -> Any:
        style: Any = "path" if self.stack.endpoint_url else "virtual"
        config = Config(signature_version="s3v4", s3={"addressing_style": style})
        session: Any = self.stack.session
        return session.client("s3", endpoint_url=self.stack.endpoint_url, config=config)

    def presign(self, bucket: str, key: str, version_id: str | None = None, **response: str) -> str:
        """Return an address of an object that lives for `LINK_SECONDS`."""
        given = {"Bucket": bucket, "Key": key, **({"VersionId": version_id} if version_id else {}), **response}
        address: str = self._signer.generate_presigned_url("get_object", Params=given, ExpiresIn=LINK_SECONDS)
        return address

    def media_origins(self) -> tuple[str, ...]:
        """Return the origin from which S3 serves the videos."""
        parts = urlsplit(self.presign(self.stack.outputs["VideosBucketName"], "video.mp4"))
        return (f"{parts.scheme}://{parts.netloc}",)

    # --- pages -----------------------------------------------------------------------------------------------------

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"size": size_text, "usd": usd, "printable": printable, "part": _part, "moment": _moment}
        environment.globals |= {"site": self}
        return environment

    def render(self, template: str, **values: Any) -> str:
        """Return a template with its values. Every value is escaped."""
        snapshot = self.snapshot
        return self._templates.get_template(template).render(snapshot=snapshot, board=snapshot.board, **values)

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a whole page, or a part of one."""
        return HTMLResponse(self.render(template, **values), status)


def _part(html: Markup, name: str, kind: str = "div") -> Markup:
    """Return a part of a card that the page replaces only if it has changed."""
    digest = hashlib.sha256(html.encode()).hexdigest()[:16]
    return Markup('<{} class="{}" data-part="{}" data-hash="{}">{}</{}>').format(kind, name, name, digest, html, kind)


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
