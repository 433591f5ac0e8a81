"""The live half of the server, put together: doors, broadcasts, their delivery and what a crash has left."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from packager import live_ladder, recording
from packager.ladder import Effort
from packager.process import Spawner
from packager.store import Store
from streamer.bus import Bus
from streamer.channel import Channels, of_asset, of_stream
from streamer.config import Config
from streamer.database import Database
from streamer.errors import ConfigError
from streamer.ingest.browser import BrowserReceiver
from streamer.ingest.srt import SrtReceiver
from streamer.ingest.whip import WhipReceiver, webrtc
from streamer.ledger import SqlLedger
from streamer.live.addresses import Addresses
from streamer.live.admission import Admission, Everybody, Hook
from streamer.live.aliases import Aliases
from streamer.live.broadcasts import Broadcasts
from streamer.live.cards import Cards
from streamer.live.caretaker import Caretaker
from streamer.live.clip_rows import ClipRows
from streamer.live.clips import Clips
from streamer.live.delivery import Delivery
from streamer.live.doors import Doors
from streamer.live.encoding import Means
from streamer.live.lines import Lines
from streamer.live.marking import Marking
from streamer.live.recordings import Recordings
from streamer.live.recovery import Recovery
from streamer.live.register import Register
from streamer.live.slates import Slates
from streamer.live.still_rows import StillRows
from streamer.live.stills import Stills
from streamer.live.studio import Studio
from streamer.live.succession import Succession
from streamer.markers import Markers
from streamer.outbound import Outbound, allowance
from streamer.peers import Peers
from streamer.relay.relay import Relay
from streamer.relay.whereabouts import Whereabouts
from streamer.rows import Asset, Clock
from streamer.vocabulary.live import StreamHealth

_DELAY_MS = 2_000
"""How much later a wrong key is answered at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What live streams need. `start` the studio, enter `doors`, and `stop` it behind them."""

    studio: Studio
    caretaker: Caretaker | None
    relay: Relay | None
    delivery: Delivery
    doors: Doors
    addresses: Addresses
    browser: BrowserReceiver
    slates: Slates
    clips: Clips
    whip: WhipReceiver
    lines: Lines | None
    cards: Cards
    marking: Marking
    changed: Callable[[str], Awaitable[None]]

    async def leave(self) -> None:
        """Let no more publishers in, and leave what is on air to other servers, or to the next start."""
        await self.doors.shut()
        await self.studio.leave()
        if self.relay is not None:
            self.relay.leave()

    async def close(self) -> None:
        """Let go of everybody: viewers who wait, and publishers."""
        for one in (self.delivery, self.browser, self.whip, self.cards, self.marking):
            await one.close()
        if self.relay is not None:
            await self.relay.close()


def station(
    config: Config,
    database: Database,
    register: Register,
    broadcasts: Broadcasts,
    *,
    markers: Markers,
    asset: Callable[[str], Awaitable[Asset]],
    changed: Callable[[str], Awaitable[None]],
    began: Callable[[str, str | None], None],
    bus: Bus,
    channels: Channels,
    ledger: SqlLedger,
    store: Store,
    spawner: Spawner,
    effort: Effort,
    clock: Clock,
) -> Station:
    """Make all of it; nothing is begun.

    `asset` finds one by its id, `changed` has what is held of one or of a stream read anew; `began` hears of
    a broadcast and the destination that it goes to.
    """
    recordings = Recordings(markers, store, asset=asset, render=recording.manifests)
    pixels = live_ladder.budget(os.cpu_count() or 1)
    rows = ClipRows(database, channels, clock=clock)
    slates = Slates(config.data / "slates", spawner, far=store if config.media is not None else None)
    stills = Stills(
        StillRows(database, channels, clock=clock), recordings, store, source=rows.source, spawner=spawner
    )
    recovery = Recovery(broadcasts, ledger, store, recordings=recordings, ended=stills.wake)
    studio = Studio(
        register,
        broadcasts,
        store,
        means=Means(spawner=spawner, effort=effort, pixels=pixels, wall=clock),
        recovery=recovery,
        succession=Succession(broadcasts.tenancy, bus),
        recordings=recordings,
        markers=markers,
        slates=slates,
        stills=stills,
        admission=_admission(config, clock),
        vitals=partial(_hint_health, channels),
        delay=lambda: secrets.randbelow(_DELAY_MS) / 1000,
        began=began,
    )
    lines = _lines(config, register)
    doors = Doors(
        config,
        studio,
        srt=None if lines is None else lambda host: SrtReceiver(lines, studio.admit_to, spawner, host=host),
    )
    relay = _relay(config, database, bus, store, studio)
    delivery = Delivery(
        studio.find,
        store,
        alias=Aliases(database).resolve,
        push=studio.pushed,
        elsewhere=relay,
        memory=config.cache_bytes,
    )
    whip = WhipReceiver(studio, spawner, peer=webrtc(config.ice_servers), ice=config.ice_servers)
    return Station(
        studio=studio,
        caretaker=_caretaker(config, database, broadcasts, studio, bus),
        relay=relay,
        delivery=delivery,
        doors=doors,
        addresses=Addresses(
            public_url=config.public_url,
            rtmp=lambda: doors.rtmp,
            rtmps=lambda: doors.rtmps,
            whip=whip.there,
        ),
        browser=BrowserReceiver(studio, spawner),
        slates=slates,
        clips=Clips(
            studio.find,
            rows,
            store,
            recordings=recordings,
            markers=markers,
            kept=stills.wake,
        ),
        whip=whip,
        lines=lines,
        cards=Cards(studio.admit_to, spawner),
        changed=changed,
        marking=Marking(
            markers, rows, recordings, studio, asset=asset, changed=changed, bus=bus, clock=clock
        ),
    )


def _caretaker(
    config: Config, database: Database, broadcasts: Broadcasts, studio: Studio, bus: Bus
) -> Caretaker | None:
    """Return what keeps this server's place among others; None where it is alone."""
    if not bus.shared:
        return None
    peers = Peers(database, node=config.node_name, url=config.inner_url)
    return Caretaker(peers, broadcasts.tenancy, studio, bus=bus)


