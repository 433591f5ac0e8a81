"""A live encoder: every frame of the publisher in its place, in step with the sound, in equal parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from fractions import Fraction
from itertools import pairwise

import imageio_ffmpeg
import pytest

from packager import encoder, live_ladder
from packager.errors import PackagingError
from packager.ladder import Effort
from packager.life import Life, frames_of, new_generation
from packager.live_ladder import Offer
from packager.parts import Part
from packager.process import Spawner
from tests.media import reader
from tests.media.clip import X264, Clip, Sound
from tests.media.sources import constant

RATES = (Fraction(25), Fraction(30_000, 1001), Fraction(60))
SECONDS = 7


def clip(rate: Fraction, *, flags: tuple[str, ...] = ("-bf", "0"), sound: bool = False) -> Clip:
    return Clip(
        name=f"live-{rate.numerator}-{rate.denominator}{''.join(flags)}{'-sound' * sound}",
        suffix=".flv",
        timing=constant(rate, SECONDS),
        video=(*X264, "-g", "50", *flags),
        sounds=(Sound(),) if sound else (),
    )


def life(rate: Fraction, *, sound: bool = True) -> Life:
    offer = Offer(width=320, height=180, rate=rate, sample_rate=48_000, channels=2 if sound else 0)
    frames, parts = frames_of(Fraction(1, 3), rate)
    return Life(
        generation=new_generation(),
        rate=rate,
        part_frames=frames,
        parts=parts,
        started=0,
        first=0,
        video=live_ladder.video_rungs(offer, pixels=10**9, effort=Effort(preset="ultrafast")),
        audio=live_ladder.audio_rung(offer),
    )


class Heard:
    """Keeps what an encoder tells, and plays it back as segments."""

    def __init__(self) -> None:
        self.inits: dict[str, bytes] = {}
        self.parts: dict[str, list[Part]] = defaultdict(list)
        self.samples: dict[str, int] = defaultdict(int)

    def init(self, rendition, body):
        assert rendition not in self.inits
        self.inits[rendition] = body

    def sample(self, rendition, sample):
        assert rendition in self.inits
        self.samples[rendition] += 1

    def part(self, part):
        self.parts[part.rendition].append(part)

    def segments(self, rendition: str) -> list[bytes]:
        found: dict[int, list[bytes]] = defaultdict(list)
        for part in self.parts[rendition]:
            found[part.segment].append(part.body)
        return [b"".join(bodies) for bodies in found.values()]


async def flow(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 50_000):
        yield body[at : at + 50_000]


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(imageio_ffmpeg.get_ffmpeg_exe()) as made:
        yield made


async def encoded(body: bytes, made: Life, spawner: Spawner) -> Heard:
    heard = Heard()
    await encoder.encode(made, flow(body), spawner=spawner, hearing=heard)
    return heard


@pytest.mark.parametrize("rate", RATES, ids=str)
async def test_every_frame_is_there_once_in_parts_of_equal_length(clips, spawner, rate):
    made = life(rate, sound=False)
    frames = round(SECONDS * rate)
    heard = await encoded(clips.make(clip(rate)).read_bytes(), made, spawner)
    for rung in made.video:
        shown = reader.read_numbers(heard.inits[rung.name], heard.segments(rung.name))
        assert [number for _, number in shown][:frames] == list(range(frames))
        assert [round(time * rate) for time, _ in shown] == list(range(len(shown)))
        assert len(shown) <= frames + 1  # how long the last one is shown nobody has said
        full = heard.parts[rung.name][:-1]
        assert {part.end - part.begin for part in full} == {made.part_frames * made.frame_ticks}
        assert [part.independent for part in full] == [part.number == 0 for part in full]


@pytest.mark.parametrize("flags", [("-bf", "0"), ("-bf", "2")], ids=["plain", "reordered"])
async def test_rule_the_sound_is_in_step_with_the_picture(clips, spawner, flags):
    rate = Fraction(25)
    made = life(rate)
    heard = await encoded(clips.make(clip(rate, flags=flags, sound=True)).read_bytes(), made, spawner)
    name = made.video[0].name
    beeps = reader.find_beeps(reader.read_sound(heard.inits["audio-0"], heard.segments("audio-0")))
    flashes = reader.find_flashes(heard.inits[name], heard.segments(name))
    assert len(beeps) >= SECONDS - 1
    pairs = [(beep, min(flashes, key=lambda flash: abs(flash - beep))) for beep in beeps]
    assert max(abs(beep - flash) for beep, flash in pairs) <= Fraction(20, 1000)
    for one, following in pairwise(heard.parts["audio-0"]):
        assert one.end == following.begin


async def test_rule_the_publishers_keyframes_do_not_rule_where_segments_begin(clips, spawner):
    """One keyframe in all of a source is enough for segments of two seconds."""
    rate = Fraction(25)
    made = life(rate, sound=False)
    source = clip(rate, flags=("-bf", "0", "-g", str(SECONDS * 25)))
    heard = await encoded(clips.make(source).read_bytes(), made, spawner)
    full = [part for part in heard.parts[made.video[0].name] if part.segment < SECONDS // 2]
    assert [part.begin for part in full if part.independent] == [
        number * made.segment_frames * made.frame_ticks for number in range(SECONDS // 2)
    ]


async def test_without_sound_there_are_pictures_alone(clips, spawner):
    rate = Fraction(25)
    made = life(rate, sound=False)
    heard = await encoded(clips.make(clip(rate, sound=True)).read_bytes(), made, spawner)
    assert set(heard.inits) == set(made.names) == {rung.name for rung in made.video}


async def test_what_is_no_flv_ends_it_with_an_error(spawner):
    with pytest.raises(PackagingError):
        await encoded(b"not at all" * 10_000, life(Fraction(25)), spawner)
