"""Everything of webhooks put together: rows, deliveries, the API and the gauges."""

from __future__ import annotations

import random
from collections.abc import Sequence

from aiohttp import web

from streamer.config import Config
from streamer.metrics import Gauge, Metrics
from streamer.outbound import Outbound, allowance
from streamer.truth import Truth
from streamer.webhooks.courier import Courier
from streamer.webhooks.deliveries import Deliveries
from streamer.webhooks.dispatch import Dispatch
from streamer.webhooks.endpoints import Endpoints
from streamer.webhooks.routes import Webhooks


class Post:
    """Outgoing webhooks. Starts with `start`, ends with `stop`, answers requests meanwhile."""

    def __init__(self, config: Config, truth: Truth, metrics: Metrics) -> None:
        """Make the parts, and add gauges to the metrics."""
        outbox, clock = truth.channels.outbox, truth.clock
        outbound = Outbound(allowance(config.outbound_allow))
        endpoints = Endpoints(truth.database, outbox, outbound, node=config.node_name, clock=clock)
        self._deliveries = Deliveries(truth.database, outbox, clock=clock)
        courier = Courier(outbound, metrics, clock=clock)
        self._dispatch = Dispatch(
            endpoints, self._deliveries, courier, outbox=outbox, chance=random.SystemRandom().random
        )
        self._api = Webhooks(endpoints, self._deliveries, truth.replays)
        self._clock = clock
        self._waiting = Gauge("streamer_webhook_deliveries", "Deliveries in each state.", ("state",))
        self._age = Gauge(
            "streamer_webhook_oldest_seconds", "How long the oldest pending delivery has waited."
        )
        for gauge in (self._waiting, self._age):
            metrics.add(gauge)
        metrics.collect(self._collect)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return self._api.routes()

    def start(self) -> None:
        """Begin to deliver."""
        self._dispatch.start()

    async def stop(self) -> None:
        """Stop delivering; the next life goes on."""
        await self._dispatch.stop()

    async def _collect(self) -> None:
        for state, number in (await self._deliveries.counts()).items():
            self._waiting.set(number, state)
        oldest = await self._deliveries.oldest()
        self._age.set(0 if oldest is None else max(0, self._clock() - oldest) / 1000)
