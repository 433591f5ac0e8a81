"""Who may publish beside having a key: everybody, or whom a web hook of the owner's admits."""

from __future__ import annotations

import json
import logging
from typing import Protocol

from streamer.ingest.door import Publisher
from streamer.ingest.errors import NotAdmitted, Undecided
from streamer.live.streams import Stream
from streamer.outbound import AnswerLarge, Outbound, OutboundError
from streamer.rows import Clock
from streamer.signing import SIGNATURE, signature

_SECONDS = 3
_ANSWER_BYTES = 16 << 10
_REASON_MOST = 200  # characters
_UNSAID = "The owner of this server does not admit this publisher."
_log = logging.getLogger(__name__)


class Admission(Protocol):
    """Decides about a publisher whose key is known."""

    async def admit(self, stream: Stream, publisher: Publisher) -> None:
        """Return where the publisher may come in. Raise NotAdmitted, Undecided."""


class Everybody:
    """Admits everybody."""

    async def admit(self, stream: Stream, publisher: Publisher) -> None:
        """Admit."""


class Hook:
    """Asks a URL with every publisher: 2xx admits, 4xx refuses with the `reason` of its JSON.

    Any other answer, and none within three seconds, refuses too, unless it `fails_open`. With a secret each
    request is signed together with its time, so that the receiver can tell an old one.
    """

    def __init__(
        self, outbound: Outbound, url: str, *, secret: str | None, fails_open: bool, clock: Clock
    ) -> None:
        self._outbound = outbound
        self._url = url
        self._secret = secret
        self._fails_open = fails_open
        self._clock = clock

    async def admit(self, stream: Stream, publisher: Publisher) -> None:
        """Ask."""
        asked = {
            "stream": stream.id,
            "title": stream.title,
            "protocol": publisher.protocol,
            "address": publisher.address,
            "session": publisher.session,
        }
        body = json.dumps(asked).encode()
        headers = {"Content-Type": "application/json", **self._signed(body)}
        try:
            answer = await self._outbound.post(
                self._url, body, headers=headers, seconds=_SECONDS, most_bytes=_ANSWER_BYTES
            )
            status, said = answer.status, answer.body
        except AnswerLarge as error:
            status, said = error.status, b""
        except OutboundError as error:
            self._undecided(publisher, error.message)
            return
        if 400 <= status < 500:
            raise NotAdmitted(_reason(said))
        if not 200 <= status < 300:
            self._undecided(publisher, f"It answered {status}.")

    def _undecided(self, publisher: Publisher, why: str) -> None:
        """Decide where the hook has not. Raise Undecided."""
        what = "comes in" if self._fails_open else "is refused"
        _log.warning("session %s %s without the admission hook: %s", publisher.session, what, why)
        if not self._fails_open:
            raise Undecided("Whoever decides about publishers does not answer; try again in a moment.")

    def _signed(self, body: bytes) -> dict[str, str]:
        if self._secret is None:
            return {}
        return {SIGNATURE: signature(self._secret, body, seconds=self._clock() // 1000)}


def _reason(body: bytes) -> str:
    """Return the reason of a refusal as one short line, fit for a log and an encoder's window."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return _UNSAID
    text = said.get("reason") if isinstance(said, dict) else None
    if not isinstance(text, str):
        return _UNSAID
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(plain.split())[:_REASON_MOST] or _UNSAID
