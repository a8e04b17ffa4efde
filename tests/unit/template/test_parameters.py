"""The values that the template accepts, and those that it refuses before anything is created."""

import json
from typing import Any

import pytest

from dropreel.domain.errors import SettingsError
from dropreel.settings import Settings
from dropreel_cli.parameters import read_parameters
from tests.unit.template.resolved import nested, parameters, refused, resources, written

WHOLE_NUMBERS = {
    # parameter -> the smallest and the largest, and one that is out of range on each side
    "UploadSettleSeconds": (("0", "900"), ("-1", "901")),
    "PollIntervalSeconds": (("5", "60"), ("0", "61")),
    "GenerationTimeoutMinutes": (("1", "180"), ("0", "181")),
    "SubmitConcurrency": (("2", "1000"), ("1", "1001")),
    "MaxAttempts": (("1", "10"), ("0", "11")),
    "MaxVideoBytes": (("1", "2147483648"), ("0", "10000000000000")),
    "LogRetentionDays": (("1", "731"), ("0", "732")),
}
READ_BY_THE_CODE = {
    "MaxAttempts": ("MAX_ATTEMPTS", "max_attempts"),
    "GenerationTimeoutMinutes": ("GENERATION_TIMEOUT_MINUTES", "generation_timeout_seconds"),
    "MaxVideoBytes": ("MAX_VIDEO_BYTES", "max_video_bytes"),
}
NUMBERS = ["SubmitConcurrency"]
NO_WHOLE_NUMBERS = ["90.0", "1.5", "5.", "1e2", "5e0", " 5", "5 ", "+5", "-5", "05", "0x5", "5\n", "٥", "five", ""]


def test_only_submit_concurrency_is_a_number_to_cloudformation():
    """A Number may be 90.0 or 1e2, and its AllowedPattern is not looked at: use String with an AllowedPattern."""
    assert [name for name, one in written()["Parameters"].items() if one["Type"] != "String"] == NUMBERS


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_reaches_only_a_property_that_lambda_checks(name: str):
    """Code, state machine and Rules would get 5.0 or 5e0 unchanged."""
    assert _paths_of({"Ref": name}, written()) == [
        f"Resources.{step}Function.Properties.Events.Queue.Properties.ScalingConfig.MaximumConcurrency"
        for step in ("SubmitGeneration", "PrepareImage")
    ]
    assert f"${{{name}}}" not in json.dumps(written())


def _paths_of(wanted: Any, node: Any, path: str = "") -> list[str]:
    if node == wanted:
        return [path.removeprefix(".")]
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for name, one in children for found in _paths_of(wanted, one, f"{path}.{name}")]


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_a_whole_number_in_its_range_is_taken(name):
    smallest_and_largest, _ = WHOLE_NUMBERS[name]

    assert [value for value in smallest_and_largest if name in refused(**{name: value})] == []


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_a_number_out_of_its_range_is_refused(name):
    _, outside = WHOLE_NUMBERS[name]

    assert all(name in refused(**{name: value}) for value in outside)


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS)
@pytest.mark.parametrize("name", [name for name in WHOLE_NUMBERS if name not in NUMBERS])
def test_what_is_no_whole_number_is_refused(name, value):
    assert name in refused(**{name: value})


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS)
@pytest.mark.parametrize("name", NUMBERS)
def test_make_deploy_refuses_a_number_that_is_not_whole(name, value):
    """On AWS it would fail after the tables are created."""
    assert "must be a whole number" in (read_parameters()[name].fault_of(value) or "")


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_a_numbers_constraint_is_described(name):
    parameter = written()["Parameters"][name]

    assert "AllowedValues" in parameter or "whole number" in parameter["ConstraintDescription"]


@pytest.mark.parametrize("value", [value for value in NO_WHOLE_NUMBERS if value != "05"])
@pytest.mark.parametrize("name", READ_BY_THE_CODE)
def test_the_settings_refuse_what_the_template_refuses_and_name_it(name, value):
    variable, setting = READ_BY_THE_CODE[name]

    with pytest.raises(SettingsError, match=variable):
        getattr(Settings({variable: value}), setting)


def test_every_parameter_of_a_plain_stack_is_taken():
    assert refused() == []


def test_the_nested_stack_gets_each_of_its_parameters():
    passed = written()["Resources"]["Operations"]["Properties"]["Parameters"]

    assert sorted(passed) == sorted(nested()["Parameters"])
    assert all(one["Description"] for one in nested()["Parameters"].values())
    assert [name for name, one in nested()["Parameters"].items() if "Default" in one] == []


def test_every_parameter_is_in_a_group_of_the_console():
    groups = written()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(written()["Parameters"])


@pytest.mark.parametrize("prefix", ["shop/", "shop/in-", "été/2026 ü/", "a"])
def test_a_prefix_of_the_existing_bucket_is_taken(prefix):
    assert refused(UploadsPrefix=prefix, ExistingUploadsBucketName="pictures") == []


@pytest.mark.parametrize("prefix", ["*", "shop/*", "sho?/", "${aws:userid}/", "/shop/", 'a"b', "a\\b", "x" * 513])
def test_a_prefix_that_iam_would_read_as_more_is_refused(prefix):
    assert "UploadsPrefix" in refused(UploadsPrefix=prefix, ExistingUploadsBucketName="pictures")


def test_a_prefix_without_a_bucket_is_refused():
    assert refused(UploadsPrefix="shop/") == ["UploadsPrefixNeedsExistingBucket"]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    ],
)
def test_the_arn_of_a_key_is_taken(arn):
    assert refused(KmsKeyArn=arn) == []


@pytest.mark.parametrize(
    "arn", ["1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:eu-central-1:123456789012:alias/pictures", "*"]
)
def test_what_is_no_keys_arn_is_refused(arn):
    assert refused(KmsKeyArn=arn) == ["KmsKeyArn"]


def test_the_defaults_create_no_optional_resource():
    assert not {"ExistingBucketImageUploadedRule", "AlarmTopic", "AlarmTopicPolicy"} & set(resources())
    assert (parameters()["UploadsPrefix"], parameters()["KmsKeyArn"]) == ("", "")
