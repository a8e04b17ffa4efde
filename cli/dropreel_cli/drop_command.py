"""What `dropreel drop` does: plan, ask, upload, and with --wait follow and download."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.aws_errors import explain
from dropreel_cli.command_line import Command
from dropreel_cli.documents import job_document
from dropreel_cli.downloading import Downloaded, download_video
from dropreel_cli.drop_output import FollowBoard, UploadProgress, describe_uploaded, outcome_lines, outcome_table
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.following import Following
from dropreel_cli.local_files import find_files
from dropreel_cli.output import Output, printable
from dropreel_cli.plan_command import plan_exit, show_plan
from dropreel_cli.plan_output import count, plan_document, price_question
from dropreel_cli.plan_sources import S3_SCHEME, PlannedFiles, plan_files
from dropreel_cli.planning import Plan, PlannedImage, Verdict
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, is_rehearsal
from dropreel_cli.status_line import StatusLine
from dropreel_cli.submissions import PAUSED_NOTICE, Submissions
from dropreel_cli.uploading import FailedUpload, Upload, Uploader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.stack import Stack


@dataclass
class DropCommand:
    """One call of `dropreel drop`."""

    options: StackOptions
    output: Output
    wanted: Mapping[str, str]
    prefix: str
    again: bool
    waits: bool
    download: str | None
    yes_below: int
    yes: bool
    dry_run: bool
    shows_all: bool
    uploads: list[Upload] = field(default_factory=list)
    failed: list[FailedUpload] = field(default_factory=list)
    videos: list[Downloaded] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _uploaded: int = 0
    _uploaded_cents: int = 0

    def run(self, paths: Sequence[str]) -> int:
        """Drop the files at and below the paths; return the exit status."""
        if any(path.startswith(S3_SCHEME) for path in paths):
            raise click.UsageError(
                "drop takes files of this machine. A video of an image in S3 is requested by an event: docs/events.md."
            )
        Command.left_behind = "Nothing was uploaded."
        files = self._plan(paths)
        plan = files.plan
        if not self.output.is_json:
            console = self.output.console if self.dry_run else self.output.progress
            show_plan(console, plan, shows_all=self.shows_all)
        for note in files.notes:
            self.output.note(printable(note))
        if self.is_paused:
            self.output.note(PAUSED_NOTICE, "bold red")
        if is_rehearsal(self.stack):
            self.output.note(REHEARSAL_NOTICE, "bold yellow")
        if self.dry_run:
            self._print_document(files, [])
            return plan_exit(plan)
        self._require_images(plan)
        self._confirm(plan)
        self._upload(files)
        following = self._follow(plan)
        self._print_outcome(files, following)
        return self._exit(plan, following)

    @cached_property
    def stack(self) -> Stack:
        """The stack, found with the first use."""
        return self.options.connect()

    @cached_property
    def is_paused(self) -> bool:
        """Whether the stack was paused when the command began."""
        return self._submissions.is_paused

    @cached_property
    def _submissions(self) -> Submissions:
        return Submissions.of(self.stack)

    @property
    def follows(self) -> bool:
        """Whether jobs are followed to their end."""
        return self.waits or self.download is not None

    def _plan(self, paths: Sequence[str]) -> PlannedFiles:
        with StatusLine(self.output.progress, "checking images") as status:
            found = find_files(paths, self.prefix, lambda number: status(f"{number:,} images found"))
            return plan_files(self.stack, found, self.wanted, again=self.again, on_progress=status)

    def _require_images(self, plan: Plan) -> None:
        """Raise CommandError (REFUSED) with the reasons where nothing can be dropped and nothing is there already."""
        if plan_exit(plan) is not Exit.REFUSED:
            return
        reasons = [f"{printable(image.key)}: {printable(image.detail)}" for image in plan.images[:20]]
        more = [f"… and {len(plan.images) - 20:,} more"] if len(plan.images) > 20 else []
        raise CommandError("\n".join(["There is no image to drop.", *reasons, *more]), Exit.REFUSED)

    def _confirm(self, plan: Plan) -> None:
        if not plan.to_drop or plan.total_cents <= self.yes_below:
            return
        self.output.confirm(price_question(plan), yes=self.yes)

    def _upload(self, files: PlannedFiles) -> None:
        planned = files.plan.to_drop
        if not planned:
            return
        with UploadProgress(self.output.progress, planned) as progress:

            def on_upload(image: PlannedImage) -> None:
                with self._lock:
                    self._uploaded += 1
                    self._uploaded_cents += image.cents
                    Command.left_behind = self._left_behind(len(planned))

            uploader = Uploader.of(self.stack, files, self.wanted, on_bytes=progress.add_bytes, on_upload=on_upload)
            Command.left_behind = self._left_behind(len(planned))
            try:
                with closing(uploader.upload(planned)) as results:
                    for result in results:
                        progress.add(result)
                        self._keep(result)
            except (BotoCoreError, ClientError) as error:
                raise CommandError(f"{explain(error)} {self._left_behind(len(planned))}", Exit.UNREACHABLE) from error

    def _keep(self, result: Upload | FailedUpload) -> None:
        if isinstance(result, Upload):
            self.uploads.append(result)
        else:
            self.failed.append(result)

    def _left_behind(self, total: int) -> str:
        done = describe_uploaded(self._uploaded, total, self._uploaded_cents)
        if not self._uploaded:
            return done
        return f"{done} The same command continues: what is in the bucket is not uploaded again."

    def _follow(self, plan: Plan) -> Following | None:
        """With --wait, follow what was uploaded and what was there already."""
        if not self.follows:
            return None
        present = [image.job_id for image in plan.images if image.verdict is Verdict.PRESENT]
        job_ids = [job_id for job_id in (*present, *(each.job_id for each in self.uploads)) if job_id]
        Command.left_behind = (
            f"{count(self._uploaded, 'image')} uploaded: they become videos and are charged, with or without this command. "
            "The same command follows them again, and uploads nothing twice."
        )
        following = Following.of(self.stack, job_ids, lambda: self._submissions.is_paused)
        with FollowBoard(self.output.progress, following) as board:
            following.on_poll = board.refresh
            for job in following.changes():
                board.add(job)
                if self.download and job.video is not None:
                    self.videos.append(download_video(self.stack.client("s3"), job, Path(self.download)))
        return following

    def _print_outcome(self, files: PlannedFiles, following: Following | None) -> None:
        jobs = [] if following is None else following.found
        if following is not None and jobs:
            self.output.show(outcome_table(jobs, self.videos, self.options.arguments, shows_all=self.shows_all))
        for line, style in outcome_lines(
            self.stack, files, self.uploads, self.failed, following, self.options.arguments
        ):
            self.output.text(printable(line), style)
        self._print_document(files, [] if following is None else jobs)

    def _print_document(self, files: PlannedFiles, jobs: list[Any]) -> None:
        if not self.output.is_json:
            return
        self.output.document({
            "stack": self.stack.name,
            "paused": self.is_paused,
            **plan_document(files.plan),
            "notes": list(files.notes),
            "dry_run": self.dry_run,
            "uploads": [
                {"key": each.planned.key, "version_id": each.version_id, "job_id": each.job_id} for each in self.uploads
            ],
            "failed_uploads": [{"key": each.planned.key, "message": each.message} for each in self.failed],
            "jobs": [job_document(job) for job in jobs],
            "videos": [
                {"job_id": each.job.job_id, "path": each.path and str(each.path), "message": each.message}
                for each in self.videos
            ],
        })  # fmt: skip

    def _exit(self, plan: Plan, following: Following | None) -> Exit:
        """Return the worst of all outcomes: unknown, held, failed, done."""
        followed = Exit.DONE if following is None else following.exit()
        if followed is not Exit.DONE:
            return followed
        lost = any(video.path is None for video in self.videos)
        return Exit.FAILED if self.failed or lost or plan.counts[Verdict.REFUSED] else Exit.DONE
