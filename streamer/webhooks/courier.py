"""Posts one delivery, signed, and says what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs

from streamer import __version__
from streamer.metrics import Counter, Metrics
from streamer.outbound import AnswerLarge, Outbound, OutboundError
from streamer.rows import Clock
from streamer.signing import SIGNATURE
from streamer.webhooks.deliveries import Delivery
from streamer.webhooks.endpoint import Endpoint
from streamer.webhooks.schedule import wished

DELIVERY: Final = "Streamer-Delivery"
"""The header with the delivery's name, the same however often it is tried."""

_SECONDS = 10.0
_ANSWER_BYTES = 4096  # nothing of an answer but its status is used
_GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a delivery: why it failed, None where it did not.

    `wait` is how many milliseconds the receiver wishes to be left alone.
    """

    failure: str | None = None
    gone: bool = False
    wait: int = 0


class Courier:
    """Posts deliveries."""

    def __init__(
        self, outbound: Outbound, metrics: Metrics, *, clock: Clock, seconds: float = _SECONDS
    ) -> None:
        """Take the guarded client, and within how many seconds an answer has to be there."""
        self._outbound = outbound
        self._clock = clock
        self._seconds = seconds
        self._attempts = Counter(
            "streamer_webhook_attempts_total", "Requests to webhooks, by what became of them.", ("outcome",)
        )
        metrics.add(self._attempts)

    async def post(self, endpoint: Endpoint, delivery: Delivery) -> Outcome:
        """Post a delivery; 2xx is success, and everything else a failure."""
        outcome = await self._posted(endpoint, delivery)
        self._attempts.add(1, "delivered" if outcome.failure is None else "failed")
        return outcome

    async def _posted(self, endpoint: Endpoint, delivery: Delivery) -> Outcome:
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"streamer/{__version__}",
            DELIVERY: delivery.id,
            SIGNATURE: endpoint.signature(body, now=self._clock()),
        }
        try:
            answer = await self._outbound.post(
                endpoint.url, body, headers=headers, seconds=self._seconds, most_bytes=_ANSWER_BYTES
            )
            status, told = answer.status, answer.headers
        except AnswerLarge as error:
            status, told = error.status, error.headers
        except OutboundError as error:
            return Outcome(failure=error.message)
        if 200 <= status < 300:
            return Outcome()
        wait = wished(told.get(hdrs.RETRY_AFTER, ""), now=self._clock())
        return Outcome(failure=f"It answered {status}.", gone=status == _GONE, wait=wait)
