"""What AWS's errors mean for the person at the terminal."""

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
_UNKNOWN_KEY = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled"}


def explain(error: BotoCoreError | ClientError) -> str:
    """Return what happened and what to do, in a sentence or two."""
    if isinstance(error, ClientError):
        code = str(error.response["Error"].get("Code", ""))
        if code in _EXPIRED:
            return "Your AWS credentials have expired. Renew them (`aws sso login`, or new keys), and try again."
        if code in _UNKNOWN_KEY:
            return "AWS does not know your credentials. Look at AWS_ACCESS_KEY_ID or AWS_PROFILE, and try again."
        if code in _DENIED:
            return f"Your AWS credentials are not allowed to do this: {error.response['Error'].get('Message', code)}"
        if code == "MetadataTooLarge":
            return "The options are longer than the 2 KB that S3 metadata holds. Put them into a file: docs/options.md."
        return str(error)
    if isinstance(error, NoRegionError):
        return "No AWS region is named. Name one (`export AWS_DEFAULT_REGION=eu-central-1`), and try again."
    if isinstance(error, NoCredentialsError):
        return (
            "There are no AWS credentials. Run `aws configure` or `aws sso login`, or set AWS_PROFILE, and try again."
        )
    if isinstance(error, PartialCredentialsError):
        return f"Your AWS credentials are not complete: {error}."
    if isinstance(error, SSOError | TokenRetrievalError):
        return "Your AWS sign-in has expired. Renew it (`aws sso login`), and try again."
    if isinstance(error, ProfileNotFound):
        return f"{error}. Look at AWS_PROFILE and ~/.aws/config."
    if isinstance(error, EndpointConnectionError):
        return f"{error} Is the region right, and are you online?"
    return str(error)
