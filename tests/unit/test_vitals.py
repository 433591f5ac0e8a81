"""What is told of a publisher's signal."""

from __future__ import annotations

from streamer.ingest.flv import Kind, Tag
from streamer.live.vitals import Vitals

KEY, OTHER, CONFIGURATION, SOUND = b"\x17\x01", b"\x27\x01", b"\x17\x00", b"\xaf\x01"


def _tag(kind, time, head):
    return Tag(kind=kind, time=time, payload=head + b"\0" * 998)


async def _read(now, tags):
    """Return what is told, and the tags as they were handed on; each comes 100 ms after the one before."""
    told = []

    async def coming():
        for tag in tags:
            now[0] += 0.1
            yield tag

    vitals = Vitals(told.append, stream="s", asset="a", clock=lambda: now[0])
    return told, [tag async for tag in vitals.read(coming())]


async def test_two_seconds_are_told_and_every_tag_goes_on():
    tags = [_tag(Kind.VIDEO, 0, CONFIGURATION)]
    for number in range(1, 20):
        pictures = KEY if number in {1, 11} else OTHER
        tags.append(_tag(Kind.VIDEO, number * 100, pictures) if number % 2 else _tag(Kind.AUDIO, 0, SOUND))
    told, handed_on = await _read([0.0], [*tags, *tags[1:4]])
    assert handed_on == [*tags, *tags[1:4]]
    (health,) = told
    assert health.json() == {
        "stream": "s",
        "asset": "a",
        "bitrate": 20 * 1000 * 8 // 2,
        "frame_rate": 5.0,
        "keyframe_seconds": 1,
    }


async def test_nothing_is_told_before():
    told, _ = await _read([0.0], [_tag(Kind.VIDEO, 0, KEY)] * 19)
    assert told == []
