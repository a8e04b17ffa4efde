"""A resource type that the local engine lacks, added as engine_corrections.py corrects it: in ministack's interpreter."""

import uuid
from importlib import import_module
from typing import Any


def accept_query_definitions() -> None:
    """`AWS::Logs::QueryDefinition`.

    AWS: saves a query of CloudWatch Logs Insights; `Ref` is its id.
    The engine: runs queries and has no resource that saves one.
    """
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")

    def save(logical_id: str, _properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        query_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{stack}/{logical_id}"))
        return query_id, {"QueryDefinitionId": query_id}

    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": save,
        "update": lambda physical_id, *_: (physical_id, {"QueryDefinitionId": physical_id}),
        "delete": lambda *_: None,
    }
