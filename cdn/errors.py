"""Every way publishing fails: one class per cause, with a message for the person who published."""

from __future__ import annotations


class PublishError(Exception):
    """Base of what publishing raises on purpose."""

    code = "publish-failed"

    def __init__(self, message: str) -> None:
        """Keep the message."""
        super().__init__(message)
        self.message = message


class BadDestination(PublishError):
    """A destination is not `s3://bucket/prefix`."""

    code = "bad-destination"


class CredentialsMissing(PublishError):
    """No keys are configured, or a profile or role that should give some does not."""

    code = "credentials-missing"


class AccessRefused(PublishError):
    """The endpoint does not know the keys, or they may not do this."""

    code = "access-refused"


class NoSuchBucket(PublishError):
    """The bucket does not exist."""

    code = "no-such-bucket"


class EndpointAway(PublishError):
    """The endpoint cannot be reached, or breaks off."""

    code = "endpoint-away"


class StorageFull(PublishError):
    """The endpoint has no room for more, or a quota is used up."""

    code = "storage-full"


class StorageRefused(PublishError):
    """The endpoint refuses a request for another reason, which the message gives."""

    code = "storage-refused"


class PublishedMeanwhile(PublishError):
    """Somebody else wrote other bytes under a key while this was being published."""

    code = "published-meanwhile"


class NothingToPublish(PublishError):
    """There is no multivariant playlist: this is no asset."""

    code = "nothing-to-publish"


class NotComplete(PublishError):
    """A manifest is not final, or names what does not exist."""

    code = "not-complete"


class PurgeRefused(PublishError):
    """A CDN does not forget what it was asked to."""

    code = "purge-refused"


class KeyUnreadable(PublishError):
    """A private key for signing cannot be used."""

    code = "key-unreadable"
