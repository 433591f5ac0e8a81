"""Many uploads at once: every one can be watched before any of them is encoded in full."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import pytest

from packager.engine import Urgency
from packager.facts import RunStarted
from packager.farm import OwnSlots
from packager.foreman import Foreman
from packager.inits import Init
from packager.original import WholeFile
from packager.packaging import Packaging
from packager.process import Spawner
from packager.store import MemoryStore
from tests.flow.packaged import Planned, planned
from tests.media.clip import Clip
from tests.media.timing import constant

FILM = Clip(name="burst", suffix=".mp4", timing=constant(10, 12), width=96, height=64)


@pytest.fixture
async def spawner():
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as made:
        yield made


def packaging(film: Planned, facts: list, *, salt: str = "") -> Packaging:
    """Return a generation of its own of the film; what it tells is kept with its salt."""
    inits = {
        name: Init(body=film.bodies[name], digest=digest, codecs="") for name, digest in film.inits.items()
    }
    return Packaging(
        replace(film.plan, salt=salt),
        film.index,
        inits=inits,
        original=WholeFile(film.path),
        store=MemoryStore(),
        sink=lambda fact: facts.append((salt, fact)),
        asset=salt,
        feeder=film.feeder,
    )


async def burst(clips, spawner, uploads):
    film = await planned(clips.make(FILM), spawner)
    facts: list = []
    made = [packaging(film, facts, salt=str(number)) for number in range(uploads)]
    first = {(film.plan.video[-1].name,), (film.plan.audio[0].name,)}
    urgencies: dict[str, Urgency] = {}
    async with Foreman(OwnSlots(spawner, slots=1)) as foreman:
        for one in made:
            foreman.add(one)
        while sum(urgency is Urgency.FILL for urgency in urgencies.values()) < 3:
            await asyncio.sleep(0.005)
            urgencies |= {
                running.run: running.span.urgency
                for standing in foreman.status()
                for running in standing.running
            }
    started = [(salt, fact) for salt, fact in facts if isinstance(fact, RunStarted)]
    order = [urgencies.get(fact.run, Urgency.SOON) for _, fact in started]
    assert order == sorted(order)
    soon = started[: order.index(Urgency.FILL)]
    assert {(salt, fact.renditions) for salt, fact in soon} == {
        (one.asset, names) for one in made for names in first
    }
    assert all(fact.first == 0 for _, fact in soon)
    # Sound and picture of one asset are made together, and the assets come in their order.
    assert [salt for salt, _ in soon] == [one.asset for one in made for _ in first]


async def test_the_beginnings_of_a_burst_go_before_all_background_work(clips, spawner):
    await burst(clips, spawner, 30)


@pytest.mark.soak
async def test_the_beginnings_of_a_hundred_uploads_go_before_all_background_work(clips, spawner):
    await burst(clips, spawner, 100)


async def test_however_many_want_one_segment_it_is_encoded_once(clips, spawner):
    film = await planned(clips.make(FILM), spawner)
    facts: list = []
    made = packaging(film, facts)
    made.fill = "watched"
    name = film.plan.video[-1].name
    async with Foreman(OwnSlots(spawner, slots=1)) as foreman:
        foreman.add(made)
        await asyncio.gather(*(made.want(name, 2) for _ in range(200)))
    runs = [fact for _, fact in facts if isinstance(fact, RunStarted) and name in fact.renditions]
    assert [(fact.first, fact.last) for fact in runs if fact.first <= 2 <= fact.last] == [(2, 2)]


async def test_what_only_a_viewer_watches_is_all_that_is_made(clips, spawner):
    film = await planned(clips.make(FILM), spawner)
    made = packaging(film, [])
    made.fill = "watched"
    name = film.plan.video[0].name
    async with Foreman(OwnSlots(spawner, slots=1)) as foreman:
        foreman.add(made)
        await made.want(name, 0)
        while foreman.status()[0].running:
            await asyncio.sleep(0.01)
        assert not made.complete
        made.fill = "full"
        async with asyncio.timeout(60):
            await made.ended()
