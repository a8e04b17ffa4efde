"""The checks of `dropreel doctor`: one small function each, by what they look at."""

from __future__ import annotations

from dropreel_cli.diagnosis import access, jobs, notifications, outside, wiring
from dropreel_cli.diagnosis.check import Check

CHECKS: tuple[Check, ...] = (
    Check("credentials", access.credentials),
    Check("clock", access.clock),
    Check("stack", wiring.stack_status),
    Check("outputs", wiring.outputs),
    Check("upload events", wiring.upload_events),
    Check("rules", wiring.rules),
    Check("queue policy", wiring.queue_policy),
    Check("submissions", wiring.submissions),
    Check("functions", wiring.functions),
    Check("tables", wiring.tables),
    Check("videos bucket", wiring.videos_bucket),
    Check("API key", outside.api_key),
    Check("presigned URL", outside.presigned_url),
    Check("Lambda quota", wiring.lambda_quota),
    Check("alarms", jobs.alarms),
    Check("today's charges", jobs.charges),
    Check("held jobs", jobs.held),
    Check("deferred jobs", jobs.deferred),
    Check("unknown jobs", jobs.unknown),
    Check("resumable jobs", jobs.resumable),
    Check("dead letters", jobs.dead_letters),
    Check("failed invocations", jobs.failed_invocations),
    Check("mails", notifications.mails),
    Check("webhooks", notifications.webhooks),
    Check("unsent", notifications.dead_letters),
    Check("your permissions", access.permissions),
)
"""In the order in which they run."""
