"""What makes media, keeps it, sends it and publishes it, put together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from packager import keys
from streamer import sharing
from streamer.config import Config
from streamer.copies import Copies
from streamer.leases import SharedLeases
from streamer.live.abroad import Abroad
from streamer.live.station import Station, station
from streamer.metrics import Metrics
from streamer.mirrors import Mirrors
from streamer.nodes import Nodes
from streamer.origin import Origin
from streamer.outbound import Outbound, allowance
from streamer.placements import Placements
from streamer.protection import Protection
from streamer.purging import Purging
from streamer.quota import Quota
from streamer.redirects import Redirects
from streamer.shelf import Shelf
from streamer.tools import Tools
from streamer.truth import Truth
from streamer.uploads.directory import DiskInbox
from streamer.viewed import Viewed
from streamer.wants import Wants
from streamer.watched import Kept, Watched
from streamer.works import Works


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What makes media, keeps it and sends it."""

    origin: Origin
    works: Works
    inbox: DiskInbox
    nodes: Nodes | None
    quota: Quota
    live: Station
    mirrors: Mirrors
    protection: Protection


def made(
    config: Config,
    stack: AsyncExitStack,
    truth: Truth,
    tools: Tools,
    *,
    inbox: DiskInbox,
    metrics: Metrics,
) -> Media:
    """Make the works, and the shelf and the origin that show what they make."""
    shared, node = truth.bus.shared, config.node_name
    wants = Wants(truth.database, truth.catalog, tools.store, bus=truth.bus, node=node) if shared else None
    leases = SharedLeases(truth.database, truth.ledger, node=node) if shared else None
    quota = Quota(
        Watched(truth.database, truth.channels),
        tools.store,
        most=config.watched_quota_bytes,
        evicted=lambda one: evicted(one),  # noqa: PLW0108 - the works come later, here and below
        clock=truth.clock,
    )
    shelf = Shelf(
        tools.catalog,
        tools.ledger,
        tools.store,
        Copies(tools.catalog, tools.indexes, find=inbox.source),
        making=lambda asset: works.making(asset),  # noqa: PLW0108
        wake=lambda asset: works.wake(asset),  # noqa: PLW0108
        markers=truth.markers.of,
        waited=lambda seconds: metrics.wait_seconds.observe(seconds, "now"),
        wants=wants,
    )

    def asked(name: str) -> None:
        quota.asked(name)
        shelf.asked(name)

    live = station(
        config,
        truth.database,
        truth.register,
        truth.broadcasts,
        markers=truth.markers,
        asset=truth.catalog.get,
        changed=lambda asset: works.changed(asset),  # noqa: PLW0108
        began=lambda asset, destination: mirrors.on_air(asset, destination),  # noqa: PLW0108
        bus=truth.bus,
        channels=truth.channels,
        ledger=truth.ledger,
        store=tools.store,
        spawner=tools.spawner,
        effort=tools.effort,
        clock=truth.clock,
    )
    protection = Protection(config, truth, stack)
    placements = Placements(truth.database, truth.channels, node=sharing.own_slots(config), clock=truth.clock)
    origin = Origin(
        tools.store,
        shelf,
        memory=config.cache_bytes,
        asked=asked,
        live=live.delivery,
        gate=protection.gate,
        elsewhere=Redirects(config.redirects, catalog=truth.catalog, placements=placements).target,
    )
    stack.push_async_callback(origin.close)

    def forget(asset: str) -> None:
        shelf.forget(asset)
        origin.forget(asset)
        protection.policies.forget(asset)

    def evicted(one: Kept) -> None:
        making = works.making(one.asset)
        if making is not None and making.packaging is not None:
            making.packaging.evicted(one.rendition, one.number)
        origin.drop(f"{one.asset}/{keys.segment(one.generation, one.rendition, one.number)}")

    works = Works(tools, inbox, clock=truth.clock, forget=forget, leases=leases, bus=truth.bus)
    nodes = Nodes(works, leases, wants, bus=truth.bus) if leases and wants else None
    mirrors = _mirrors(config, truth, tools, placements=placements, shelf=shelf, works=works, live=live)
    return Media(
        origin=origin,
        works=works,
        inbox=inbox,
        nodes=nodes,
        quota=quota,
        live=live,
        mirrors=mirrors,
        protection=protection,
    )


def _mirrors(
    config: Config,
    truth: Truth,
    tools: Tools,
    *,
    placements: Placements,
    shelf: Shelf,
    works: Works,
    live: Station,
) -> Mirrors:
    """Make what publishes assets to buckets."""
    return Mirrors(
        placements,
        config.destinations,
        automatic=config.publish_automatically,
        catalog=truth.catalog,
        channels=truth.channels,
        shown=lambda asset: Viewed(shelf, tools.store, asset),
        refill=works.refill,
        follow=Abroad(live.studio.find, tools.store, placements, clock=truth.clock).follow,
        purging=Purging(Outbound(allowance(config.outbound_allow))),
    )
