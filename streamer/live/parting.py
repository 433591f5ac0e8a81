"""What becomes of a broadcast when its encoders end here: its recording, or it goes on elsewhere."""

from __future__ import annotations

import logging

from packager.errors import PackagingError
from streamer.errors import CatalogAway, NoSuchAsset
from streamer.live.broadcasts import Broadcasts
from streamer.live.recordings import Recordings
from streamer.live.running import Running
from streamer.live.stills import Stills
from streamer.live.succession import Succession
from streamer.live.tenancy import TakenOver

_log = logging.getLogger(__name__)


class Parting:
    """Concludes broadcasts, or leaves them to others."""

    def __init__(
        self, broadcasts: Broadcasts, recordings: Recordings, *, stills: Stills, succession: Succession
    ) -> None:
        """Take the rows, who makes manifests and posters, and who leaves broadcasts to others."""
        self._broadcasts = broadcasts
        self._recordings = recordings
        self._stills = stills
        self._succession = succession

    async def __call__(self, running: Running) -> None:
        """Conclude a broadcast, unless it goes on after this server or at another one."""
        asset = running.broadcast.asset
        if running.lost:
            self._broadcasts.tenancy.forget(asset)
        elif running.kept_open and running.can_go_on:
            running.left = True
            try:
                await self._succession.give(asset, heir=running.heir)
            except CatalogAway as error:
                _log.warning("broadcast %s is free once this server is gone: %s", asset, error)
        else:
            await self._conclude(running)

    async def _conclude(self, running: Running) -> None:
        """Make the recording's manifests and tell that the broadcast is over."""
        asset = running.broadcast.asset
        lasting = running.earlier if running.recorder.broken else running.broadcast.aired
        try:
            told = await self._recordings.keep(asset, lasting) if lasting else None
            await self._broadcasts.end(asset, lasting)
            # At once: whoever has just been told that it is over finds manifests that say so too.
            running.air.recorded = bool(lasting) and not running.recorder.broken
            if lasting:
                await self._recordings.keep(asset, lasting, known=told)
            self._stills.wake()
            self._succession.over(asset)
        except NoSuchAsset:
            _log.info("broadcast %s was deleted on air", asset)
        except TakenOver as error:
            running.lost = True
            _log.warning("%s", error)
        except (PackagingError, CatalogAway) as error:
            _log.warning("the recording of %s is made at the next start: %s", asset, error)
