"""A broadcast of real media under a test's control: its parts are released one by one, and served."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction

import imageio_ffmpeg
from aiohttp import web

from packager import encoder, inits, keys, live_ladder
from packager.ladder import Effort
from packager.life import Life, frames_of
from packager.live_ladder import Offer
from packager.parts import Part
from packager.process import Spawner
from packager.store import MemoryStore
from streamer.live.clock import Clock
from streamer.live.delivery import Delivery
from streamer.live.onair import OnAir
from streamer.origin import Origin, OutsidePlan
from streamer.rows import wall_clock
from tests.media.clip import X264, Clip, Library, Sound
from tests.media.sources import constant

ASSET = "broadcast001"
RATE = Fraction(25)
TOP, LOW = "180p", "144p"
SOUND = "audio-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What an encoder made of a clip: the life, and its parts in the order in which they came."""

    life: Life
    inits: dict[str, bytes]
    parts: tuple[Part, ...]

    @property
    def codecs(self) -> dict[str, str]:
        """Return the CODECS string of every rendition."""
        return {name: inits.codecs(body) for name, body in self.inits.items()}

    def successor(self, *, first: int, generation: str, started: int, names: Iterable[str] = ()) -> Media:
        """Return the same media as another life, of the named renditions only."""
        video = tuple(rung for rung in self.life.video if not names or rung.name in names)
        life = replace(self.life, generation=generation, first=first, started=started, video=video)
        kept = tuple(part for part in self.parts if part.rendition in life.names)
        return Media(life=life, inits={name: self.inits[name] for name in life.names}, parts=kept)

    def segment(self, rendition: str, number: int) -> bytes:
        """Return the bytes of a segment."""
        return b"".join(
            part.body for part in self.parts if part.rendition == rendition and part.segment == number
        )


class _Heard:
    def __init__(self) -> None:
        self.inits: dict[str, bytes] = {}
        self.parts: list[Part] = []

    def init(self, rendition, body):
        self.inits[rendition] = body

    def sample(self, rendition, sample):
        pass

    def part(self, part):
        self.parts.append(part)


def _clip(seconds: int) -> Clip:
    return Clip(
        name=f"broadcast-{seconds}",
        suffix=".flv",
        timing=constant(RATE, seconds),
        video=(*X264, "-g", "50", "-bf", "0"),
        sounds=(Sound(),),
    )


async def media(clips: Library, seconds: int, *, part: Fraction = Fraction(1, 3), started: int = 0) -> Media:
    """Encode a clip of numbered frames as a publisher's, in two rungs with sound."""
    offer = Offer(width=320, height=180, rate=RATE, sample_rate=48_000, channels=2)
    frames, parts = frames_of(part, RATE)
    life = Life(
        generation="l1",
        rate=RATE,
        part_frames=frames,
        parts=parts,
        started=started,
        first=0,
        video=live_ladder.video_rungs(offer, pixels=10**9, effort=Effort(preset="ultrafast", sides=(144,))),
        audio=live_ladder.audio_rung(offer),
    )

    async def published() -> AsyncIterator[bytes]:
        yield clips.make(_clip(seconds)).read_bytes()

    heard = _Heard()
    async with Spawner(imageio_ffmpeg.get_ffmpeg_exe()) as spawner:
        await encoder.encode(life, published(), spawner=spawner, hearing=heard)
    parts_in_time = sorted(heard.parts, key=lambda one: Fraction(one.end, life.scale(one.rendition)))
    return Media(life=life, inits=heard.inits, parts=tuple(parts_in_time))


async def paced(site: LiveSite) -> None:
    """Release every part of the life when it would have been encoded, then end the broadcast."""
    life = site.onair.lives[-1].life
    loop = asyncio.get_running_loop()
    behind = loop.time() - time.time()
    for part in list(site.waiting):
        due = Fraction(life.started, 1000) + Fraction(part.end, life.scale(part.rendition))
        await asyncio.sleep(float(due) + behind - loop.time())
        await site.take(part)
    site.onair.end()


