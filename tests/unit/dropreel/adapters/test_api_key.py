"""The API key: how it is read, how long it is cached, and that it is not shown."""

from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider, base
from botocore.stub import Stubber

from dropreel.adapters.api_key import ApiKey
from dropreel.domain.errors import SettingsError

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key"


class Clock(datetime):
    """Powertools' clock, as a test sets it."""

    noon = datetime.fromisoformat("2026-05-04T12:00:00")

    @classmethod
    def now(cls, tz: Any = None) -> Any:  # noqa: ARG003
        return cls.noon


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(base, "datetime", Clock)
    monkeypatch.setattr(Clock, "noon", Clock.noon)
    return Clock


@pytest.fixture
def secrets_manager() -> Any:
    client = boto3.client(
        "secretsmanager", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    stubber = Stubber(client)
    stubber.activate()
    return stubber


@pytest.fixture
def api_key(secrets_manager: Any) -> ApiKey:
    provider = SecretsProvider(boto3_client=secrets_manager.client)
    return ApiKey(lambda: provider, ARN)


def has(secrets_manager: Any, **value: Any) -> None:
    secrets_manager.add_response("get_secret_value", value, {"SecretId": ARN})


def test_it_is_read_without_the_white_space_around_it(secrets_manager: Any, api_key: ApiKey):
    has(secrets_manager, SecretString=" a key\r\n")

    assert api_key() == "a key"


def test_it_is_read_once_and_a_changed_one_is_in_use_after_five_minutes(
    secrets_manager: Any, api_key: ApiKey, clock: type[Clock]
):
    has(secrets_manager, SecretString="old")
    assert api_key() == "old"
    has(secrets_manager, SecretString="new")

    clock.noon += timedelta(seconds=300)
    assert api_key() == "old"
    clock.noon += timedelta(microseconds=1)
    assert api_key() == "new"
    secrets_manager.assert_no_pending_responses()


def test_a_read_that_fails_is_not_cached(secrets_manager: Any, api_key: ApiKey):
    secrets_manager.add_client_error("get_secret_value", "InternalServiceError", http_status_code=500)
    has(secrets_manager, SecretString="key")

    with pytest.raises(GetParameterError, match="InternalServiceError"):
        api_key()

    assert api_key() == "key"


def test_binary_data_is_no_key(secrets_manager: Any, api_key: ApiKey):
    has(secrets_manager, SecretBinary=b"key")

    with pytest.raises(SettingsError, match="must hold text"):
        api_key()


def test_its_repr_does_not_show_it(secrets_manager: Any, api_key: ApiKey):
    has(secrets_manager, SecretString="a-key-to-be-kept")

    assert api_key() == "a-key-to-be-kept"

    assert "a-key-to-be-kept" not in repr(api_key)
