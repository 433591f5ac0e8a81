"""CDNs are told to forget what was published before; where that fails it lapses by itself."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence

from cdn.cloudfront import invalidate
from cdn.errors import PurgeRefused
from cdn.publish import all_of, manifests_of
from cdn.purge import CloudFront, Outdated, Request
from streamer.destinations import Destination
from streamer.outbound import AnswerLarge, Outbound, OutboundError

PAUSES = (1, 5, 30)
"""Seconds before a CDN that has not done it is asked again; after the last one it is given up."""

_SECONDS = 10
_ANSWER_BYTES = 16 << 10
_log = logging.getLogger(__name__)


class Purging:
    """Asks the CDNs of destinations, over the guarded client. Methods say whether all was done."""

    def __init__(self, outbound: Outbound, *, pauses: Sequence[float] = PAUSES) -> None:
        """Take the client."""
        self._outbound = outbound
        self._pauses = pauses

    async def replaced(self, tag: str, destination: Destination, paths: Sequence[str]) -> bool:
        """Have the manifests at these paths forgotten; without any there is nothing to do."""
        outdated = Outdated(tags=(manifests_of(tag),), paths=tuple(paths))
        return not paths or await self._forget(destination, outdated)

    async def withdrawn(self, tag: str, destination: Destination, prefix: str) -> bool:
        """Have all forgotten that was below a prefix."""
        return await self._forget(destination, Outdated(tags=(all_of(tag),), paths=(f"{prefix}*",)))

    async def _forget(self, destination: Destination, outdated: Outdated) -> bool:
        if destination.purge is None:
            return True
        reference = secrets.token_hex(16)
        for pause in (*self._pauses, None):
            try:
                await self._asked(destination, outdated, reference)
            except (PurgeRefused, OutboundError) as error:
                _log.warning("%s stays in caches: %s", ", ".join(outdated.tags), error.message)
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return True
        return False

    async def _asked(self, destination: Destination, outdated: Outdated, reference: str) -> None:
        """Ask once for all. Raise PurgeRefused, OutboundError; neither has a secret in its message."""
        purge = destination.purge
        if isinstance(purge, CloudFront):
            await invalidate(destination.access, purge, outdated, reference=reference)
        elif purge is not None:
            for request in purge.requests(outdated):
                await self._sent(request)

    async def _sent(self, request: Request) -> None:
        try:
            answer = await self._outbound.send(
                request.method,
                request.url,
                request.body,
                headers=request.headers,
                seconds=_SECONDS,
                most_bytes=_ANSWER_BYTES,
            )
            status = answer.status
        except AnswerLarge as error:
            status = error.status
        if not 200 <= status < 300:
            raise PurgeRefused(f"the CDN answered {status}")