class NoShelf:
    """Nothing but what is in the store."""

    async def manifest(self, asset_id, key):
        return None

    async def copied(self, asset_id, key):
        return None

    async def want(self, asset_id, key):
        raise OutsidePlan(key)


@dataclass
class LiveSite:
    """A broadcast that is served. `release` lets its parts go, and stores segments as they become whole.

    `asked` is awaited with the path of every request before it is answered.
    """

    base: str
    port: int
    onair: OnAir | None
    delivery: Delivery
    store: MemoryStore
    storing: bool = True
    asked: Callable[[str], Awaitable[None]] | None = None
    waiting: list[Part] = field(default_factory=list)
    bodies: dict[tuple[str, int], list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def url(self, key: str) -> str:
        """Return the address of a key."""
        return f"{self.base}/v/{ASSET}/{key}"

    def forget(self) -> None:
        """Let go of the broadcast, as a while after its end."""
        self.onair = None

    async def begin(self, made: Media) -> None:
        """Begin a life, none of whose parts is there yet."""
        self.onair.begin(made.life, made.inits, made.codecs)
        for name, body in made.inits.items():
            await self.store.put(f"{ASSET}/{keys.init(made.life.generation, name)}", body)
        self.waiting = list(made.parts)
        self.bodies.clear()

    async def release(self, segment: int, part: int, *, names: Iterable[str] = ()) -> None:
        """Release all parts before one, of every rendition or of some."""
        due = [
            one
            for one in self.waiting
            if (one.segment, one.number) < (segment, part) and (not names or one.rendition in names)
        ]
        for one in due:
            self.waiting.remove(one)
            await self.take(one)

    async def take(self, part: Part) -> None:
        """Let one part go."""
        self.onair.take(part)
        pieces = self.bodies[part.rendition, part.segment]
        pieces.append(part.body)
        if part.last:
            await self.keep(part.rendition, part.segment)

    async def keep(self, rendition: str, segment: int) -> None:
        """Store a segment that is whole."""
        if not self.storing:
            return
        generation = self.onair.lives[-1].life.generation
        key = keys.segment(generation, rendition, segment)
        await self.store.put(f"{ASSET}/{key}", b"".join(self.bodies[rendition, segment]))
        self.onair.stored(generation, rendition, segment)

    async def fall(self) -> None:
        """End the life as it is, as if its encoder had failed."""
        closed = self.onair.over_life()
        for rendition, segment in closed:
            await self.keep(rendition, segment)

    async def finish(self) -> None:
        """Release everything and end the broadcast."""
        for one in self.waiting:
            await self.take(one)
        self.waiting = []
        self.onair.end()


@asynccontextmanager
async def live_site(*, window: int | None = 7200, low_latency: bool = True) -> AsyncIterator[LiveSite]:
    """Serve a broadcast that has not begun."""
    store = MemoryStore()
    made: list[LiveSite] = []

    async def alias(name: str, key: str) -> str:
        return ASSET if name == "stream" else name

    delivery = Delivery(lambda asset: made[0].onair if asset == ASSET else None, store, alias=alias)
    origin = Origin(store, NoShelf(), live=delivery)

    @web.middleware
    async def tell(request, handler):
        if made[0].asked is not None:
            await made[0].asked(request.path)
        return await handler(request)

    app = web.Application(middlewares=[tell])
    app.add_routes([*origin.routes(), *Clock(wall_clock).routes()])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, listener).start()
    port = listener.getsockname()[1]
    try:
        base = f"http://127.0.0.1:{port}"
        made.append(
            LiveSite(
                base=base,
                port=port,
                onair=OnAir(ASSET, window=window, low_latency=low_latency),
                delivery=delivery,
                store=store,
            )
        )
        yield made[0]
    finally:
        await delivery.close()
        await runner.cleanup()
        await origin.close()
