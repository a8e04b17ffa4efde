"""Checks of what is outside of AWS's own network: the provider's API, and a presigned address."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree  # nosec B405 # it reads S3's own answers alone

import requests
from botocore.config import Config

from dropreel.domain.errors import SettingsError
from dropreel.provider.client import ProviderClient
from dropreel.provider.poll_answers import PollFault
from dropreel.provider.refusals import is_content_refusal
from dropreel_cli.diagnosis.check import Finding, Site, failed, ok, skipped
from dropreel_cli.rehearsals import is_rehearsal

if TYPE_CHECKING:
    from requests import PreparedRequest

_SECONDS = 15
_PREFIX = "dropreel-doctor-"
"""Begins the id and the key that do not exist."""


def api_key(site: Site) -> Finding:
    """Poll a generation that does not exist, which costs nothing: 404 says that the key is accepted."""
    if is_rehearsal(site.stack):
        return ok("rehearsal: no provider, and no key")
    secret = site.stack.client("secretsmanager").get_secret_value(SecretId=site.resources["ApiKeySecret"])
    key, base_url = secret.get("SecretString", "").strip(), site.stack.parameters["NohumanApiBaseUrl"]
    change = f"Put a valid key into the secret {site.resources['ApiKeySecret']}, or: {site.command('deploy --guided')}"
    if not key:
        return failed("The secret holds no text.", change)
    try:
        answer = ProviderClient(base_url, lambda: key).poll(f"{_PREFIX}{secrets.token_hex(8)}")
    except SettingsError as error:
        return failed(f"{error}.", change)
    if not isinstance(answer, PollFault):
        return skipped(f"{base_url} knows a generation that does not exist, so nothing can be said about the key.")
    if answer.no_balance:
        return failed("The provider accepts the key, and its account has no balance left.", "Add money there.")
    if answer.status_code == 404:
        return ok(f"{base_url} accepts the key")
    if answer.status_code in (401, 403) and not is_content_refusal(answer.error_text or ""):
        return failed(f"{base_url} refuses the key: {answer.message}.", change)
    return skipped(
        f"Whether {base_url} accepts the key is unknown: {answer.message}.",
        "Try again later. Jobs wait for a busy provider, and nothing is charged.",
    )


def presigned_url(site: Site) -> Finding:
    """Fetch a presigned address of the uploads bucket without credentials, as the provider does."""
    bucket = site.stack.outputs["UploadsBucketName"]
    s3 = _signing_client(site)
    listed = s3.list_objects_v2(Bucket=bucket, MaxKeys=1).get("Contents", [])
    key = listed[0]["Key"] if listed else f"{_PREFIX}{secrets.token_hex(8)}"
    address = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
    if not address.startswith("https://") and not site.is_local:
        return failed("The address is not https.", "Remove AWS_ENDPOINT_URL from your environment.")
    step = "Look at the bucket's policy, its KMS key, and the network between here and S3."
    try:
        with requests.get(
            address,
            headers={"Range": "bytes=0-0"},
            auth=_anonymous,
            timeout=_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            status, code = (
                answer.status_code,
                "" if answer.ok else _error_code(answer.raw.read(4096, decode_content=True)),
            )
    except requests.RequestException as error:
        return failed(f"S3 could not be reached: {type(error).__name__}.", step)
    if status in (200, 206, 416):  # 416: the object is empty
        return ok("an image could be fetched without credentials")
    if (status, code) in ((404, "NoSuchKey"), (403, "InvalidObjectState")):
        return ok("S3 accepts the signature from outside; the bucket has no image to fetch")
    return failed(f"S3 answers {status} {code}: the provider could not fetch images.", step)


def _signing_client(site: Site) -> Any:
    """Return a client that signs as the functions do."""
    style: Any = {"us_east_1_regional_endpoint": "regional", "addressing_style": "auto" if site.is_local else "virtual"}
    create: Any = site.stack.session.client
    return create("s3", endpoint_url=site.stack.endpoint_url, config=Config(signature_version="s3v4", s3=style))


def _anonymous(request: PreparedRequest) -> PreparedRequest:
    """Add no credentials, not even those of ~/.netrc."""
    return request


def _error_code(body: bytes) -> str:
    try:
        return ElementTree.fromstring(body).findtext("Code") or ""  # noqa: S314  # nosec B314 # S3's own answer; entities are not expanded
    except ElementTree.ParseError:
        return ""
