"""Who may listen to which channel, and what a listener is told first, whatever carries it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cdn.grants import Grant
from streamer.access import Policy, Principal
from streamer.channel import Channels
from streamer.errors import Forbidden, NoSuchAsset, NoSuchChannel, NoSuchStream
from streamer.listener import Close
from streamer.places import Cursor, Place
from streamer.snapshots import Snapshot
from streamer.subscription import Subscription

CHANNELS_MAX = 64
"""Channels that one connection or request may listen to."""

NAME_MAX = 128


class Refused(Exception):
    """A channel is not to be had by this listener."""

    def __init__(self, channel: str, code: Close, reason: str) -> None:
        """Keep what the listener is told."""
        super().__init__(reason)
        self.message = {"type": "refused", "channel": channel, "code": int(code), "reason": reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a request listens to, from where on, and who sends it."""

    channels: tuple[str, ...]
    cursor: Cursor
    principal: Principal

    @property
    def public(self) -> bool:
        """Say whether what it gets is the same for everybody."""
        return all(public(channel) for channel in self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A subscription, the message that comes before its events, and whether both are for everybody."""

    subscription: Subscription
    message: Mapping[str, Any]
    public: bool = True


class Guard(Protocol):
    """Who may hear of what is signed."""

    async def signed(self, *identities: str) -> bool:
        """Say whether one of these assets and streams is signed."""

    async def opens(self, grant: Grant, identity: str) -> bool:
        """Say whether a grant is for an asset or a stream."""


def public(channel: str) -> bool:
    """Say whether who knows the channel's name may listen to it; the library is for viewers."""
    return ":" in channel


def encoded(message: Mapping[str, Any]) -> bytes:
    """Return a message of the protocol as it is sent."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def closing(code: Close, reason: str, *, within: float = 5) -> dict[str, Any]:
    """Return the last message where there are no close codes.

    Its delay spreads those who come back over so many seconds.
    """
    delay = secrets.randbelow(int(within * 1000) + 1)
    return {"type": "close", "code": int(code), "reason": reason, "delay_ms": delay}


class Subscribing:
    """Opens channels."""

    def __init__(
        self, channels: Channels, snapshots: Mapping[str, Snapshot], *, guard: Guard | None = None
    ) -> None:
        """Take the channels and a snapshot maker for each kind of channel ("assets", "asset", "stream").

        `guard` says what is signed; without one nothing is.
        """
        self._channels = channels
        self._snapshots = snapshots
        self._guard = guard

    async def check(self, channel: str, principal: Principal) -> bool:
        """Say whether a channel is for everybody. Raise Forbidden where it is not, and not for this one."""
        if not public(channel):
            if principal.policy < Policy.VIEWER:
                raise Forbidden("This channel is for viewers who have signed in.")
            return False
        name = channel.partition(":")[2]
        if self._guard is None or not await self._guard.signed(name):
            return True
        held = principal.playback
        granted = held is not None and await self._guard.opens(held.grant, name)
        if principal.policy < Policy.VIEWER and not granted:
            raise Forbidden("This channel needs a playback token.")
        return False

    async def open(
        self,
        channel: str,
        principal: Principal,
        *,
        place: Place | None = None,
        hinted: int = 0,
        wake: Callable[[], None] | None = None,
    ) -> Opened:
        """Listen from a place on; where the log does not reach there, from now on with a snapshot.

        Values without an offset that are not newer than `hinted` are left out. Raise Refused.
        """
        try:
            return await self._open(channel, principal, place=place, hinted=hinted, wake=wake)
        except Forbidden as error:
            raise Refused(channel, Close.FORBIDDEN, str(error)) from error
        except (NoSuchChannel, NoSuchAsset, NoSuchStream) as error:
            raise Refused(channel, Close.NOT_FOUND, str(error)) from error

    async def _open(
        self,
        channel: str,
        principal: Principal,
        *,
        place: Place | None,
        hinted: int,
        wake: Callable[[], None] | None,
    ) -> Opened:
        kind, _, name = channel.partition(":")
        make = self._snapshots.get(kind)
        if make is None:
            raise NoSuchChannel(channel)
        for_all = await self.check(channel, principal)
        epoch, offset = (place.epoch, place.offset) if place else (None, None)
        subscription = await self._channels.subscribe(
            channel, epoch=epoch, offset=offset, hinted=hinted, wake=wake
        )
        try:
            message: dict[str, Any] = {
                "type": "subscribed",
                "channel": channel,
                "epoch": subscription.epoch,
                "offset": subscription.offset,
                "recovered": subscription.recovered,
            }
            if not subscription.recovered:
                message["snapshot"] = await make(name)
        except BaseException:
            subscription.close()
            raise
        return Opened(subscription=subscription, message=message, public=for_all)
