"""The values that the template accepts, and those that it refuses before anything is created."""

import json
from typing import Any

import pytest

from dropreel.domain.errors import SettingsError
from dropreel.domain.prices import DOCUMENTED
from dropreel.settings import Settings
from dropreel_cli.parameters import read_parameters
from tests.unit.template.resolved import nested, parameters, refused, resources, variables, written

WHOLE_NUMBERS = {
    # parameter -> the smallest and the largest, and one that is out of range on each side
    "UploadSettleSeconds": (("0", "900"), ("-1", "901")),
    "PollIntervalSeconds": (("5", "60"), ("0", "61")),
    "GenerationTimeoutMinutes": (("1", "180"), ("0", "181")),
    "SubmitConcurrency": (("2", "1000"), ("1", "1001")),
    "MaxAttempts": (("1", "10"), ("0", "11")),
    "MaxVideoBytes": (("1", "2147483648"), ("0", "10000000000000")),
    "LogRetentionDays": (("1", "731"), ("0", "732")),
    "KeepImagesDays": (("0", "3650"), ("-1", "3651")),
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


@pytest.mark.parametrize("name", [name for name, one in written()["Parameters"].items() if "AllowedPattern" in one])
def test_a_refused_value_is_answered_with_what_is_allowed(name):
    """A pattern alone leaves CloudFormation and `dropreel` with nothing to say but the pattern."""
    assert "; must be " in (read_parameters()[name].fault_of("/") or "")


@pytest.mark.parametrize("value", [value for value in NO_WHOLE_NUMBERS if value != "05"])
@pytest.mark.parametrize("name", READ_BY_THE_CODE)
def test_the_settings_refuse_what_the_template_refuses_and_name_it(name, value):
    variable, setting = READ_BY_THE_CODE[name]

    with pytest.raises(SettingsError, match=variable):
        getattr(Settings({variable: value}), setting)


def test_every_parameter_of_a_plain_stack_is_taken():
    assert refused() == []


@pytest.mark.parametrize("name", sorted(nested()))
def test_a_nested_stack_gets_each_of_its_parameters(name):
    passed = written()["Resources"][name]["Properties"]["Parameters"]
    declared = nested()[name]["Parameters"]

    assert sorted(passed) == sorted(declared)
    assert all(one["Description"] for one in declared.values())
    assert [parameter for parameter, one in declared.items() if "Default" in one] == []


def test_every_parameter_is_in_a_group_of_the_console():
    groups = written()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(written()["Parameters"])


PRICES = "fast-5=0.47 fast-10=0.94 hq-5=0.94 hq-10=1.87"


@pytest.mark.parametrize(
    "prices",
    [PRICES, PRICES.replace("0.47", "1"), PRICES.replace("1.87", "12.5"), PRICES.replace("0.47", "47") + " forced"],
)
def test_prices_of_this_form_are_taken_by_template_and_code(prices: str):
    assert refused(PricesUsd=prices) == []
    assert Settings({"PRICES_USD": prices}).prices.text


@pytest.mark.parametrize(
    "prices",
    [
        "", "0.47", PRICES.replace(" ", ","), PRICES.replace("0.47", "0,47"), PRICES.replace("0.47", "-1"),
        PRICES.replace("0.47", "0"), PRICES.replace("0.47", "0.00") + " forced", PRICES.replace("1.87", "0"),
        PRICES.replace("0.47", "0.475"), PRICES + " force", PRICES.replace("hq-5=0.94 ", ""), PRICES.replace("0.47", "1e1"),
    ],
)  # fmt: skip
def test_prices_of_another_form_are_refused_by_template_and_code(prices: str):
    assert refused(PricesUsd=prices) == ["PricesUsd"]
    with pytest.raises(SettingsError, match="PRICES_USD"):
        _ = Settings({"PRICES_USD": prices}).prices


def test_prices_far_from_the_documented_ones_are_refused_before_a_deployment():
    """CloudFormation sees the form alone: `make deploy` and `dropreel set` refuse them, and so does every submission."""
    parameter = read_parameters()["PricesUsd"]
    slip = PRICES.replace("0.47", "47")

    assert parameter.fault_of(slip) == (
        "PricesUsd: fast-5 is 47, more than 10 times apart from the documented 0.47; "
        "if it is right, put forced behind the four prices."
    )
    assert parameter.fault_of(f"{slip} forced") is None
    assert parameter.fault_of(PRICES) is None
    assert "must be four prices" in (parameter.fault_of("47") or "")


def test_the_documented_prices_are_the_default():
    assert written()["Parameters"]["PricesUsd"]["Default"] == DOCUMENTED.text


@pytest.mark.parametrize("value", ["active", "true", ""])
def test_another_tracing_mode_is_refused(value: str):
    assert refused(Tracing=value) == ["Tracing"]


@pytest.mark.parametrize("prefix", ["shop/", "shop/in-", "été/2026 ü/", "a"])
def test_a_prefix_of_the_existing_bucket_is_taken(prefix):
    assert refused(UploadsPrefix=prefix, ExistingUploadsBucketName="pictures") == []


NO_PREFIXES = ["*", "shop/*", "sho?/", "${aws:userid}/", "/shop/", 'a"b', "a\\b", "x" * 513]


@pytest.mark.parametrize("prefix", [*NO_PREFIXES, "shop/\n", "\nshop/", "a\tb", "a\x00", "a\x7f", "\r"])
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


@pytest.mark.parametrize(("rehearsal", "key"), [("true", "rehearsal"), ("false", "sk-live-1"), ("false", "Rehearsal")])
def test_a_rehearsal_goes_with_its_word_and_a_real_stack_with_a_key(rehearsal, key):
    assert refused(Rehearsal=rehearsal, NohumanApiKey=key) == []


@pytest.mark.parametrize(("rehearsal", "key"), [("true", "sk-live-1"), ("false", "rehearsal"), ("true", "Rehearsal")])
def test_a_key_in_a_rehearsal_and_the_word_in_a_real_stack_are_refused(rehearsal, key):
    assert refused(Rehearsal=rehearsal, NohumanApiKey=key) == ["RehearsalHasNoKey"]


def test_a_new_stack_is_no_rehearsal():
    assert parameters()["Rehearsal"] == "false"
    assert refused(Rehearsal="yes") != []


@pytest.mark.parametrize("rehearsal", ["true", "false"])
def test_every_function_knows_whether_it_rehearses(rehearsal):
    key = "rehearsal" if rehearsal == "true" else "key"
    functions = [name for name, one in resources().items() if one["Type"] == "AWS::Serverless::Function"]

    found = {variables(name, Rehearsal=rehearsal, NohumanApiKey=key)["REHEARSAL"] for name in functions}

    assert found == {rehearsal}


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/dropreel?shop=1",
        "https://hooks.example.com:8443/a/b",
        "http://127.0.0.1:8080/hook",
        "http://localhost/",
        "http://[::1]:8080",
    ],
)
def test_an_address_for_webhooks_is_taken(url):
    assert refused(WebhookUrl=url) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "https://user:password@example.com/",
        "https://",
        "hooks.example.com",
        "ftp://example.com",
        "https://example.com/#part",
        "https://example.com/a b",
        f"https://example.com/{'x' * 2048}",
    ],
)
def test_another_address_for_webhooks_is_refused(url):
    assert refused(WebhookUrl=url) == ["WebhookUrl"]


