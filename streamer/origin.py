"""Media over HTTP: `/v/{id}/{key}` from a store, and manifests from whoever renders them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol, TypeAlias

from aiohttp import web

from cdn.policy import POLICIES, Kind, classify
from packager.errors import KeyMissing, PackagingError, StoreAway, StoreFailed, StoreRefused
from packager.folder import content_etag
from packager.store import Store
from streamer.answers import absent, common, content, judged, moved, not_allowed, preflight, refuse, whole
from streamer.coding import compressed
from streamer.conditions import accepts_gzip, plain
from streamer.hot import Entry, Hot
from streamer.passage import passage_key
from streamer.problems import Problem

SMALL = 64 * 1024
_PREFIX = "/v/"
_TARGET = re.compile(
    r"(?:https?://[^/?#]*)?/v/(?P<asset>[a-z0-9]{1,64})/(?P<key>[a-z0-9][a-z0-9_./-]{0,300})"
)
_GONE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A manifest: its text, the hash of that, its version, and whether it is final."""

    body: bytes
    etag: str
    version: int
    complete: bool


Elsewhere: TypeAlias = Callable[[str, str], Awaitable[str | None]]
"""Returns the URL of an asset's key where that is to be read from, None where it is from here."""


class OutsidePlan(KeyError):
    """No plan of the asset has such a segment: it will never exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A segment that is a header and ranges of the source.

    `there` returns when the source has come so far, `body` makes it. Both raise PackagingError, and `there`
    OutsidePlan. `size` is what it will have, in bytes.
    """

    size: int
    there: Callable[[], Coroutine[None, None, None]]
    body: Callable[[], Awaitable[bytes]]


class Shelf(Protocol):
    """What is not in the store: manifests, segments of the source, and such as are still to be made."""

    async def manifest(self, asset_id: str, key: str) -> Rendered | None:
        """Return a manifest as it is now, None where the asset has none of that name."""

    async def copied(self, asset_id: str, key: str) -> Copy | None:
        """Return a segment that is the source's own, None where the key names none. Waits for nothing."""

    async def want(self, asset_id: str, key: str) -> None:
        """Return when the object is in the store. Raise OutsidePlan, or PackagingError: failed for good.

        Cancelled when nobody waits any more.
        """


class Live(Protocol):
    """What is on air, which is asked before the store."""

    async def asset(self, name: str, key: str) -> str:
        """Return which asset a name in a path stands for with this key; every asset stands for itself."""

    async def answer(self, request: web.Request, asset_id: str, key: str) -> web.StreamResponse | None:
        """Answer a GET or HEAD for a key that some asset may have; None where the store is to answer."""


class Gate(Protocol):
    """Who may have media without a token."""

    def open(self, identity: str) -> bool:
        """Say without a wait whether an asset is known to be public."""

    async def direct(self, request: web.Request, *identities: str) -> Problem | None:
        """Return why a request without a token is refused, None where it may pass."""


