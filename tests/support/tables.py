"""The two DynamoDB tables in memory: moto evaluates each condition; the items are kept here, so a schedule takes milliseconds.

An item is a dict of attributes. A write replaces attributes and changes none, so a copy of the dict is a copy of the item.
"""

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from moto.dynamodb.comparisons import AttributeValue, Op, create_condition_expression_parser
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.responses import DynamoHandler

from tests.support.aws_errors import ACCOUNT, REGION, refusal

Attributes = dict[str, dict[str, Any]]

_CLAUSE = re.compile(r"(SET|ADD|DELETE|REMOVE) (.*?)(?= (?:SET|ADD|DELETE|REMOVE) |$)")
_NO_KEY = DynamoType({"S": "-"})  # moto's Item needs a key; no condition of ours reads it
_deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize


class Tables:
    """The job table and the spend table. `MotoTables` compares them with moto's."""

    OPERATIONS = ("GetItem", "Query", "UpdateItem", "DeleteItem", "TransactWriteItems")

    def __init__(self) -> None:
        self.items: dict[str, dict[tuple[str, ...], Attributes]] = {"jobs": {}, "spend": {}}
        self._jobs: list[dict[str, Any]] | None = None
        self._converted: dict[str, tuple[Attributes, dict[str, Any]]] = {}
        self._before: dict[tuple[str, ...], Attributes | None] = {}

    def call(self, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """Make one call. Raises what the client would."""
        match operation:
            case "GetItem":
                item = self._item(arguments) if arguments.get("ConsistentRead") else self._stale(arguments)
                return {} if item is None else {"Item": dict(item)}
            case "Query":
                return {"Items": self._found(arguments)}
            case "UpdateItem":
                if not self._holds(arguments):
                    raise refusal(operation, "ConditionalCheckFailedException", 400, client)
                item = self._update(arguments)
                return {"Attributes": dict(item)} if arguments.get("ReturnValues") == "ALL_NEW" else {}
            case "DeleteItem":
                if not self._holds(arguments):
                    raise refusal(operation, "ConditionalCheckFailedException", 400, client)
                self._is_written(arguments)
                self.items[arguments["TableName"]].pop(_key(arguments), None)
                return {}
            case "TransactWriteItems":
                updates = [one["Update"] for one in arguments["TransactItems"]]
                codes = ["None" if self._holds(update) else "ConditionalCheckFailed" for update in updates]
                if set(codes) != {"None"}:
                    reasons = [{"Code": code} for code in codes]
                    raise refusal(operation, "TransactionCanceledException", 400, client, CancellationReasons=reasons)
                for update in updates:
                    self._update(update)
                return {}
        raise AssertionError(f"not supported: {operation}")

    def jobs(self) -> list[dict[str, Any]]:
        """Return every job, without an AWS call of the code under test."""
        if self._jobs is None:
            jobs = (item for item in self.items["jobs"].values() if item["row"] == {"S": "job"})
            self._jobs = [self._job(item) for item in jobs]
        return self._jobs

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Return the rows of the job table of one kind (`attempt`, `generation`, `picture`), in the order of their keys."""
        found = (key for key in sorted(self.items["jobs"]) if key[1].startswith(kind))
        return [_plain(self.items["jobs"][key]) for key in found]

    def days(self) -> list[dict[str, Any]]:
        """Return every day of the spend table."""
        return [_plain(item) for item in self.items["spend"].values()]

    def _job(self, item: Attributes) -> dict[str, Any]:
        """Return a job's plain values. An attribute that is as it was at the last call is not converted again."""
        job_id = item["job_id"]["S"]
        before, values = self._converted.get(job_id, ({}, {}))
        plain = {
            name: values[name] if before.get(name) is value else _deserialize(value) for name, value in item.items()
        }
        self._converted[job_id] = dict(item), plain
        return dict(plain)

    def _item(self, arguments: dict[str, Any]) -> Attributes | None:
        return self.items[arguments["TableName"]].get(_key(arguments))

    def _stale(self, arguments: dict[str, Any]) -> Attributes | None:
        """Return the item before its last write, as an eventually consistent read may."""
        key = (arguments["TableName"], *_key(arguments))
        return self._before[key] if key in self._before else self._item(arguments)

    def _is_written(self, arguments: dict[str, Any]) -> None:
        """Keep the item as it is before a write."""
        self._jobs = None
        self._before[(arguments["TableName"], *_key(arguments))] = _copied(self._item(arguments))

    def _found(self, arguments: dict[str, Any]) -> list[Attributes]:
        """Return the rows of one job in the order of their keys, or the items of the index `waiting`, oldest first."""
        if "IndexName" not in arguments:
            rows = [self.items["jobs"][key] for key in sorted(self.items["jobs"])]
            return [dict(row) for row in rows if _is_true(arguments["KeyConditionExpression"], arguments, row)]
        assert arguments["IndexName"] == "waiting"
        items = [item for item in self.items["jobs"].values() if "waiting" in item]
        found = [item for item in items if _is_true(arguments["KeyConditionExpression"], arguments, item)]
        keys = ("job_id", "row", "waiting", "created_at")
        return [{key: item[key] for key in keys} for item in sorted(found, key=lambda item: item["created_at"]["S"])]

    def _holds(self, arguments: dict[str, Any]) -> bool:
        """Whether an update's condition holds."""
        condition = arguments.get("ConditionExpression")
        return condition is None or _is_true(condition, arguments, self._item(arguments))

    def _update(self, arguments: dict[str, Any]) -> Attributes:
        """Apply an UpdateExpression in the few forms that the code uses; create the item if it does not exist."""
        self._is_written(arguments)
        item = self.items[arguments["TableName"]].setdefault(_key(arguments), dict(arguments["Key"]))
        names = arguments.get("ExpressionAttributeNames", {})
        values = arguments.get("ExpressionAttributeValues", {})
        clauses = _CLAUSE.findall(arguments["UpdateExpression"])
        assert " ".join(f"{clause} {body}" for clause, body in clauses) == arguments["UpdateExpression"]
        for clause, body in clauses:
            for part in body.split(", "):
                written, _, value = part.replace(" = ", " ").partition(" ")
                _change(item, clause, names.get(written, written), values.get(value))
        return item


class _Condition:
    """A condition as moto parses it, once for all values: there are few conditions, and many evaluations."""

    def __init__(self, condition: str, names: dict[str, str], values: Iterable[str]) -> None:
        placeholders = {name: {"S": name} for name in values}
        self._tree = create_condition_expression_parser(condition, names, placeholders).parse()
        self._operands = [(operand, operand.value) for operand in _operands_of(self._tree)]
        self._read = frozenset({*names.values(), *re.findall(r"\w+", condition)})

    def holds(self, values: dict[str, dict[str, Any]], item: Attributes | None) -> bool:
        """Whether moto evaluates the condition on an item as true."""
        for operand, name in self._operands:
            ((operand.type, operand.value),) = values[name].items()
        if item is None:
            return bool(self._tree.expr(None))
        there = Item(_NO_KEY, None, {})
        there.attrs.update({name: DynamoType(item[name]) for name in item if name in self._read})
        return bool(self._tree.expr(there))


def _operands_of(node: Any) -> Iterator[AttributeValue]:
    """Yield the values in a parsed condition."""
    if isinstance(node, AttributeValue):
        yield node
    children = (node.lhs, node.rhs) if isinstance(node, Op) else getattr(node, "arguments", ())
    for child in children:
        yield from _operands_of(child)


@cache
def _parsed(condition: str, names: tuple[tuple[str, str], ...], values: tuple[str, ...]) -> _Condition:
    return _Condition(condition, dict(names), values)


def _is_true(condition: str, arguments: dict[str, Any], item: Attributes | None) -> bool:
    """Whether moto evaluates a condition on an item as true."""
    names, values = arguments.get("ExpressionAttributeNames", {}), arguments.get("ExpressionAttributeValues", {})
    return _parsed(condition, tuple(names.items()), tuple(values)).holds(values, item)


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


def _copied(item: Attributes | None) -> Attributes | None:
    return None if item is None else dict(item)


def _key(arguments: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(part["S"]) for part in arguments["Key"].values())


def _plain(item: Attributes) -> dict[str, Any]:
    return {name: _deserialize(value) for name, value in item.items()}


class MotoTables(Tables):
    """Makes each call to moto's tables too, and asserts the same answer and the same items."""

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
        assert isinstance(theirs, dict), f"{operation} succeeds, and fails in moto: {theirs}"
        for part in ("Item", "Items", "Attributes"):
            assert _sorted(answer.get(part)) == _sorted(theirs.get(part)), f"{operation}: {part} differs from moto's"
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
