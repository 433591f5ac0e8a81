"""WHIP (RFC 9725): publishers over WebRTC, which come with an SDP offer and the stream's key as a bearer."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiohttp import hdrs, web
from multidict import CIMultiDict

from packager.process import Spawner
from streamer.errors import ServerError
from streamer.ingest.door import Door, Ending
from streamer.ingest.errors import BadOffer, KeyUnknown, NoSuchSession, WebrtcMissing
from streamer.ingest.ice import IceServer
from streamer.ingest.places import Places
from streamer.ingest.publishing import Publishing
from streamer.ingest.remux import webm
from streamer.problems import Problem
from streamer.proxies import peer_of

_log = logging.getLogger(__name__)

PATH: Final = "/whip"
_SDP, _FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_OFFER_MAX = 64 << 10
_PATCHES_MAX = 64
_UFRAG = re.compile(r"^a=ice-ufrag:(\S+)", re.MULTILINE)
_HEADERS = {hdrs.CACHE_CONTROL: "no-store"}


class Peer(Protocol):
    """The other end of a session."""

    async def answer(self, offer: str) -> str:
        """Return the SDP that answers an offer. Raise BadOffer."""

    async def add(self, candidate: str, mid: str) -> None:
        """Take a candidate that comes later. Raise BadOffer."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield what is sent as Matroska."""

    def leave(self) -> None:
        """Take it that no more is sent: the pieces end behind what may be on its way."""

    async def close(self) -> None:
        """End the connection."""


class _Session:
    """One publisher, from its offer to its end."""

    def __init__(self, publishing: Publishing, peer: Peer, offer: str) -> None:
        self.publishing = publishing
        self.peer = peer
        self.fragments = _UFRAG.findall(offer)
        self.patches = 0
        self.task: asyncio.Task[None] | None = None


class WhipReceiver:
    """The handlers of /whip and the sessions that are open."""

    def __init__(
        self,
        door: Door,
        spawner: Spawner,
        *,
        peer: Callable[[], Awaitable[Peer]] | None,
        ice: Sequence[IceServer] = (),
        places: Places | None = None,
    ) -> None:
        """Take who decides about keys, and what makes peers: None where that is not installed.

        `ice` are the servers that publishers are told of.
        """
        self._door = door
        self._spawner = spawner
        self._peer = peer
        self._ice = ice
        self._places = places or Places()
        self._sessions: dict[str, _Session] = {}
        self._stopping = False

    @property
    def there(self) -> bool:
        """Say whether anybody can publish so."""
        return self._peer is not None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{PATH}/{{session:[A-Za-z0-9_-]{{22}}}}"
        return [
            web.post(PATH, self.create, name="whip"),
            web.patch(one, self.trickle, name="whip-session"),
            web.delete(one, self.delete, name="whip-session"),
        ]

    async def close(self) -> None:
        """End every session and wait for it."""
        self._stopping = True
        for session in self._sessions.values():
            session.publishing.close(Ending.STOPPING)
        tasks = [one.task for one in self._sessions.values() if one.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def create(self, request: web.Request) -> web.Response:
        """Begin a session: answer the offer with 201, the address to end it at, and the SDP."""
        if self._peer is None:
            raise WebrtcMissing('Publish over RTMP, or install the extra: pip install "streamer[webrtc]".')
        key = _bearer(request)
        offer = await _body(request, _SDP)
        publishing = Publishing("whip", peer_of(request) or "an unknown address")
        name = secrets.token_urlsafe(16)
        begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        session = _Session(publishing, await self._peer(), offer)
        self._sessions[name] = session
        session.task = asyncio.create_task(
            self._run(name, session, key, offer, begun), name=f"whip {publishing.session}"
        )
        answer = await begun
        headers = CIMultiDict({**_HEADERS, hdrs.LOCATION: f"{PATH}/{name}", hdrs.ETAG: f'"{name}"'})
        for server in self._ice:
            headers.add(hdrs.LINK, server.link)
        return web.Response(status=201, text=answer, content_type=_SDP, headers=headers)

    async def trickle(self, request: web.Request) -> web.Response:
        """Take further candidates (RFC 9725, §4.3); ICE is not restarted."""
        session = self._found(request)
        fragment = await _body(request, _FRAGMENT)
        session.patches += 1
        if session.patches > _PATCHES_MAX:
            raise BadOffer("There are too many candidates.")
        if not set(_UFRAG.findall(fragment)) <= set(session.fragments):
            raise Problem("no-ice-restart", "ICE is not restarted here", 422, "Begin another session.")
        mid = "0"
        for line in fragment.splitlines():
            if line.startswith("a=mid:"):
                mid = line.removeprefix("a=mid:")
            elif line.startswith("a=candidate:"):
                await session.peer.add(line.removeprefix("a="), mid)
        return web.Response(status=204, headers=_HEADERS)

    async def delete(self, request: web.Request) -> web.Response:
        """End a session, and answer when it is over."""
        session = self._found(request)
        session.peer.leave()
        if session.task is not None:
            await asyncio.wait([session.task])
        return web.Response(status=200, headers=_HEADERS)

    def _found(self, request: web.Request) -> _Session:
        session = self._sessions.get(request.match_info["session"])
        if session is None:
            raise NoSuchSession("There is no such session, or it is over.")
        return session

    async def _run(
        self, name: str, session: _Session, key: str, offer: str, begun: asyncio.Future[str]
    ) -> None:
        """Admit a publisher and hand its tags on; `begun` gets the answer, or why there is none."""
        try:
            with self._places.taking(session.publishing.address):
                if self._stopping:
                    session.publishing.close(Ending.STOPPING)
                take = await self._door.admit(key, session.publishing)
                begun.set_result(await session.peer.answer(offer))
                await session.publishing.run(take, webm(self._spawner, session.peer.pieces()))
        except ServerError as error:
            if begun.done():
                _log.info("whip session %s: %s", session.publishing.session, error.message)
            else:
                begun.set_exception(error)
        except Exception as error:  # noqa: BLE001 - who asked is told, as far as anybody is
            if begun.done():
                _log.exception("whip session %s failed", session.publishing.session)
            else:
                begun.set_exception(error)
        finally:
            self._sessions.pop(name, None)
            await session.peer.close()


def webrtc(ice: Sequence[IceServer] = ()) -> Callable[[], Awaitable[Peer]] | None:
    """Return what makes peers with these servers; None where aiortc is not installed, which is an extra."""
    if importlib.util.find_spec("aiortc") is None:
        return None

    async def make() -> Peer:
        # It takes half a second the first time, which no start should wait for.
        module = await asyncio.to_thread(importlib.import_module, "streamer.ingest.rtc")
        peer: Peer = module.Peer(ice=ice)
        return peer

    return make


def _bearer(request: web.Request) -> str:
    """Return the key. Raise KeyUnknown where there is none."""
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise KeyUnknown("Send the stream key as `Authorization: Bearer KEY`.")
    return key.strip()


async def _body(request: web.Request, kind: str) -> str:
    """Return a body of a media type as text. Raise Problem, BadOffer."""
    if request.content_type != kind:
        raise Problem("media-type-not-accepted", "Media type not accepted", 415, f"Send {kind}.")
    if (request.content_length or 0) > _OFFER_MAX:
        raise BadOffer("The description is too long.")
    body = await request.content.read(_OFFER_MAX + 1)
    while body and len(body) <= _OFFER_MAX and not request.content.at_eof():
        body += await request.content.read(_OFFER_MAX + 1 - len(body))
    if len(body) > _OFFER_MAX:
        raise BadOffer("The description is too long.")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadOffer("The description is no text.") from error
