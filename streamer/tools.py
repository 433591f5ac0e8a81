"""What making assets needs; one set of it for the whole server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from packager.foreman import Foreman
from packager.inits import Inits
from packager.ladder import Effort
from packager.process import Spawner
from packager.store import Store
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.hands import Hands
from streamer.indexes import Indexes
from streamer.ledger import SqlLedger
from streamer.rows import Fill, PlaybackPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What making assets needs. `encoder` names the FFmpeg build, `fill` is what is made of new assets.

    `policy` is who may watch them, where whoever uploads says nothing of it.
    """

    catalog: Catalog
    ledger: SqlLedger
    channels: Channels
    store: Store
    spawner: Spawner
    foreman: Foreman
    inits: Inits
    encoder: str
    fill: Fill
    policy: PlaybackPolicy
    effort: Effort
    indexes: Indexes
    hands: Hands
    probes: asyncio.Semaphore