class Origin:
    """Answers GET, HEAD and OPTIONS for assets; keys of the store begin with the asset's id.

    `memory` bounds the bytes of small objects kept at hand, `files` the open descriptors. An object is looked
    up again in the store after `recheck` seconds; `forget` makes this node notice a deletion at once. What is
    `live` goes before the store. `asked` is told of every object that was found there, by its name in the
    store, as often as it is looked up. The `gate` is asked first who may have it. Readers of what is
    `elsewhere` are sent there.
    """

    def __init__(
        self,
        store: Store,
        shelf: Shelf,
        *,
        memory: int = 64 << 20,
        files: int = 512,
        recheck: float = 30,
        live: Live | None = None,
        gate: Gate | None = None,
        asked: Callable[[str], None] = lambda _: None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._recheck = recheck
        self._live = live
        self._gate = gate
        self._asked = asked
        self._elsewhere = elsewhere
        self._hot = Hot(memory=memory, files=files)
        self._manifests = Hot(memory=memory // 4, files=0)
        self._copies = Hot(memory=memory, files=0)
        self._loading: dict[str, asyncio.Task[Entry | None]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to an application."""
        return [web.route("*", _PREFIX + "{id}/{tail:.*}", self.handle, name="media")]

    def forget(self, asset_id: str) -> None:
        """Drop all that is held of an asset."""
        for held in (self._hot, self._manifests, self._copies):
            held.drop_under(f"{asset_id}/")

    def drop(self, name: str) -> None:
        """Drop what is held of one object of the store: it is no longer there."""
        self._hot.drop(name)

    async def close(self) -> None:
        """Stop loading and close every file that nobody sends from."""
        for task in list(self._loading.values()):
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        for held in (self._hot, self._manifests, self._copies):
            held.drop_under("")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. The key is taken from the request line as it came: no decoding, no dots."""
        target = request.raw_path.partition("?")[0]
        entry = self._hot.get(target[len(_PREFIX) :])
        if (
            entry is not None
            and request.method == "GET"
            and self._fresh(entry)
            and plain(request.headers)
            and (self._gate is None or self._gate.open(target[len(_PREFIX) :].partition("/")[0]))
        ):
            return await whole(request, entry)
        found = _TARGET.fullmatch(target)
        if found is None:
            return await absent(request)
        return await self.serve(request, found["asset"], found["key"])

    async def serve(self, request: web.Request, asset_id: str, key: str) -> web.StreamResponse:
        """Answer a request for an asset's key, wherever the two were found in the request."""
        kind = classify(key)
        if kind is None:
            return await absent(request)
        if request.method == "OPTIONS":
            return await preflight(request)
        if request.method not in {"GET", "HEAD"}:
            return await not_allowed(request)
        name = asset_id
        if self._live is not None:
            asset_id = await self._live.asset(name, key)
        # Who has come by a token has passed the gate.
        if self._gate is not None and passage_key not in request:
            refused = await self._gate.direct(request, name, asset_id)
            if refused is not None:
                return await refuse(request, refused, Kind.FAILED)
        if self._live is not None:
            answer = await self._live.answer(request, asset_id, key)
            if answer is not None:
                return answer
        return await self._kept(request, asset_id, key, kind, lasting=name == asset_id)

    async def _kept(
        self, request: web.Request, asset_id: str, key: str, kind: Kind, *, lasting: bool
    ) -> web.StreamResponse:
        """Answer from the store, or from whoever renders or makes what is not there.

        Unless it is `lasting` the name that was asked for means another asset in a moment.
        """
        if self._elsewhere is not None and lasting:
            url = await self._elsewhere(asset_id, key)
            if url is not None:
                return await moved(request, url)
        try:
            if POLICIES[kind].negotiated:
                entry = await self._manifest(request, asset_id, key, lasting=lasting)
            else:
                entry = await self._object(request, asset_id, key, kind)
        except OutsidePlan:
            entry = None
        except (StoreAway, StoreRefused) as error:
            problem = Problem(error.code, "The media store cannot be read", 503, error.message)
            return await refuse(request, problem, Kind.FAILED)
        except PackagingError as error:
            problem = Problem(error.code, "This could not be made", 502, error.message)
            return await refuse(request, problem, Kind.FAILED)
        if entry is None:
            return await absent(request)
        try:
            return await judged(request, entry)
        finally:
            entry.release()

    async def _object(self, request: web.Request, asset_id: str, key: str, kind: Kind) -> Entry | None:
        """Return the held entry of an object. A GET waits for one that is still to be made."""
        name = f"{asset_id}/{key}"
        entry = self._copies.get(name)
        if entry is not None and self._fresh(entry) and entry.hold():
            return entry
        entry = await self._stored(name, kind)
        if entry is not None:
            return entry
        copy = await self._shelf.copied(asset_id, key)
        if copy is not None:
            return await self._copied(request, name, kind, copy)
        if request.method == "GET" and await self._held(request, self._shelf.want(asset_id, key)):
            entry = await self._stored(name, kind)
        return entry

    async def _copied(self, request: web.Request, name: str, kind: Kind, copy: Copy) -> Entry | None:
        """Return the held entry of a segment of the source; GET and HEAD wait alike for its bytes."""
        if not await self._held(request, copy.there()):
            return None
        entry = await self._once(f"{name};copied", lambda: self._copy(name, kind, copy))
        if entry is not None:
            entry.hold()
        return entry

    async def _copy(self, name: str, kind: Kind, copy: Copy) -> Entry:
        body = await copy.body()
        etag = await asyncio.to_thread(content_etag, body)
        entry = Entry(
            size=len(body),
            etag=etag,
            common=common(kind, etag),
            content=content(kind),
            body=body,
            checked=asyncio.get_running_loop().time(),
        )
        (self._hot if len(body) <= SMALL else self._copies).put(name, entry)
        return entry

    async def _stored(self, name: str, kind: Kind) -> Entry | None:
        while True:
            entry = self._hot.get(name)
            if entry is None or not self._fresh(entry):
                entry = await self._once(name, lambda: self._load(name, kind))
            if entry is None or entry.hold():
                return entry

    async def _held(self, request: web.Request, wish: Coroutine[None, None, None]) -> bool:
        """Hold the request until a wish is fulfilled; False when the viewer has gone before."""
        waiting = asyncio.create_task(wish)
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=_GONE_SECONDS)
                if request.transport is None:
                    return False
            await waiting
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return True

    async def _load(self, name: str, kind: Kind) -> Entry | None:
        stat = await self._store.stat(name)
        known = self._hot.get(name)
        now = asyncio.get_running_loop().time()
        if stat is not None:
            self._asked(name)
        if stat is not None and known is not None and known.etag == stat.etag:
            known.checked = now
            return known
        self._hot.drop(name)
        if stat is None:
            return None
        body = file = None
        if stat.size <= SMALL:
            try:
                body = await self._store.get(name)
            except KeyMissing:
                return None
        elif (path := await self._store.path(name)) is not None:
            file = await asyncio.to_thread(_open, path, stat.size)
        entry = Entry(
            size=stat.size,
            etag=stat.etag,
            common=common(kind, stat.etag),
            content=content(kind),
            body=body,
            file=file,
            read=partial(self._store.get, name),
            checked=now,
        )
        self._hot.put(name, entry)
        return entry

    async def _manifest(
        self, request: web.Request, asset_id: str, key: str, *, lasting: bool
    ) -> Entry | None:
        """Return the held entry of a manifest as it is now, in the content coding that the reader takes."""
        rendered = await self._shelf.manifest(asset_id, key)
        if rendered is None:
            return None
        rendered = replace(rendered, complete=rendered.complete and lasting)
        coding = "gzip" if accepts_gzip(request.headers) else ""
        name = f"{asset_id}/{key};{coding};{lasting}"
        stamp = (rendered.etag, rendered.complete)
        entry = self._manifests.get(name)
        if entry is None or entry.stamp != stamp:
            entry = await self._once(f"{name};{stamp}", lambda: self._coded(name, key, rendered, coding))
        if entry is not None:
            entry.hold()
        return entry

    async def _coded(self, name: str, key: str, rendered: Rendered, coding: str) -> Entry:
        kind = classify(key, complete=rendered.complete) or Kind.MULTIVARIANT
        body, etag = rendered.body, rendered.etag
        if coding:
            body = await asyncio.to_thread(compressed, body)
            etag = f"{etag}-gz"
        entry = Entry(
            size=len(body),
            etag=etag,
            common=common(kind, etag),
            content=content(kind, coding=coding),
            body=body,
            stamp=(rendered.etag, rendered.complete),
        )
        self._manifests.put(name, entry)
        return entry

    async def _once(self, name: str, make: Callable[[], Coroutine[None, None, Entry | None]]) -> Entry | None:
        """Let all who ask at once for one entry share the work of one task."""
        task = self._loading.get(name)
        if task is None:
            task = self._loading[name] = asyncio.create_task(make())
            task.add_done_callback(lambda done: self._loaded(name, done))
        return await asyncio.shield(task)

    def _loaded(self, name: str, done: asyncio.Task[Entry | None]) -> None:
        self._loading.pop(name, None)
        if not done.cancelled():
            done.exception()  # seen here, for the case that everyone who asked has gone

    def _fresh(self, entry: Entry) -> bool:
        return asyncio.get_running_loop().time() - entry.checked < self._recheck


def _open(path: Path, size: int) -> FileIO | None:
    """Open a file of the store; None where it is kept elsewhere. Raise StoreFailed for another size."""
    try:
        file = FileIO(path, "rb")
    except FileNotFoundError:
        return None
    if os.fstat(file.fileno()).st_size != size:
        file.close()
        raise StoreFailed("A stored file has changed its size.", evidence=str(path))
    return file
