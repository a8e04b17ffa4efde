"""Errors as AWS clients raise them."""

from typing import Any

from botocore.exceptions import ClientError

ACCOUNT, REGION = "123456789012", "us-east-1"


def refusal(operation: str, code: str, status: int, client: Any = None, **more: Any) -> ClientError:
    """Return the error that an AWS client raises; with a `client`, of the class that it has for it."""
    response: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    kind = ClientError if client is None else getattr(client.exceptions, code)
    error: ClientError = kind(response, operation)
    return error
