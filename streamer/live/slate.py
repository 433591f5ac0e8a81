"""What viewers see while nobody publishes: a still picture and silence, in the publisher's own form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fractions import Fraction

from packager import live_recipe
from packager.child import Command
from packager.errors import ChildFailed
from packager.live_ladder import Offer
from packager.process import Spawner
from packager.sandbox import Limits
from packager.timeline import AAC_FRAME
from streamer.ingest import flv
from streamer.ingest.flv import Kind, Tag
from streamer.live.splice import Loop

_MOST_BYTES = 8 << 20
_LIMITS = Limits(memory=3 << 30, cpu_seconds=30, wall_seconds=60)


async def slate(spawner: Spawner, offer: Offer, picture: bytes | None = None) -> dict[Kind, Loop]:
    """Make the slate for a publisher, from a PNG. Raise PackagingError."""
    argv = live_recipe.slate(spawner.ffmpeg, offer, picture=picture is not None)
    stdin = _once(picture) if picture is not None else None
    body = b""
    async with await spawner.start(Command(argv=argv, outputs=1, limits=_LIMITS, stdin=stdin)) as child:
        while data := await child.outputs[0].read(1 << 18):
            body += data
            if len(body) > _MOST_BYTES:
                raise ChildFailed("the slate is too large")
        await child.wait()
    return loops(flv.read(body), offer)


def loops(tags: list[Tag], offer: Offer) -> dict[Kind, Loop]:
    """Return what repeats of some tags, by kind. Raise ChildFailed where there is no picture."""
    steps = {Kind.VIDEO: 1000 / offer.rate}
    if offer.channels:
        steps[Kind.AUDIO] = Fraction(1000 * AAC_FRAME, offer.sample_rate)
    found = {}
    for kind, step in steps.items():
        configuration = next((tag for tag in tags if tag.kind is kind and tag.configuration), None)
        media = [tag for tag in tags if tag.kind is kind and not tag.configuration]
        if configuration is not None and media:
            found[kind] = Loop(configuration=configuration, tags=media, step=step)
    if Kind.VIDEO not in found:
        raise ChildFailed("the slate has no picture")
    return found


async def _once(picture: bytes) -> AsyncIterator[bytes]:
    yield picture
