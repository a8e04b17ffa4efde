"""An update keeps every bucket, table, queue and secret of the last release; tests/e2e/test_update.py makes one."""

import copy
import json
from typing import Any

import pytest

from tests.support.stateful_resources import losses, resources_of_stack
from tests.support.templates import load_template
from tests.unit.template.resolved import ROOT

RELEASED: dict[str, Any] = json.loads((ROOT / "tests" / "support" / "released_resources.json").read_text("utf-8"))
"""The resources with data of the last release: renewed after a release by `python -m tests.support.write_released`."""


def now() -> dict[str, Any]:
    return resources_of_stack(lambda name: load_template(str(ROOT / name)))


def test_nothing_with_data_is_renamed_replaced_or_dropped():
    assert losses(RELEASED["resources"], now()) == []


def test_the_releases_resources_with_data_are_known():
    assert {"UploadsBucket", "VideosBucket", "JobsTable", "SpendTable", "SubmissionQueue", "ApiKeySecret"} <= set(
        RELEASED["resources"]
    )


def changed(name: str, **changes: Any) -> dict[str, Any]:
    """Return the released resources with some facts of one of them changed."""
    resources = copy.deepcopy(RELEASED["resources"])
    resources[name].update(changes)
    return dict(resources)


INDEX = [[{"AttributeName": "a", "KeyType": "HASH"}], {"ProjectionType": "KEYS_ONLY"}]
INDEXES = RELEASED["resources"]["JobsTable"]["indexes"]


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ({k: v for k, v in RELEASED["resources"].items() if k != "VideosBucket"}, "VideosBucket is gone or renamed"),
        (changed("JobsTable", replacing={"KeySchema": []}), "JobsTable has another replacing"),
        (changed("SpendTable", DeletionPolicy="Delete"), "SpendTable has another DeletionPolicy"),
        (changed("JobsTable", indexes={**INDEXES, "waiting": INDEX}), "the index waiting is changed"),
        (changed("JobsTable", indexes={**INDEXES, "a": INDEX, "b": INDEX}), "one index an update, not ['a', 'b']"),
        (changed("SubmissionQueue", type="AWS::SQS::Fifo"), "SubmissionQueue has another type"),
    ],
)
def test_a_change_that_loses_data_is_seen(after, sentence):
    (found,) = losses(RELEASED["resources"], after)

    assert sentence in found


def test_one_new_index_and_a_new_queue_are_no_loss():
    after = {**changed("JobsTable", indexes={**INDEXES, "a": INDEX}), "NewQueue": {"type": "AWS::SQS::Queue"}}

    assert losses(RELEASED["resources"], after) == []
