"""Where the seconds of a live picture go: when each one is dated, encoded and listed, seen from outside."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import m3u8

from tests.media import fragments, reader
from tests.media.camera import Camera

_BACKLOG_SECONDS = 0.3
"""What comes within so much of a connection's beginning had been encoded before."""

DUE = """video => {
    window.due = [];
    window.stood = 0;
    video.addEventListener("waiting", () => { if (!video.seeking) window.stood += 1; });
    const each = (now, { expectedDisplayTime, mediaTime }) => {
        const passed = (1000 * (video.currentTime - mediaTime)) / video.playbackRate;
        window.due.push(expectedDisplayTime - now + passed);
        video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
}"""
"""Notes in a page how many milliseconds late each picture is displayed after it is due, and stalls."""


@dataclass(slots=True)
class Stages:
    """When the frames of one rendition got where, by their place in the broadcast; wall clock in seconds."""

    camera: Camera
    rate: int = 25
    first: int | None = None  # the number drawn in frame 0
    epoch: float | None = None
    encoded: dict[int, float] = field(default_factory=dict)
    listed: dict[int, float] = field(default_factory=dict)
    heard: list[float] = field(default_factory=list)

    def split(
        self, seen: Iterable[tuple[int, float]], *, display: float, pushed: bool
    ) -> dict[str, float | None]:
        """Return the median of each stage of pictures (number, when displayed); `display` is the last one."""
        rows = []
        for number, shown in seen:
            if self.first is None or self.epoch is None:
                break
            place = number - self.first
            dated, made = self.epoch + place / self.rate, self.encoded.get(place)
            ready = made if pushed else self.listed.get(place)
            if made is not None and ready is not None:
                rows.append(
                    (dated - self.camera.taken(number), made - dated, ready - made, shown - ready - display)
                )
        names = ("ingest", "encode", "part", "hold-back")
        found = {name: _median([row[at] for row in rows]) for at, name in enumerate(names)}
        return {**found, "display": round(display, 3)}

    def sound(self) -> dict[str, float | None]:
        """Return how long after they were made sound and pictures leave the server."""
        first = self.first or 0
        pictures = [came - self.camera.taken(first + place) for place, came in self.encoded.items()]
        return {"sound leaves after": _median(self.heard), "pictures leave after": _median(pictures)}

    async def pictures(self, session: aiohttp.ClientSession, root: str, name: str) -> None:
        """Note when frames are pushed."""
        facts, begun = None, []
        async for came, late, body in _pushed(session, f"{root}/{name}.push"):
            if facts is None:
                facts, init = fragments.read_init(body), body
                continue
            place = round(fragments.read_segment(body, facts)[0].tfdt * self.rate / facts.timescale)
            if self.first is None:
                begun.append(body)
                number = reader.read_numbers(init, begun)[0][1]
                if number is not None:
                    self.first = number - place + len(begun) - 1
            if not late:
                self.encoded[place] = came

    async def sounds(self, session: aiohttp.ClientSession, root: str, name: str) -> None:
        """Note how long after it was made sound is pushed."""
        facts = None
        async for came, late, body in _pushed(session, f"{root}/{name}.push"):
            if facts is None:
                facts = fragments.read_init(body)
            elif self.first is not None and not late:
                at = fragments.read_segment(body, facts)[0].tfdt / facts.timescale
                self.heard.append(came - self.camera.began - self.first / self.rate - at)

    async def parts(self, session: aiohttp.ClientSession, root: str, name: str) -> None:
        """Note when frames are listed, in a part of the playlist."""
        query, before = "", None
        while True:
            async with session.get(f"{root}/{name}.m3u8{query}") as answer:
                answer.raise_for_status()
                found = m3u8.loads(await answer.text())
            came = time.time()
            ready = [one for one in found.segments if one.duration]
            last = ready[-1]
            number = int(last.uri.rpartition("/")[2].split(".")[0])
            self.epoch = last.program_date_time.timestamp() - number * last.duration
            frames = round(last.duration * self.rate)
            grown = len(found.segments[-1].parts) if found.segments[-1] is not last else 0
            length = round(found.part_inf.part_target * self.rate)
            until = (number + 1) * frames + grown * length
            self.listed |= dict.fromkeys(range(before or until, until), came)
            before = until
            query = f"?_HLS_msn={(found.media_sequence or 0) + len(ready)}&_HLS_part={grown}"


@asynccontextmanager
async def followed(session: aiohttp.ClientSession, root: str, camera: Camera) -> AsyncIterator[Stages]:
    """Follow a broadcast from outside while the block runs; `root` is the stream's address."""
    async with session.get(f"{root}/main.m3u8") as answer:
        main = m3u8.loads(await answer.text())
    stages = Stages(camera)
    picture, sound = (one.uri.removesuffix(".m3u8") for one in (main.playlists[0], next(iter(main.media))))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(stages.pictures(session, root, picture)),
            group.create_task(stages.parts(session, root, picture)),
            group.create_task(stages.sounds(session, root, sound)),
        ]
        yield stages
        for task in tasks:
            task.cancel()


async def _pushed(session: aiohttp.ClientSession, url: str) -> AsyncIterator[tuple[float, bool, bytes]]:
    """Yield when each message came, whether it had been waiting, and what it is."""
    async with session.ws_connect(url) as socket:
        began = time.time()
        async for message in socket:
            now = time.time()
            yield now, now - began < _BACKLOG_SECONDS, message.data


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None
