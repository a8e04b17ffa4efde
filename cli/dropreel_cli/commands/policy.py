"""`dropreel policy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output
    from dropreel_cli.policies import PolicyName


@subcommand(
    "policy",
    examples=[
        "dropreel policy reader",
        "dropreel policy operator > p.json",
        "aws iam create-policy --policy-name NAME --policy-document file://p.json",
    ],
)
@click.argument("policy", type=click.Choice(["operator", "reader", "forget"]))
@stack_options
@json_option
def command(policy: PolicyName, options: StackOptions, output: Output) -> None:
    """Print the IAM policy (JSON) that the commands need for this stack.

    reader: jobs, show, watch, spend, plan, and what doctor reads. operator: also drop, resume, adopt, resubmit, abandon,
    redrive, pause and unpause. The stack has both as managed policies: outputs OperatorPolicyArn and ReaderPolicyArn.
    forget: the command forget alone, which deletes images and videos for good.

    set, deploy and remove need the deployment policy instead: docs/deploy-policy.json.
    """
    import json

    from dropreel_cli.policies import policy_document
    from dropreel_cli.stack_resources import StackResources

    document = policy_document(policy, StackResources.of(options.connect()))
    output.text(json.dumps(document, indent=2))
    output.document({"name": policy, "policy": document})
