"""What the buttons do: each shows first what happens and what it may cost, then does it once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dropreel.domain.days import day_of
from dropreel.domain.errors import DropreelError
from dropreel.domain.job import JobStatus
from dropreel.use_cases.settle_unknown import Decision, attempt_of_resubmit, is_decided
from dropreel_cli.aws_errors import explain
from dropreel_cli.decisions import (
    day_note,
    plan_abandon,
    plan_adopt,
    plan_checked_adoption,
    plan_resubmit,
    plan_resume,
    sentence,
)
from dropreel_cli.exits import CommandError
from dropreel_cli.pausing import messages_waiting, what_follows
from dropreel_cli.rehearsals import spend_day_of
from dropreel_cli.web.bodies import json_object
from dropreel_cli.web.cards import actions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from dropreel.domain.job import Job
    from dropreel_cli.decisions import Planned
    from dropreel_cli.web.cards import Action
    from dropreel_cli.web.site import Site


class Refused(Exception):
    """Nothing was done; the message says why."""


class Actions:
    """The routes that decide."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.routes = [
            Route("/jobs/{job_id}/actions/{verb}", self.show, methods=["GET"]),
            Route("/jobs/{job_id}/actions/{verb}", self.decide, methods=["POST"]),
            Route("/submissions/unpause", self.show_unpause, methods=["GET"]),
            Route("/submissions/{verb}", self.switch, methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        """The question: what happens, and what it may cost."""
        stack = self.site.renewed()
        job = self._job(request)
        action = self._action(job, request.path_params["verb"])
        planned = self._plan(job, action.verb)
        day = spend_day_of(stack, day_of(self.site.now()))
        note = day_note(self.site.operations.ledger.reserved_cents(day), self.site.limit, [planned])
        return self.site.page(
            "action.html",
            job=job,
            action=action,
            effect=planned.effect,
            refused=planned.refused,
            cents=planned.may_cost_cents,
            note=note,
        )

    async def decide(self, request: Request) -> Response:
        """Do it. 409 with the reason where nothing was done."""
        given = await json_object(request)
        answers = {name: value for name, value in given.items() if isinstance(value, str)}
        return await run_in_threadpool(self._answer, lambda: self._decide(request, answers))

    def show_unpause(self, request: Request) -> Response:  # noqa: ARG002 - Starlette passes it
        """The question: what waits, and is submitted and paid then."""
        stack = self.site.renewed()
        waiting = messages_waiting(stack)
        return self.site.page("unpause.html", effect=what_follows(stack, waiting) if waiting else "")

    async def switch(self, request: Request) -> Response:
        """Pause, or unpause where that is confirmed; return once Lambda has done so."""
        given = await json_object(request)
        verb = request.path_params["verb"]
        if verb not in ("pause", "unpause"):
            raise HTTPException(404, "There is no such switch.")

        def act() -> str:
            if verb == "unpause" and given.get("confirmed") != "yes":
                raise Refused("What waits would be submitted and paid: confirm that first")
            self.site.submissions.switch(verb == "unpause")
            return "PAUSED: no new submission starts." if verb == "pause" else "Submissions are on."

        return await run_in_threadpool(self._answer, act)

    def _answer(self, act: Callable[[], str]) -> Response:
        try:
            message = act()
        except (BotoCoreError, ClientError) as error:
            return JSONResponse({"error": explain(error)}, 409)
        except (Refused, CommandError, DropreelError) as error:
            return JSONResponse({"error": sentence(str(error))}, 409)
        self.site.updates.ask()
        return JSONResponse({"message": message})

    def _decide(self, request: Request, answers: Mapping[str, str]) -> str:
        self.site.renewed()
        job, verb = self._job(request), request.path_params["verb"]
        if not _is_made(job, verb, answers):
            self._require_shown(job, self._action(job, verb), answers)
        settle = self.site.operations.settle_unknown
        match verb:
            case "resume":
                job = self.site.operations.resume_job.run(job.job_id)
            case "adopt":
                job = settle.adopt(job.job_id, answers["generation_id"].strip())
            case "abandon":
                job = settle.abandon(job.job_id)
            case _:
                job = settle.resubmit(job.job_id, attempt_of_resubmit(job))
        self.site.updates.feed.refresh([job])
        return f"{job.image.key}: {job.status}"

    def _require_shown(self, job: Job, action: Action, answers: Mapping[str, str]) -> None:
        """Raise Refused where the dialog has shown another attempt or price, or where something is not confirmed."""
        if answers.get("attempt") != str(job.attempt):
            raise Refused("The job was submitted again since the page has asked. Nothing was done: look at it again")
        planned = self._plan(job, action.verb, answers.get("generation_id", "").strip())
        if planned.refused:
            raise Refused(planned.refused)
        if action.verb == "resubmit" and answers.get("may_pay_twice") != "yes":
            raise Refused("It may be paid twice: confirm that first")
        if answers.get("cents") != str(planned.may_cost_cents):
            raise Refused("The price is another one than the page has shown. Nothing was done: look at it again")

    def _plan(self, job: Job, verb: str, generation_id: str | None = None) -> Planned:
        operations = self.site.operations
        match verb:
            case "resume":
                return plan_resume(job)
            case "adopt":
                if generation_id is None:
                    return replace(plan_adopt(job, ""), effect="polls and delivers the generation that you name")
                if not generation_id:
                    raise Refused("Give the id of the generation at the provider")
                return plan_checked_adoption(operations.settle_unknown, job, generation_id)
            case "abandon":
                return plan_abandon(job)
            case _:
                return plan_resubmit(job, self.site.limit, self.site.prices)

    def _job(self, request: Request) -> Job:
        """Return the job as the table has it now. Raises HTTPException."""
        job = next(iter(self.site.operations.lists.jobs_of_ids([request.path_params["job_id"]])), None)
        if job is None:
            raise HTTPException(404, "There is no such job.")
        return job

    def _action(self, job: Job, verb: str) -> Action:
        """Return a decision that can be made about a job. Raises HTTPException."""
        for action in actions_of(job, self.site.prices):
            if action.verb == verb:
                return action
        raise HTTPException(409, f"The job is {job.status}: this is no longer possible. Nothing was done.")


def _is_made(job: Job, verb: str, answers: Mapping[str, str]) -> bool:
    """Return whether the job is as this answer has left it. Making it again completes it, such as after a fault of SQS."""
    attempt = answers.get("attempt")
    match verb:
        case "resume":
            return job.status is JobStatus.GENERATING and attempt == str(job.attempt)
        case "adopt":
            return is_decided(Decision.ADOPT, job, answers.get("generation_id", "").strip())
        case "abandon":
            return is_decided(Decision.ABANDON, job) and attempt == str(job.attempt)
        case "resubmit":
            return is_decided(Decision.RESUBMIT, job) and attempt == str(job.attempt - 1)
    return False
