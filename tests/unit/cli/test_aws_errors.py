"""A missing permission is named, also where S3's answer to a HEAD has no message."""

import pytest
from botocore.exceptions import ClientError

from dropreel_cli.aws_errors import explain, is_denied


@pytest.mark.parametrize(("operation", "action"), [("HeadObject", "s3:GetObject"), ("HeadBucket", "s3:ListBucket")])
def test_a_head_that_is_denied_names_the_action(operation: str, action: str) -> None:
    error = ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, operation)

    assert is_denied(error)
    assert explain(error) == f"Your AWS credentials are not allowed to do this: {action}"


def test_another_denied_call_is_explained_in_the_words_of_aws() -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized: s3:PutObject"}}, "PutObject")

    assert explain(error) == "Your AWS credentials are not allowed to do this: not authorized: s3:PutObject"
