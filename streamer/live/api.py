"""The part of the API that live streams, clips and markers have, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from streamer.config import Config
from streamer.live.clip_routes import Cuts
from streamer.live.register import Register
from streamer.live.routes import Streams
from streamer.live.station import Station
from streamer.live.wish import configured
from streamer.marker_routes import MarkerRoutes
from streamer.markers import Markers
from streamer.replays import Replays


class Part(Protocol):
    """Something that answers requests."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Return its routes."""


def parts(
    config: Config,
    station: Station,
    *,
    register: Register,
    markers: Markers,
    replays: Replays,
) -> tuple[Part, ...]:
    """Return what answers requests."""
    streams = Streams(
        register,
        station.studio,
        replays,
        slates=station.slates,
        settings=configured(config),
        addresses=station.addresses,
        lines=station.lines,
        destinations=config.destinations,
        changed=station.changed,
    )
    return (
        streams,
        Cuts(station.clips, replays),
        MarkerRoutes(station.marking, markers, replays, stream=register.get),
        station.browser,
        station.whip,
        station.cards,
    )
