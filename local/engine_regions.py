"""The services of a region, as Systems Manager lists them: added as engine_corrections.py corrects the engine, in its interpreter."""

import json
import re
from importlib import import_module
from typing import Any

_SERVICES_OF_REGION = re.compile(r"/aws/service/global-infrastructure/regions/[a-z0-9-]+/services/?")
SERVICES = (
    *("cloudformation", "cloudwatch", "dynamodb", "events", "iam", "kms", "lambda", "logs"),
    *("s3", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions"),
)
"""What the engine runs of all that a stack needs, in every region that it is asked for."""


def list_services_of_regions() -> None:
    """GetParametersByPath of `/aws/service/global-infrastructure/regions/<region>/services`.

    AWS: has a public parameter for each service of a region; its value is the service's name.
    The engine: has public parameters of machine images only.
    """
    ssm: Any = import_module("ministack.services.ssm")
    get_by_path = ssm._get_parameters_by_path

    def get(data: dict[str, Any]) -> Any:
        path = str(data.get("Path", "")).rstrip("/")
        if not _SERVICES_OF_REGION.fullmatch(path):
            return get_by_path(data)
        parameters = [{"Name": f"{path}/{name}", "Type": "String", "Value": name, "Version": 1} for name in SERVICES]
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"Parameters": parameters}).encode()

    ssm._get_parameters_by_path = get
