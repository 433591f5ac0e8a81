"""Every way the server refuses or fails on purpose: one class per cause, no HTTP in it."""

from __future__ import annotations


class ServerError(Exception):
    """Base of what the server raises on purpose. The message is fit for the person who asked."""

    def __init__(self, message: str) -> None:
        """Keep the message."""
        super().__init__(message)
        self.message = message


class NoSuchAsset(ServerError):
    """No asset has this id, or it was deleted."""

    def __init__(self, asset: str) -> None:
        """Name the id that was asked for."""
        super().__init__(f"There is no asset {asset!r}.")
        self.asset = asset


class NoSuchStream(ServerError):
    """No live stream has this id, or it was deleted."""

    def __init__(self, stream: str) -> None:
        """Name the id that was asked for."""
        super().__init__(f"There is no stream {stream!r}.")
        self.stream = stream


class NoSuchChannel(ServerError):
    """No channel has this name."""

    def __init__(self, channel: str) -> None:
        """Name the channel that was asked for."""
        super().__init__(f"There is no channel {channel!r}.")
        self.channel = channel


class NoSuchRun(ServerError):
    """No Run has this id."""


class NoSuchToken(ServerError):
    """No token has this id."""


class NoSuchPlaybackKey(ServerError):
    """No playback key has this id."""

    def __init__(self, key: str) -> None:
        """Name the id that was asked for."""
        super().__init__(f"There is no playback key {key!r}.")


class TooManyPlaybackKeys(ServerError):
    """There are as many playback keys as there may be."""


class NoSuchWebhook(ServerError):
    """No webhook has this id."""

    def __init__(self, webhook: str) -> None:
        """Name the id that was asked for."""
        super().__init__(f"There is no webhook {webhook!r}.")


class TooManyWebhooks(ServerError):
    """There are as many webhooks as there may be."""


class NoSuchDestination(ServerError):
    """No destination of this name is configured."""


class CannotSign(ServerError):
    """The key that is to sign is not there, or is none."""


class NoSuchCaption(ServerError):
    """The asset has no captions in this language."""


class NoSuchMarker(ServerError):
    """The asset has no marker with this id."""


class TooManyMarkers(ServerError):
    """An asset has as many markers as it may have."""


class WrongState(ServerError):
    """The asset's state does not allow what was asked."""


class NotCompleted(WrongState):
    """An asset cannot be published: it failed, is on air, or only what is watched of it is made."""


class NotForEverybody(WrongState):
    """An asset is signed, and what was asked for would show it to whoever comes."""


class TooManyBroadcasts(ServerError):
    """As many broadcasts are on air as this server may carry."""


class InvalidRequest(ServerError):
    """A field of the request is missing, of the wrong kind, or out of bounds."""


class InvalidCursor(InvalidRequest):
    """A cursor was not made by this server."""


class CatalogFull(ServerError):
    """The catalog's disk is full; nothing of the change was kept."""


class CatalogUnwritable(ServerError):
    """The catalog's disk fails; nothing of the change was kept."""


class CatalogAway(ServerError):
    """The catalog's database cannot be reached; what was being changed was not."""


class FellBehind(ServerError):
    """A subscriber is further behind than the channel's log reaches; it has to come back for a snapshot."""


class Unauthenticated(ServerError):
    """The caller has not said who it is, or the token is not known."""


class Forbidden(ServerError):
    """The caller is known and may not do this, or comes from a foreign origin."""


class IdempotencyMismatch(ServerError):
    """An idempotency key was used before for a different request."""


class ServerAway(ServerError):
    """A command needs the running server, and that does not do what it was asked; for commands only."""


class ConfigError(ServerError):
    """The configuration has an unknown key or a wrong value; the message names it."""


class DataInUse(ConfigError):
    """Another server runs on the data directory."""
