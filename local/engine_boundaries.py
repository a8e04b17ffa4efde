"""A difference of the local engine from AWS; see engine_corrections.py, which corrects it with the others."""

from importlib import import_module
from typing import Any


def keep_permissions_boundaries() -> None:
    """A role in a template.

    AWS: has the policy of its property PermissionsBoundary as its permissions boundary.
    The engine: evaluates boundaries that IAM's own calls have set, and ignores the property of a role, though not of a user.
    """
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    iam: Any = import_module("ministack.services.iam")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    create, update = handlers["create"], handlers["update"]

    def create_with_boundary(logical_id: str, properties: Any, stack: str) -> Any:
        answer = create(logical_id, properties, stack)
        iam._roles[answer[0]]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
        return answer

    def update_with_boundary(physical_id: str, old: Any, new: Any, stack: str, logical_id: str | None = None) -> Any:
        answer = update(physical_id, old, new, stack, logical_id)
        iam._roles[answer[0]]["PermissionsBoundary"] = new.get("PermissionsBoundary")
        return answer

    handlers["create"], handlers["update"] = create_with_boundary, update_with_boundary
