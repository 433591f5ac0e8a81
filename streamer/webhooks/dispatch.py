"""Delivers what is queued: in order on each channel, and no receiver for longer than it takes for itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from streamer.errors import ServerError
from streamer.webhooks.courier import Courier, Outcome
from streamer.webhooks.deliveries import Deliveries, Delivery, Lane
from streamer.webhooks.endpoint import Endpoint
from streamer.webhooks.endpoints import Endpoints
from streamer.webhooks.outbox import PENDING, Outbox
from streamer.webhooks.parking import PARKED

EACH: Final = 4
"""Requests at one time to one webhook, each for another channel."""

TOGETHER: Final = 64
"""Requests at one time in all."""

_LOOK_SECONDS = 1.0
_PARKED_SECONDS = 10.0  # between looks at what is parked
_SWEEP_SECONDS = 600.0
_AGAIN_SECONDS = 1.0
_STOP_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Dispatch:
    """Posts deliveries until it is stopped; what is not settled by then is for the next life."""

    def __init__(
        self,
        endpoints: Endpoints,
        deliveries: Deliveries,
        courier: Courier,
        *,
        outbox: Outbox,
        chance: Callable[[], float],
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """Take the rows, what posts, and a source of randomness from 0 to 1."""
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._courier = courier
        self._chance = chance
        self._look_seconds = look_seconds
        self._tasks: dict[Lane, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._looked = self._swept = float("-inf")
        outbox.hear(self._woken.set)

    def start(self) -> None:
        """Begin with what is queued."""
        self._loop = asyncio.create_task(self._forever(), name="deliver to webhooks")

    async def stop(self) -> None:
        """Begin nothing more, give what is under way a moment, and let other servers go on."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(ServerError):  # then the leases lapse
            await self._endpoints.release()

    async def _forever(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._look()
            except ServerError as error:
                _log.warning("webhooks wait for the catalog: %s", error.message)
            except Exception:  # noqa: BLE001 - a look that fails must not be the last
                _log.exception("webhooks could not be looked after; trying again")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._woken.wait()

    async def _look(self) -> None:
        """Begin what is due, as far as there is room."""
        held = await self._endpoints.held()
        now = asyncio.get_running_loop().time()
        states = [PENDING]
        if now >= self._looked + min(_PARKED_SECONDS, 10 * self._look_seconds):
            self._looked = now
            states.append(PARKED)
        for state in states:
            busy = set(self._tasks)  # what is read of these is old when it ends meanwhile
            # Twice the share, as what is under way is still first on its channel.
            for delivery in await self._deliveries.due(held, state, each=2 * EACH):
                if delivery.lane not in busy:
                    self._begin(held[delivery.webhook], delivery)
        if now >= self._swept + _SWEEP_SECONDS:
            self._swept = now
            await self._deliveries.sweep(held)

    def _begin(self, endpoint: Endpoint, delivery: Delivery) -> None:
        lane = delivery.lane
        share = sum(webhook == endpoint.id for webhook, _, _ in self._tasks)
        if share >= EACH or len(self._tasks) >= TOGETHER:
            return
        task = asyncio.create_task(self._deliver(endpoint, delivery), name=f"deliver {delivery.id}")
        self._tasks[lane] = task
        task.add_done_callback(lambda done: self._ended(lane, done))

    def _ended(self, lane: Lane, task: asyncio.Task[None]) -> None:
        del self._tasks[lane]
        self._looked = float("-inf") if lane[2] == PARKED else self._looked
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a delivery to webhook %s ended unexpectedly", lane[0], exc_info=error)

    async def _deliver(self, endpoint: Endpoint, delivery: Delivery) -> None:
        outcome = await self._courier.post(endpoint, delivery)
        # Settled before its channel goes on, or what was delivered would be delivered again and again.
        while True:
            try:
                await self._settle(delivery, outcome)
            except ServerError as error:
                _log.warning("delivery %s cannot be settled yet: %s", delivery.id, error.message)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.failure is None:
            await self._deliveries.delivered(delivery)
            return
        parked = await self._deliveries.failed(
            delivery, outcome.failure, chance=self._chance(), wait=outcome.wait
        )
        if outcome.gone:
            await self._endpoints.retire(delivery.webhook)
            _log.warning("webhook %s is disabled: its receiver wishes for no more", delivery.webhook)
        elif parked:
            _log.warning(
                "webhook %s: deliveries of %s are parked: %s",
                delivery.webhook,
                delivery.channel,
                outcome.failure,
            )
