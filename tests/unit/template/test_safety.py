"""Retention of data, access, encryption, and what is kept of failed invocations."""

import json
import re
from typing import Any

import pytest

from tests.unit.template.resolved import ROOT, as_list, nested, resources, statements, translated, written

RETAINED = ("UploadsBucket", "PreparedBucket", "VideosBucket", "JobsTable", "SpendTable")
EVERYTHING = {
    "ExistingUploadsBucketName": "pictures",
    "UploadsPrefix": "shop/",
    "NotificationEmail": "operator@example.com",
    "WebhookUrl": "https://hooks.example.com/dropreel",
    "KmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd",
    "Tracing": "Active",
}
WATCHED_QUEUES = ("DeadLetterQueue", "FailedInvocationsQueue")


def of_type(kind: str, **given: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in resources(**given).items() if one["Type"] == kind}


STEPS = sorted(name.removesuffix("Function") for name in of_type("AWS::Serverless::Function"))


# --- retention --------------------------------------------------------------------------------------------------------


def test_resources_with_data_are_retained_unless_their_creation_failed():
    stays = {name for name, one in resources().items() if one.get("DeletionPolicy") == "RetainExceptOnCreate"}

    assert stays == set(RETAINED)
    assert {resources()[name]["UpdateReplacePolicy"] for name in RETAINED} == {"Retain"}


def test_every_bucket_and_table_is_among_what_is_retained():
    assert {*of_type("AWS::S3::Bucket"), *of_type("AWS::DynamoDB::Table")} == set(RETAINED)


@pytest.mark.parametrize("table", ["JobsTable", "SpendTable"])
def test_a_table_is_protected_against_deletion(table):
    assert resources()[table]["Properties"]["DeletionProtectionEnabled"] is True


def test_sam_keeps_the_policies_and_layers_are_deleted_with_the_stack():
    found = translated()["Resources"]
    layers = [one for one in found.values() if one["Type"] == "AWS::Lambda::LayerVersion"]

    assert len(layers) == len(of_type("AWS::Serverless::LayerVersion")) > 0
    assert {one["DeletionPolicy"] for one in layers} == {"Delete"}
    assert {found[name]["DeletionPolicy"] for name in RETAINED} == {"RetainExceptOnCreate"}


# --- failed asynchronous invocations ----------------------------------------------------------------------------------


def invoked_asynchronously() -> set[str]:
    """Return the functions that a rule or a schedule invokes."""
    rules = of_type("AWS::Events::Rule").values()
    targets = {target["Arn"].partition(".")[0] for one in rules for target in one["Properties"]["Targets"]}
    functions = of_type("AWS::Serverless::Function")
    scheduled = {
        name
        for name, one in functions.items()
        for event in one["Properties"].get("Events", {}).values()
        if event["Type"] in ("Schedule", "ScheduleV2", "EventBridgeRule")
    }
    return (targets & set(functions)) | scheduled


def test_the_sweeper_and_report_failure_are_invoked_asynchronously():
    assert invoked_asynchronously() == {"SweepJobsFunction", "ReportFailureFunction"}


@pytest.mark.parametrize("function", sorted(invoked_asynchronously()))
def test_a_failed_asynchronous_invocation_is_kept(function):
    config = resources()[function]["Properties"]["EventInvokeConfig"]
    queue = config["DestinationConfig"]["OnFailure"]["Destination"]

    assert {"MaximumEventAgeInSeconds", "MaximumRetryAttempts"} <= set(config)
    assert queue == "FailedInvocationsQueue.Arn"
    may_send = [
        resource
        for one in statements(function.removesuffix("Function"))
        if "sqs:SendMessage" in as_list(one["Action"])
        for resource in as_list(one["Resource"])
    ]
    assert queue in may_send


def test_every_rule_target_has_a_dead_letter_queue_that_allows_the_rule():
    found = translated()["Resources"]
    rules = {name: one["Properties"] for name, one in found.items() if one["Type"] == "AWS::Events::Rule"}
    policies = [one["Properties"] for one in found.values() if one["Type"] == "AWS::SQS::QueuePolicy"]

    assert "SweepJobsFunctionSchedule" in rules
    for name, rule in rules.items():
        for target in rule["Targets"]:
            queue = target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
            (policy,) = [one for one in policies if {"Ref": queue} in one["Queues"]]
            about = [
                one for one in policy["PolicyDocument"]["Statement"]
                if one["Effect"] == "Allow" and {"Fn::GetAtt": [queue, "Arn"]} in as_list(one["Resource"])
            ]  # fmt: skip
            assert {"Fn::GetAtt": [name, "Arn"]} in _leaves(about), (name, queue)


