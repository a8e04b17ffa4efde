"""`make up`: the local cloud, kept running until Ctrl-C."""

import signal
import sys
import threading

from rich.console import Console
from rich.markup import escape

from local.cloud import ACCOUNT, LocalCloud, LocalCloudFault, running_cloud

_PASTE = """
The local cloud is up. Paste into another terminal:

  export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={region}
  export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}
  export PATH="$PWD/.venvs/dev/bin:$PATH"    # the aws command, if you have none

  aws s3 cp local/sample.jpg s3://{uploads}/ --metadata prompt="slow zoom out"
  aws s3 ls --recursive s3://{videos}/
  aws dynamodb scan --table-name {jobs} --query 'Items[].[job_id.S, status.S, image.M.key.S]' --output text

  provider simulator  {simulator}/docs
  state machine       {machine}

Ctrl-C stops it; everything in it is then gone.
"""


def main() -> int:
    """Return 0 after Ctrl-C, 1 where the local cloud could not be started."""
    console = Console(soft_wrap=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with running_cloud(lambda step: console.print(f"  {step}", highlight=False)) as cloud:
            print(_paste(cloud), flush=True)
            stop.wait()
            console.print("Stopping.")
    except LocalCloudFault as fault:
        console.print(escape(str(fault)), style="red")
        return 1
    return 0


def _paste(cloud: LocalCloud) -> str:
    outputs = cloud.stack.outputs
    return _PASTE.format(
        endpoint=cloud.engine.endpoint_url,
        region=ACCOUNT["AWS_DEFAULT_REGION"],
        key=ACCOUNT["AWS_ACCESS_KEY_ID"],
        secret=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
        uploads=outputs["UploadsBucketName"],
        videos=outputs["VideosBucketName"],
        jobs=outputs["JobsTableName"],
        simulator=cloud.simulator.base_url,
        machine=outputs["StateMachineArn"],
    )


if __name__ == "__main__":
    sys.exit(main())
