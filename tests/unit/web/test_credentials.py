"""Credentials that follow the AWS files while a board runs."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

from dropreel_cli.stack import Stack
from dropreel_cli.web.credentials import RenewedCredentials, with_renewed_credentials


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The AWS files of a user without other credentials; the file of keys is not there yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path / "credentials"


def write(file: Path, key: str, profile: str = "default", token: str = "") -> None:
    lines = [f"[{profile}]", f"aws_access_key_id = {key}", f"aws_secret_access_key = secret-{key}"]
    new = file.with_suffix(".new")
    new.write_text("\n".join([*lines, f"aws_session_token = {token}" if token else "", ""]))
    new.replace(file)


def key_of(client: Any) -> str:
    """Return the access key with which a client signs."""
    address = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    return (
        str(address.split("AWSAccessKeyId=" if "AWSAccessKeyId=" in address else "X-Amz-Credential=")[1])
        .split("&")[0]
        .split("%2F")[0]
    )


def stack_of(profile: str | None = None) -> Stack:
    return Stack("shop", {}, boto3.Session(profile_name=profile, region_name="eu-central-1"))


@pytest.mark.parametrize("profile", [None, "work"])
def test_a_client_signs_with_the_keys_that_the_file_has_now(files: Path, profile: str | None) -> None:
    write(files, "FIRST", profile or "default", token="t1")
    stack = with_renewed_credentials(stack_of(profile), profile)
    client = stack.client("s3")
    before = key_of(client)

    write(files, "SECOND", profile or "default", token="t2")

    assert (before, key_of(client)) == ("FIRST", "SECOND")
    assert stack.session.region_name == "eu-central-1"


def test_keys_that_come_later_are_found(files: Path) -> None:
    write(files, "FIRST")
    stack = with_renewed_credentials(stack_of(), None)
    client = stack.client("s3")
    files.unlink()
    with pytest.raises(NoCredentialsError):
        key_of(client)

    write(files, "SECOND")

    assert key_of(client) == "SECOND"


def test_keys_of_the_environment_come_first(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files, "OF-THE-FILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OF-THE-SHELL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert key_of(with_renewed_credentials(stack_of(), None).client("s3")) == "OF-THE-SHELL"


def test_what_botocore_cannot_refresh_is_an_error_of_aws(files: Path) -> None:
    class Expired:
        method = "sso"

        def get_frozen_credentials(self) -> None:
            raise RuntimeError("the refreshed credentials are still expired")

    with pytest.raises(CredentialRetrievalError, match="still expired"):
        RenewedCredentials(Expired).get_frozen_credentials()
