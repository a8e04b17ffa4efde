"""DynamoDB: moto's own reading of every condition, on items that are kept here so that a schedule takes milliseconds."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from moto.dynamodb.comparisons import create_condition_expression_parser
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.responses import DynamoHandler

from tests.faults.services import ACCOUNT, REGION, refusal

Attributes = dict[str, dict[str, Any]]

_CLAUSE = re.compile(r"(SET|ADD|DELETE|REMOVE) (.*?)(?= (?:SET|ADD|DELETE|REMOVE) |$)")
_NO_KEY = DynamoType({"S": "-"})  # no condition of ours names the key by what moto takes for it
_deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize


class Tables:
    """The two tables. `MotoTables` tells whether they answer as moto's do."""

    OPERATIONS = ("GetItem", "Query", "UpdateItem", "TransactWriteItems")

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Attributes]] = {"jobs": {}, "spend": {}}
        self._jobs: list[dict[str, Any]] | None = None

    def call(self, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """Make one call, and raise what the client would."""
        match operation:
            case "GetItem":
                item = self._item(arguments)
                return {} if item is None else {"Item": copy.deepcopy(item)}
            case "Query":
                return {"Items": self._waiting(arguments)}
            case "UpdateItem":
                if not self._holds(arguments):
                    raise refusal(operation, "ConditionalCheckFailedException", 400, client)
                item = self._update(arguments)
                return {"Attributes": copy.deepcopy(item)} if arguments.get("ReturnValues") == "ALL_NEW" else {}
            case "TransactWriteItems":
                updates = [one["Update"] for one in arguments["TransactItems"]]
                codes = ["None" if self._holds(update) else "ConditionalCheckFailed" for update in updates]
                if set(codes) != {"None"}:
                    reasons = [{"Code": code} for code in codes]
                    raise refusal(operation, "TransactionCanceledException", 400, client, CancellationReasons=reasons)
                for update in updates:
                    self._update(update)
                return {}
        raise AssertionError(f"what is {operation}?")

    def jobs(self) -> list[dict[str, Any]]:
        """Return every job, straight from the table: a check is not an outside call and costs no time."""
        if self._jobs is None:
            jobs = (item for item in self.items["jobs"].values() if "status" in item)  # pictures have none
            self._jobs = [_plain(item) for item in jobs]
        return self._jobs

    def days(self) -> list[dict[str, Any]]:
        """Return every day of the spend table."""
        return [_plain(item) for item in self.items["spend"].values()]

    def _item(self, arguments: dict[str, Any]) -> Attributes | None:
        return self.items[arguments["TableName"]].get(_key(arguments))

    def _waiting(self, arguments: dict[str, Any]) -> list[Attributes]:
        """Return what the index on `waiting` has, oldest first."""
        assert arguments["IndexName"] == "waiting"
        items = [item for item in self.items["jobs"].values() if "waiting" in item]
        found = [item for item in items if _is_true(arguments["KeyConditionExpression"], arguments, item)]
        keys = ("job_id", "waiting", "created_at")
        return [{key: item[key] for key in keys} for item in sorted(found, key=lambda item: item["created_at"]["S"])]

    def _holds(self, arguments: dict[str, Any]) -> bool:
        """Whether an update's condition holds."""
        condition = arguments.get("ConditionExpression")
        return condition is None or _is_true(condition, arguments, self._item(arguments))

    def _update(self, arguments: dict[str, Any]) -> Attributes:
        """Change an item by the few forms of UpdateExpression that there are, and create it if need be."""
        self._jobs = None
        item = self.items[arguments["TableName"]].setdefault(_key(arguments), dict(arguments["Key"]))
        names = arguments.get("ExpressionAttributeNames", {})
        values = copy.deepcopy(arguments.get("ExpressionAttributeValues", {}))
        clauses = _CLAUSE.findall(arguments["UpdateExpression"])
        assert " ".join(f"{clause} {body}" for clause, body in clauses) == arguments["UpdateExpression"]
        for clause, body in clauses:
            for part in body.split(", "):
                written, _, value = part.replace(" = ", " ").partition(" ")
                _change(item, clause, names.get(written, written), values.get(value))
        return item


def _is_true(condition: str, arguments: dict[str, Any], item: Attributes | None) -> bool:
    """Whether a condition is true of an item, as moto reads it."""
    names = arguments.get("ExpressionAttributeNames", {})
    parser = create_condition_expression_parser(condition, names, arguments.get("ExpressionAttributeValues", {}))
    named = {*names.values(), *re.findall(r"\w+", condition)}
    there = None if item is None else Item(_NO_KEY, None, {name: item[name] for name in item if name in named})
    return bool(parser.parse().expr(there))


def _change(item: Attributes, clause: str, name: str, value: Any) -> None:
    there = item.get(name)
    match clause:
        case "SET":
            assert value is not None, name
            item[name] = value
        case "REMOVE":
            item.pop(name, None)
        case "ADD" if "N" in value:
            item[name] = {"N": str(int((there or {"N": "0"})["N"]) + int(value["N"]))}
        case "ADD":
            item[name] = {"SS": sorted({*(there or {"SS": []})["SS"], *value["SS"]})}
        case "DELETE" if there is not None:
            left = sorted({*there["SS"]} - {*value["SS"]})
            item[name] = {"SS": left}
            if not left:
                del item[name]


def _key(arguments: dict[str, Any]) -> str:
    (key,) = arguments["Key"].values()
    return str(key["S"])


def _plain(item: Attributes) -> dict[str, Any]:
    return {name: _deserialize(value) for name, value in item.items()}


class MotoTables(Tables):
    """Makes each call to moto's tables, too, and demands the same answer and the same items."""

    def __init__(self) -> None:
        super().__init__()
        self.handler = DynamoHandler()
        self.handler.current_account, self.handler.region = ACCOUNT, REGION
        self.calls = 0
        for table in self.items:
            self.handler.dynamodb_backend.tables[table].items.clear()

    def call(self, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        self.calls += 1
        theirs = self._theirs(operation, copy.deepcopy(arguments))
        try:
            answer = super().call(client, operation, arguments)
        except client.exceptions.ClientError as error:
            ours = [error.response["Error"]["Code"], error.response.get("CancellationReasons")]
            assert json.dumps(ours) == json.dumps(theirs), f"{operation}: {ours}, and moto's {theirs}"
            raise
        assert isinstance(theirs, dict), f"{operation} works, and at moto it does not: {theirs}"
        for part in ("Item", "Items", "Attributes"):
            assert _sorted(answer.get(part)) == _sorted(theirs.get(part)), f"{operation}: {part} is not like moto's"
        return answer

    def _theirs(self, operation: str, arguments: dict[str, Any]) -> Any:
        self.handler.body = arguments
        try:
            return getattr(self.handler, re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower())().result
        except DynamodbException as error:
            reasons = json.loads(error.description).get("CancellationReasons")
            return [error.relative_error_type, reasons and [{"Code": one["Code"]} for one in reasons]]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sorted(inner) if name == "SS" else _sorted(inner) for name, inner in sorted(value.items())}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value
