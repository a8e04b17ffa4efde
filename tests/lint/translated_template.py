"""Print template.yaml as CloudFormation gets it, in JSON: run by the SAM CLI's interpreter, which has the translator.

cfn-lint then sees the resources that SAM generates, too.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

_UPLOADED = "s3://bucket/artifact"
_UPLOADED_TEMPLATE = "https://s3.amazonaws.com/bucket/artifact.template"
_LOCAL_PATHS = {
    "CodeUri": _UPLOADED,
    "ContentUri": _UPLOADED,
    "DefinitionUri": _UPLOADED,
    "Location": _UPLOADED_TEMPLATE,
}


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def translated(template: Path) -> dict[str, Any]:
    """Return the translated template. Local paths stand as if `sam deploy` had uploaded them."""
    document = yaml_parse(template.read_text())
    for resource in document["Resources"].values():
        for name, uploaded in _LOCAL_PATHS.items():
            if isinstance(resource.get("Properties", {}).get(name), str):
                resource["Properties"][name] = uploaded
    result: dict[str, Any] = transform(document, {}, _NoManagedPolicies())
    return result


if __name__ == "__main__":
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    json.dump(translated(Path("template.yaml")), sys.stdout, indent=1)
