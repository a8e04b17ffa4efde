"""Explains AWS's errors: what happened, and what to do."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_INVALID_CREDENTIALS = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
}
_ACTIONS_OF_HEADS = {"HeadObject": "s3:GetObject", "HeadBucket": "s3:ListBucket"}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled"}


def is_refused(error: ClientError) -> bool:
    """Return whether AWS refuses the credentials, or does not permit them the call. The next call will not do better."""
    return error.response["Error"].get("Code", "") in _EXPIRED | _INVALID_CREDENTIALS | _DENIED


def is_denied(error: BotoCoreError | ClientError) -> bool:
    """Return whether AWS knows the caller and does not allow the request. S3 answers a HEAD with the number alone."""
    return isinstance(error, ClientError) and error.response["Error"].get("Code") in {*_DENIED, "403"}


def explain(error: BotoCoreError | ClientError) -> str:
    """Return what happened and what to do, in a sentence or two."""
    if isinstance(error, ClientError):
        code = str(error.response["Error"].get("Code", ""))
        if code in _EXPIRED:
            return "Your AWS credentials have expired. Renew them (`aws sso login`, or new keys), and try again."
        if code in _INVALID_CREDENTIALS:
            return "AWS refused your credentials as invalid. Check AWS_ACCESS_KEY_ID or AWS_PROFILE, and try again."
        if code in _DENIED:
            return f"Your AWS credentials are not allowed to do this: {error.response['Error'].get('Message', code)}"
        if code == "403" and error.operation_name in _ACTIONS_OF_HEADS:  # S3 answers a HEAD without a message
            return f"Your AWS credentials are not allowed to do this: {_ACTIONS_OF_HEADS[error.operation_name]}"
        if code == "MetadataTooLarge":
            return "The options are longer than the 2 KB that S3 metadata holds. Put them into a file: docs/options.md."
        return str(error)
    if isinstance(error, NoRegionError):
        return (
            "No AWS region is set. Name it with --region, or set one (`export AWS_DEFAULT_REGION=eu-central-1`), and try again. "
            "The local cloud of `dropreel up` needs --local instead."
        )
    if isinstance(error, NoCredentialsError):
        return (
            "No AWS credentials were found. Run `aws configure` or `aws sso login`, or set AWS_PROFILE, and try again."
        )
    if isinstance(error, PartialCredentialsError):
        return f"Your AWS credentials are incomplete: {error}."
    if isinstance(error, SSOError | TokenRetrievalError):
        return "Your AWS sign-in has expired. Renew it (`aws sso login`), and try again."
    if isinstance(error, ProfileNotFound):
        return f"{error}. Check AWS_PROFILE and ~/.aws/config."
    if isinstance(error, EndpointConnectionError):
        return f"{error}. Check the region and your network connection."
    return str(error)
