"""What an error of boto3 means: one class of ours per cause."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as Unreachable

from cdn import errors

ABSENT = frozenset({"404", "NoSuchKey"})
NO_CONDITIONS = frozenset({"NotImplemented", "InvalidArgument", "501"})
LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
NO_RANGE = frozenset({"InvalidRange", "416"})
_REFUSED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "403",
}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507"}
_AWAY = {"SlowDown", "RequestTimeout", "Throttling", "TooManyRequestsException"}


def code_of(error: ClientError) -> str:
    """Return the code of an answer, which is its status where a storage gives no other."""
    return str(error.response.get("Error", {}).get("Code", ""))


def cause(error: Exception, name: str) -> errors.PublishError:
    """Return what an error means that came of a bucket of this name."""
    if isinstance(error, ClientError):
        return _refusal(error, name)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return errors.CredentialsMissing(f"no keys for the storage: {error}")
    if isinstance(error, Unreachable | HTTPClientError):
        return errors.EndpointAway(f"the storage cannot be reached: {error}")
    if isinstance(error, ValueError):
        return errors.BadDestination(str(error))
    return errors.StorageRefused(f"the storage cannot be used: {error}")


def _refusal(error: ClientError, name: str) -> errors.PublishError:
    code, said = code_of(error), error.response.get("Error", {}).get("Message", "")
    told = f"{code} {said}".rstrip()
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _FULL or status == 507:
        return errors.StorageFull(f"the storage has no room in bucket {name!r}: {told}")
    if code in _REFUSED:
        return errors.AccessRefused(f"the storage refuses access to bucket {name!r}: {told}")
    if code == "NoSuchBucket":
        return errors.NoSuchBucket(f"there is no bucket {name!r}")
    if code in _AWAY or (status >= 500 and code not in NO_CONDITIONS):
        return errors.EndpointAway(f"the storage does not do {error.operation_name} now: {told}")
    return errors.StorageRefused(f"the storage refused {error.operation_name}: {told}")


TOLD = (ClientError, BotoCoreError)
"""What boto3 raises on purpose."""
