"""Deploy into one's own AWS account, and remove it again: the SAM CLI does both."""

import subprocess
from pathlib import Path

from rich.console import Console

from cli.stack import Stack, StackMissing

SAM = Path(".venvs/sam/bin/sam")
_KEPT = {
    "UploadsBucketName": ("bucket", "your pictures"),
    "VideosBucketName": ("bucket", "the videos that you paid for"),
    "JobsTableName": ("table", "the record of what was paid"),
    "SpendTableName": ("table", "the record of what was spent a day"),
}


def deploy(stack_name: str, *, guided: bool, console: Console) -> int:
    """Deploy the built template, asking for the parameters if the stack is not there yet. Return the exit status."""
    try:
        Stack.find(stack_name)
    except StackMissing:
        guided = True
    ask = ["--guided"] if guided else []
    done = subprocess.run([str(SAM), "deploy", "--stack-name", stack_name, *ask], check=False)
    if done.returncode == 0:
        outputs = Stack.find(stack_name).outputs
        console.print(f"\nDrop an image:  aws s3 cp my.jpg s3://{outputs['UploadsBucketName']}/", highlight=False)
        console.print(f"Videos arrive:  s3://{outputs['VideosBucketName']}/", highlight=False)
    return done.returncode


def remove(stack_name: str, *, console: Console) -> int:
    """Delete the stack after the SAM CLI has asked, and say what is kept and how to delete it too. Return the exit status."""
    stack = Stack.find(stack_name)
    done = subprocess.run([str(SAM), "delete", "--stack-name", stack_name], check=False)
    if done.returncode:
        return done.returncode
    try:
        Stack.find(stack_name)
    except StackMissing:
        pass
    else:
        console.print("Nothing was removed.")
        return 1
    console.print("\nThe stack is gone. These are kept, because nothing can bring them back:")
    for output, (kind, why) in _KEPT.items():
        name = stack.outputs[output]
        delete = (
            f"empty it in the S3 console (all versions), then aws s3 rb s3://{name}"
            if kind == "bucket"
            else f"aws dynamodb delete-table --table-name {name}"
        )
        console.print(f"  {name}: {why}. To delete it: {delete}", highlight=False, soft_wrap=True)
    return 0
