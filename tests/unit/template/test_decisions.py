"""The template is as docs/decisions/ describes it."""

from typing import Any

import pytest

from benchmarks.preparation import MEMORY_SIZE_MIB
from dropreel.media.images.preparation import MAX_ORIGINAL_BYTES
from tests.unit.template.resolved import as_list, resources, statements, translated

EXISTING = {"ExistingUploadsBucketName": "pictures"}
MAY_PAY = {"SubmitGeneration", "CheckStatus", "DeliverVideo"}
"""The steps that call the provider's API; the other ones may not read its key."""


def translated_of(kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in translated()["Resources"].items() if one["Type"] == kind}


FUNCTIONS = translated_of("AWS::Lambda::Function")
STEPS = sorted(name.removesuffix("Function") for name in FUNCTIONS)


def allowed(step: str) -> list[str]:
    return [action for one in statements(step, **EXISTING) for action in as_list(one["Action"])]


def test_the_template_has_functions():
    assert set(STEPS) > MAY_PAY


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_log_group_of_its_own_that_ends(name):
    groups = translated_of("AWS::Logs::LogGroup")
    group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]

    assert groups[group]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert [one for one in FUNCTIONS if FUNCTIONS[one]["LoggingConfig"]["LogGroup"]["Ref"] == group] == [name]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_from_the_template(name):
    role = f"{name.removesuffix('Function')}Role"

    assert FUNCTIONS[name]["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assert "ManagedPolicyArns" not in translated_of("AWS::IAM::Role")[role]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_reserves_concurrency(name):
    assert "ReservedConcurrentExecutions" not in FUNCTIONS[name]


def test_a_queue_limits_how_many_run_and_gives_one_image_at_a_time():
    sources = translated_of("AWS::Lambda::EventSourceMapping").values()

    assert {one["FunctionName"]["Ref"] for one in sources} == {"SubmitGenerationFunction", "PrepareImageFunction"}
    for source in sources:
        assert source["BatchSize"] == 1
        assert "SubmitConcurrency" in str(source["ScalingConfig"]["MaximumConcurrency"])


def test_only_a_step_that_calls_the_provider_may_read_the_key():
    assert {step for step in STEPS if "secretsmanager:GetSecretValue" in allowed(step)} == MAY_PAY


def test_a_step_writes_objects_into_its_own_bucket_alone():
    writes = [
        (step, resource)
        for step in STEPS
        for statement in statements(step, **EXISTING)
        for resource in as_list(statement["Resource"])
        if any(action in ("s3:PutObject", "s3:DeleteObject", "s3:*") for action in as_list(statement["Action"]))
    ]

    assert sorted(writes) == [("DeliverVideo", "VideosBucket.Arn/*"), ("PrepareImage", "PreparedBucket.Arn/*")]


def test_uploads_go_through_eventbridge_and_the_bucket_names_no_target():
    notifications = resources()["UploadsBucket"]["Properties"]["NotificationConfiguration"]

    assert notifications == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


@pytest.mark.parametrize("bucket", ["VideosBucket", "PreparedBucket"])
def test_no_rule_takes_what_the_stack_itself_writes(bucket):
    rules = [one["Properties"] for one in resources(**EXISTING).values() if one["Type"] == "AWS::Events::Rule"]

    assert "NotificationConfiguration" not in resources()[bucket]["Properties"]
    assert [rule for rule in rules if bucket in str(rule)] == []


def test_a_prepared_image_is_deleted_after_a_week():
    rules = resources()["PreparedBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule] == [7]
    assert [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule] == [
        {"NoncurrentDays": 1}
    ]
    assert sum(rule.get("ExpiredObjectDeleteMarker", False) for rule in rules) == 1


def test_only_prepare_image_has_the_imaging_layer_and_it_is_for_arm64():
    layer = resources()["ImagingLayer"]["Properties"]
    holders = [name for name, one in FUNCTIONS.items() if "ImagingLayer" in str(one["Layers"])]

    assert holders == ["PrepareImageFunction"]
    assert layer["CompatibleArchitectures"] == FUNCTIONS["PrepareImageFunction"]["Architectures"] == ["arm64"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_the_layers_that_all_share(name):
    assert [one for one in ("DropreelLayer", "DependenciesLayer") if one in str(FUNCTIONS[name]["Layers"])] == [
        "DropreelLayer",
        "DependenciesLayer",
    ]


def test_the_largest_original_fits_into_prepare_images_storage():
    storage = FUNCTIONS["PrepareImageFunction"]["EphemeralStorage"]["Size"]

    assert storage * 1024**2 > MAX_ORIGINAL_BYTES


def test_the_benchmark_measures_with_prepare_images_memory():
    assert FUNCTIONS["PrepareImageFunction"]["MemorySize"] == MEMORY_SIZE_MIB


def test_the_state_machine_is_a_json_file():
    machine = resources()["GenerateVideoStateMachine"]["Properties"]

    assert machine["DefinitionUri"] == "statemachine/generate_video.asl.json"


def test_the_spend_table_has_one_item_a_day():
    assert resources()["SpendTable"]["Properties"]["KeySchema"] == [{"AttributeName": "day", "KeyType": "HASH"}]


def test_what_may_have_been_charged_is_parked_by_default():
    assert translated()["Parameters"]["AmbiguousSubmitPolicy"]["Default"] == "park"