def _leaves(node: Any) -> list[Any]:
    found = [node]
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        found += _leaves(one)
    return found


def test_a_rule_may_send_only_to_its_target_and_its_dead_letter_queue():
    """One policy serves all queues: what a rule does not need must not be in its statement."""
    needed = {
        (f"{name}.Arn", queue)
        for name, rule in sources_of_events().items()
        for queue in (*rule["queues"], rule["dead_letters"])
    }
    allowed = {
        (source, queue)
        for found in policies_of("AWS::SQS::QueuePolicy", "Queues").values()
        for one in found
        if one["Effect"] == "Allow"
        for source in one["Condition"]["ArnEquals"]["aws:SourceArn"]
        for queue in as_list(one["Resource"])
    }

    assert allowed == needed


def sources_of_events() -> dict[str, dict[str, Any]]:
    """Return each rule and schedule by the name that it has in CloudFormation: its queues, and its dead-letter queue."""
    found = {}
    for name, one in resources(**EVERYTHING).items():
        if one["Type"] == "AWS::Events::Rule":
            (target,) = one["Properties"]["Targets"]
            found[name] = {"queues": [target["Arn"]], "dead_letters": target["DeadLetterConfig"]["Arn"]}
        for event, source in one["Properties"].get("Events", {}).items():
            if source["Type"] in ("Schedule", "EventBridgeRule"):
                found[f"{name}{event}"] = {
                    "queues": [],
                    "dead_letters": source["Properties"]["DeadLetterConfig"]["Arn"],
                }
    return found


def test_no_queue_has_two_policies():
    """The last one that is set on a queue replaces those before."""
    holders = [
        queue
        for one in of_type("AWS::SQS::QueuePolicy", **EVERYTHING).values()
        for queue in one["Properties"]["Queues"]
    ]

    assert sorted(holders) == sorted(of_type("AWS::SQS::Queue", **EVERYTHING))


