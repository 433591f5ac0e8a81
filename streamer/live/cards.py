"""Test cards: the server publishes to a stream itself, for trying out all that comes after a publisher."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from packager.process import Spawner
from streamer.errors import ServerError, WrongState
from streamer.ingest.testcard import Admit, TestCard
from streamer.live.routes import ONE, ROOT
from streamer.session import answer

_log = logging.getLogger(__name__)


class Cards:
    """Handler of `POST /api/v1/live/{stream}/test`, and the cards that are on air because of it."""

    def __init__(self, admit: Admit, spawner: Spawner) -> None:
        """Take what lets a publisher in to a stream, and what starts children."""
        self._admit = admit
        self._spawner = spawner
        self._shown: dict[str, tuple[TestCard, asyncio.Task[None]]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post(f"{ROOT}/{ONE}/test", self.show, name="stream-test")]

    async def close(self) -> None:
        """Take every card off the air."""
        shown = list(self._shown.values())
        for card, _ in shown:
            card.close()
        await asyncio.gather(*(task for _, task in shown), return_exceptions=True)

    async def show(self, request: web.Request) -> web.Response:
        """Put a card on the air, until another publisher comes or the broadcast is ended."""
        stream = request.match_info["stream"]
        if stream in self._shown:
            raise WrongState("The stream shows its test card already.")
        card = TestCard(self._admit, self._spawner)
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(stream, card, admitted), name=f"test card {stream}")
        self._shown[stream] = (card, task)
        await admitted
        return answer({"id": stream}, status=202)

    async def _run(self, stream: str, card: TestCard, admitted: asyncio.Future[None]) -> None:
        """Run a card; `admitted` gets why it is not let in."""
        try:
            take = await card.admitted(stream)
            admitted.set_result(None)
            await card.run(take)
        except ServerError as error:
            if admitted.done():
                _log.info("the test card of stream %s: %s", stream, error.message)
            else:
                admitted.set_exception(error)
        except Exception as error:  # noqa: BLE001 - who asked is told, as far as anybody is
            if admitted.done():
                _log.exception("the test card of stream %s failed", stream)
            else:
                admitted.set_exception(error)
        finally:
            del self._shown[stream]