def _relay(config: Config, database: Database, bus: Bus, store: Store, studio: Studio) -> Relay | None:
    """Return what shows broadcasts of other servers; None where there are none, or no secret is shared."""
    if not bus.shared or config.cluster_secret is None:
        return None
    return Relay(
        Whereabouts(database, bus, node=config.node_name),
        store,
        secret=config.cluster_secret.get_secret_value(),
        here=studio.find,
        memory=config.cache_bytes,
    )


def _hint_health(channels: Channels, stream: str, asset: str, health: StreamHealth | None) -> None:
    """Tell how a publisher's signal is; only the latest counts."""
    for channel in (of_stream(stream), of_asset(asset)):
        channels.hint(channel, StreamHealth.type, None if health is None else health.json())


def _lines(config: Config, register: Register) -> Lines | None:
    """Return what gives streams their ports of SRT; None where that is off."""
    first, count = config.live_srt_port_first, config.live_srt_port_count
    if first == "off":
        return None
    if first + count > 1 << 16:
        raise ConfigError("live_srt_port_count: the range goes beyond port 65535")
    return Lines(config.data, first=first, count=count, keys=lambda: register.key_hashes(count))


def _admission(config: Config, clock: Clock) -> Admission:
    """Return who decides about publishers."""
    if config.live_admission_url is None:
        return Everybody()
    secret = config.live_admission_secret
    return Hook(
        Outbound(allowance(config.outbound_allow)),
        config.live_admission_url,
        secret=None if secret is None else secret.get_secret_value(),
        fails_open=config.live_admission_fails_open,
        clock=clock,
    )