@pytest.mark.parametrize(("value", "is_taken"), [("true", True), ("false", True), ("yes", False), ("", False)])
def test_schemas_are_registered_or_not(value, is_taken):
    assert ("RegisterEventSchemas" in refused(RegisterEventSchemas=value)) is not is_taken


def test_the_registry_has_the_stacks_name():
    """The local engine lacks EventSchemas: this is all that is tested of it."""
    stack = resources(RegisterEventSchemas="true")["EventSchemas"]

    assert stack["Properties"] == {"Location": "schemas.yaml", "Parameters": {"RegistryName": "shop"}}
    schemas = nested()["EventSchemas"]
    assert list(schemas["Parameters"]) == ["RegistryName"]
    assert {one["Type"] for one in schemas["Resources"].values()} == {
        "AWS::EventSchemas::Registry",
        "AWS::EventSchemas::Schema",
    }


def test_the_defaults_create_no_optional_resource():
    optional = {"ExistingBucketImageUploadedRule", "AlarmTopic", "AlarmTopicPolicy", "Notifications", "EventSchemas"}
    assert not optional & set(resources())
    assert not set(nested()["Notifications"]["Resources"]) & set(resources())
    empty = ("UploadsPrefix", "KmsKeyArn", "PermissionsBoundaryArn")
    assert {name: parameters()[name] for name in empty} == dict.fromkeys(empty, "")


@pytest.mark.parametrize("template", ["template.yaml", *nested()])
def test_a_condition_has_only_functions_that_cloudformation_documents_there(template: str):
    """A Fn::Join is not among them: the local engine takes it for a text that is never empty."""
    there = written() if template == "template.yaml" else nested()[template]

    found = {name for one in there.get("Conditions", {}).values() for name in _functions_in(one)}

    assert found <= {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::FindInMap", "Condition", "Ref"}


def _functions_in(node: Any) -> set[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return {*(node if isinstance(node, dict) else ()), *(name for one in children for name in _functions_in(one))}
