"""The manifests of one broadcast, each rendered and compressed once per version and never per viewer."""

from __future__ import annotations

import asyncio
import hashlib
import weakref
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from cdn.policy import Kind
from packager import keys, live_dash, live_hls
from packager.life import carried
from packager.live_hls import MediaPlaylist
from streamer.answers import common, content
from streamer.coding import compressed
from streamer.hot import Entry
from streamer.live import asked
from streamer.live.asked import Asked
from streamer.live.onair import OnAir

_AT_ONCE = 16 * 1024
"""What is larger is compressed by a thread."""

Version = tuple[object, ...]
Position = tuple[int, int]
"""A media sequence number and a part: all before that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """One version of a manifest, and the entries made of it by coding and kind of answer."""

    version: Version
    body: bytes
    etag: str
    entries: dict[tuple[str, Kind], Entry] = field(default_factory=dict)


class Playlists:
    """Renders what a broadcast's manifests say now. A later version takes the place of the one before."""

    def __init__(self, onair: OnAir) -> None:
        # Whoever keeps these by their broadcast must not thereby keep the broadcast.
        self._onair: OnAir = weakref.proxy(onair)
        self._media: dict[str, MediaPlaylist] = {}
        self._texts: dict[tuple[str, bool], _Text] = {}
        self._coded: dict[str, asyncio.Task[bytes]] = {}
        self._latest = ""
        self._carried: dict[str, str] = {}

    def known(self, key: str) -> bool:
        """Say whether the broadcast, which has begun, has a manifest of this name."""
        return _name(key) in self._carriers()

    def position(self, key: str, wanted: Asked) -> Position | None:
        """Return what has to be there before a manifest is sent, None where its beginning is enough.

        Raise BadDirective.
        """
        lives = self._onair.lives
        if not lives or self._onair.ended:
            return None
        carrier = self._carriers()[_name(key)]
        return asked.position(wanted, lives[-1], carrier, first=lives[0].life.first)

    def there(self, key: str, position: Position | None) -> bool:
        """Say whether all before a position is there, or the broadcast has ended; something at least."""
        lives = self._onair.lives
        if not lives or self._onair.ended:
            return bool(lives)
        edge = live_hls.edge(lives[-1], self._carriers()[_name(key)])
        return edge >= (position or (lives[0].life.first + 1, 0))

    async def come(self, key: str, position: Position | None) -> bool:
        """Wait until all before a position is there; False where there is no such manifest."""
        while not (self._onair.lives and not self.known(key)) and not self.there(key, position):
            if self._onair.ended:
                return False
            await self._onair.turn(self._carriers()[_name(key)] if self._onair.lives else "")
        return self.known(key)

    async def entry(self, key: str, *, kind: Kind, coding: str, skip: bool = False) -> Entry:
        """Return a manifest as it is now, ready to be sent. There is at least one life."""
        text = self._text(key, skip=skip)
        entry = text.entries.get((coding, kind))
        if entry is None:
            body = await self._compressed(text) if coding else text.body
            etag = f"{text.etag}-gz" if coding else text.etag
            entry = text.entries[coding, kind] = Entry(
                size=len(body),
                etag=etag,
                common=common(kind, etag, target_duration=self._onair.target_duration),
                content=content(kind, coding=coding),
                body=body,
            )
        return entry

    async def close(self) -> None:
        """Stop compressing."""
        for task in list(self._coded.values()):
            task.cancel()
        await asyncio.gather(*self._coded.values(), return_exceptions=True)

    def _text(self, key: str, *, skip: bool) -> _Text:
        version = self._version(key)
        text = self._texts.get((key, skip))
        if text is None or text.version != version:
            body = self._render(key, skip=skip).encode()
            etag = hashlib.sha256(body).hexdigest()[:32]
            text = self._texts[key, skip] = _Text(version=version, body=body, etag=etag)
        return text

    def _version(self, key: str) -> Version:
        """Return what a manifest follows from; what others report only goes along with something new."""
        onair = self._onair
        lives = onair.lives
        stage = (len(lives), lives[-1].over, onair.ended)
        if key == keys.MULTIVARIANT:
            return stage
        state = (*stage, onair.marked)
        if key == keys.MPD:
            return (*state, live_dash.first_listed(lives, window=onair.window))
        return (*state, live_hls.edge(lives[-1], self._carriers()[_name(key)]))

    def _carriers(self) -> Mapping[str, str]:
        """Return by which rendition of the latest life each one goes on; "" stands for all of them."""
        lives = self._onair.lives
        latest = lives[-1].life.generation if lives else ""
        if latest != self._latest:
            every = [aired.life for aired in lives]
            named = {name: carried(every, name)[-1] for life in every for name in life.names}
            self._latest, self._carried = latest, {"": every[-1].names[0], **named} if every else {}
        return self._carried

    def _render(self, key: str, *, skip: bool) -> str:
        onair = self._onair
        if key == keys.MULTIVARIANT:
            return live_hls.multivariant(onair.lives, onair.codecs)
        if key == keys.MPD:
            return live_dash.mpd(
                onair.lives, onair.codecs, window=onair.window, ended=onair.ended, markers=onair.markers
            )
        name = _name(key)
        made = self._media.get(name)
        if made is None:
            made = MediaPlaylist(name, window=onair.window, low_latency=onair.low_latency)
            self._media[name] = made
        return made.render(onair.lives, ended=onair.ended, skip=skip, ranges=onair.ranges)

    def _compressed(self, text: _Text) -> Awaitable[bytes]:
        """Let all who ask at once for one version share the work of one task."""
        task = self._coded.get(text.etag)
        if task is None:
            task = self._coded[text.etag] = asyncio.create_task(_gzip(text.body))
            task.add_done_callback(lambda _: self._coded.pop(text.etag, None))
        return asyncio.shield(task)


def _name(key: str) -> str:
    """Return the rendition whose playlist a key names, nothing where it names a manifest of all of them."""
    return "" if key in {keys.MULTIVARIANT, keys.MPD} else key.removesuffix(".m3u8")


async def _gzip(body: bytes) -> bytes:
    if len(body) <= _AT_ONCE:
        return compressed(body)
    return await asyncio.to_thread(compressed, body)