@pytest.mark.parametrize("queue", WATCHED_QUEUES)
def test_a_queue_of_failures_has_an_alarm_that_notifies_the_operator(queue):
    watching = [
        one["Properties"]
        for one in of_type("AWS::CloudWatch::Alarm", **EVERYTHING).values()
        if one["Properties"].get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and one["Properties"]["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
    ]

    (alarm,) = watching
    assert alarm["AlarmActions"] == ["AlarmTopic"]


# --- access -----------------------------------------------------------------------------------------------------------


def policies_of(kind: str, holders: str) -> dict[str, list[dict[str, Any]]]:
    """Return the statements about each queue, topic or bucket, by its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in of_type(kind, **EVERYTHING).values():
        for holder in as_list(one["Properties"][holders]):
            found.setdefault(holder, []).extend(one["Properties"]["PolicyDocument"]["Statement"])
    return found


@pytest.mark.parametrize(
    ("kind", "policy", "holders", "action", "resource"),
    [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket", "s3:*", "{0}.Arn"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues", "sqs:*", "{0}.Arn"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics", "sns:Publish", "{0}"),
    ],
)
def test_nothing_is_taken_without_tls(kind, policy, holders, action, resource):
    by_holder = policies_of(policy, holders)

    assert set(by_holder) == set(of_type(kind, **EVERYTHING))
    for name, found in by_holder.items():
        (deny,) = [one for one in found if one["Effect"] == "Deny"]
        assert (deny["Principal"], deny["Action"]) == ("*", action)
        assert deny["Condition"]["Bool"] == {"aws:SecureTransport": "false"}
        assert resource.format(name) in as_list(deny["Resource"])


def test_alarms_may_publish_on_the_topic_though_it_has_a_policy_of_its_own():
    (allow,) = [one for one in policies_of("AWS::SNS::TopicPolicy", "Topics")["AlarmTopic"] if one["Effect"] == "Allow"]

    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert allow["Condition"]["ArnLike"]["aws:SourceArn"].startswith(
        "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:"
    )


def trust(role: str) -> dict[str, Any]:
    (statement,) = resources()[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    found: dict[str, Any] = statement
    return found


def test_only_this_accounts_state_machines_may_take_their_role():
    condition = trust("GenerateVideoRole")["Condition"]

    assert condition["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert condition["ArnLike"] == {"aws:SourceArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:*"}


@pytest.mark.parametrize("role", sorted(name for name in of_type("AWS::IAM::Role") if name != "GenerateVideoRole"))
def test_lambdas_trust_has_no_condition_as_it_sends_no_source(role):
    assert trust(role) == {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


def test_no_partition_is_written_out():
    sources = [
        ROOT / "template.yaml",
        ROOT / "operations.yaml",
        ROOT / "notifications.yaml",
        *(ROOT / "statemachine").glob("*.json"),
        *(ROOT / "functions").rglob("*.py"),
        *(ROOT / "layers" / "dropreel").rglob("*.py"),
        *(ROOT / "cli").rglob("*.py"),
    ]

    assert [path.name for path in sources if re.search(r"arn:aws(-[a-z-]+)?:", path.read_text(encoding="utf-8"))] == []


# --- encryption with a KMS key ----------------------------------------------------------------------------------------

KEY = EVERYTHING["KmsKeyArn"]
READ_AND_WRITE = {"kms:GenerateDataKey", "kms:Decrypt"}
KEY_USES = {"SubmitGeneration": {"kms:Decrypt"}, "PrepareImage": READ_AND_WRITE, "DeliverVideo": READ_AND_WRITE}


@pytest.mark.parametrize("bucket", sorted(of_type("AWS::S3::Bucket")))
def test_a_bucket_is_encrypted_with_the_given_key(bucket):
    def rule(**given: str) -> Any:
        return resources(**given)[bucket]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule() == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    assert rule(KmsKeyArn=KEY) == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}, "BucketKeyEnabled": True}
    ]


@pytest.mark.parametrize("role", STEPS)
def test_only_roles_that_read_or_write_objects_may_use_the_key(role):
    uses = [one for one in statements(role, KmsKeyArn=KEY) if any("kms:" in a for a in as_list(one["Action"]))]

    assert {action for one in uses for action in as_list(one["Action"])} == KEY_USES.get(role, set())
    assert all(one["Resource"] == KEY for one in uses)
    assert all(one["Condition"]["StringLike"]["kms:ViaService"] == "s3.eu-central-1.*" for one in uses)
    assert not any("kms:" in action for one in statements(role) for action in as_list(one["Action"]))


# --- the existing bucket under a prefix -------------------------------------------------------------------------------


READERS = ("SubmitGeneration", "PrepareImage")
"""The steps that read uploads."""


def readable(step: str, **given: str) -> list[str]:
    (read,) = [one for one in statements(step, **given) if one["Sid"] == "ReadImages"]
    return as_list(read["Resource"])


def test_only_these_steps_read_uploads():
    assert {step for step in STEPS if "UploadsBucket" in str(statements(step, **EVERYTHING))} == set(READERS)


@pytest.mark.parametrize("step", READERS)
def test_only_keys_under_the_prefix_may_be_read(step):
    own = "UploadsBucket.Arn/*"

    assert readable(step) == [own]
    assert readable(step, ExistingUploadsBucketName="pictures") == [own, "arn:aws:s3:::pictures/*"]
    assert readable(step, ExistingUploadsBucketName="pictures", UploadsPrefix="shop/") == [
        own,
        "arn:aws:s3:::pictures/shop/*",
    ]


@pytest.mark.parametrize(("step", "prepared"), [("SubmitGeneration", ["PreparedBucket.Arn"]), ("PrepareImage", [])])
def test_a_listing_is_limited_to_the_prefix_and_a_missing_key_is_found(step, prepared):
    given = {"ExistingUploadsBucketName": "pictures", "UploadsPrefix": "shop/"}
    lists = [one for one in statements(step, **given) if one["Action"] == "s3:ListBucket"]
    prefix = {"StringLikeIfExists": {"s3:prefix": "shop/*"}}

    assert [one["Resource"] for one in lists] == ["UploadsBucket.Arn", "arn:aws:s3:::pictures", *prepared]
    assert [one.get("Condition") for one in lists] == [None, prefix, *[None for _ in prepared]]


def test_the_functions_environment_has_bucket_and_prefix():
    variables = resources(**EVERYTHING)["SubmitGenerationFunction"]["Properties"]["Environment"]["Variables"]

    assert variables["IMAGE_BUCKET_NAMES"] == "UploadsBucket,pictures"
    assert (variables["EXISTING_UPLOADS_BUCKET_NAME"], variables["UPLOADS_PREFIX"]) == ("pictures", "shop/")


def test_only_the_stacks_own_executions_may_be_described():
    may = {
        role: [one["Resource"] for one in statements(role) if "states:DescribeExecution" in as_list(one["Action"])]
        for role in STEPS
    }
    own = "arn:aws:states:eu-central-1:123456789012:execution:GenerateVideoStateMachine.Name:*"

    assert {role: resources for role, resources in may.items() if resources} == {
        "ReportFailure": [own],
        "SweepJobs": [own],
    }


LOG_DELIVERY = {
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions that have no resource in IAM."""


def test_traces_are_written_only_where_they_are_asked_for():
    for tracing, mode in (("PassThrough", False), ("Active", True)):
        functions = of_type("AWS::Serverless::Function", Tracing=tracing)
        machine = of_type("AWS::Serverless::StateMachine", Tracing=tracing)["GenerateVideoStateMachine"]["Properties"]
        traced = [name for name in (*STEPS, "GenerateVideo") if "xray:" in str(statements(name, Tracing=tracing))]

        assert written()["Globals"]["Function"]["Tracing"] == {"Ref": "Tracing"}
        assert [name for name, one in functions.items() if "Tracing" in one["Properties"]] == []
        assert machine["Tracing"] == {"Enabled": mode}
        assert traced == ([*STEPS, "GenerateVideo"] if mode else [])


def test_the_state_machine_logs_every_state_without_its_data():
    logging = of_type("AWS::Serverless::StateMachine")["GenerateVideoStateMachine"]["Properties"]["Logging"]
    group = of_type("AWS::Logs::LogGroup")["GenerateVideoLogGroup"]["Properties"]

    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    assert logging["Destinations"] == [{"CloudWatchLogsLogGroup": {"LogGroupArn": "GenerateVideoLogGroup.Arn"}}]
    assert group == {"LogGroupName": "/aws/vendedlogs/states/shop-generate-video", "RetentionInDays": "30"}


def test_the_saved_query_reads_every_log_group():
    (_, passed) = written()["Resources"]["Operations"]["Properties"]["Parameters"]["LogGroupNames"]["Fn::Join"]

    assert sorted(one["Ref"] for one in passed) == sorted(of_type("AWS::Logs::LogGroup"))
    assert nested()["Operations"]["Resources"]["JobQuery"]["Properties"]["LogGroupNames"] == {"Ref": "LogGroupNames"}


def test_no_permission_is_for_everything():
    roles = [name.removesuffix("Role") for name in of_type("AWS::IAM::Role")]
    found = {
        (role, one["Sid"]): set(as_list(one["Action"]))
        for role in roles
        for one in statements(role, **EVERYTHING)
        if "*" in as_list(one["Resource"])
    }

    assert found.pop(("GenerateVideo", "DeliverLogs")) == LOG_DELIVERY
    assert found.pop(("GenerateVideo", "ReadSampling")) == {"xray:GetSamplingRules", "xray:GetSamplingTargets"}
    assert found == {(role, "WriteTraces"): TRACES for role in roles}
    assert written()["Globals"]["Function"].get("Policies") is None


def test_no_output_can_be_empty():
    """Whether CloudFormation gives the stack above an empty output is not documented."""
    for template in (written(), *nested().values()):
        for name, output in template.get("Outputs", {}).items():
            assert '""' not in json.dumps(output["Value"]), name


# --- the API key ------------------------------------------------------------------------------------------------------


def test_the_secret_has_no_property_whose_change_could_write_an_old_key_back():
    """CloudFormation updates a resource when a property changes, and could then send its SecretString again: keep these."""
    assert written()["Resources"]["ApiKeySecret"]["Properties"] == {
        "Description": "The provider's API key for Dropreel.",
        "SecretString": {"Ref": "NohumanApiKey"},
    }
