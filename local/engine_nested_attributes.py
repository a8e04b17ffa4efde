"""Attributes of what a nested stack's update leaves as it is: a correction of `engine_corrections.py`, in a file of its own."""

from contextvars import ContextVar
from importlib import import_module
from typing import Any

_attributes: ContextVar[dict[str, dict[str, str]] | None] = ContextVar("attributes", default=None)


def keep_attributes_in_nested_stacks() -> None:
    """An update of a nested stack that leaves a resource as it is.

    AWS: `Fn::GetAtt` of that resource answers as before.
    The engine: keeps the resource and forgets its attributes, so a changed resource that needs one of them fails.
    """
    formation: Any = import_module("ministack.services.cloudformation")
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS["AWS::CloudFormation::Stack"]
    update_stack, update_resource = handlers["update"], provisioners._update_resource

    def update_with_attributes(nested_id: str, *more: Any) -> Any:
        name = provisioners._nested_stack_lookup_name(nested_id)
        resources = formation._stacks.get(name, {}).get("_resources", {})
        token = _attributes.set({one: dict(found.get("Attributes") or {}) for one, found in resources.items()})
        try:
            return update_stack(nested_id, *more)
        finally:
            _attributes.reset(token)

    def update(
        kind: str, physical_id: str, old: Any, new: Any, stack: str, logical_id: Any = None, attributes: Any = None
    ) -> Any:
        if attributes is None:
            attributes = (_attributes.get() or {}).get(logical_id)
        return update_resource(kind, physical_id, old, new, stack, logical_id, attributes)

    handlers["update"], provisioners._update_resource = update_with_attributes, update
