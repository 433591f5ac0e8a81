"""A followed source: what its plan needs is made while its first segment is on its way."""

import asyncio

from packager import ladder
from packager.following import Followed
from packager.tables import Tables
from streamer.trail import Trail
from tests.unit.test_growing import index_of, source_of

KEYS = [0, 60, 120]


class Reports:
    """What a follower tells, one report after another."""

    def __init__(self, *frames):
        self.left = list(frames)

    async def more(self):
        if not self.left:
            return None
        frames = self.left.pop(0)
        source, index = source_of(frames, None), index_of(frames, KEYS)
        return Followed(source=source, index=index, tables=Tables({}), ended=False)


def planned(seen, keyed):
    return ladder.plan(seen.source, seen.index, identity="x", encoder="e", allow_keyframe_grid=keyed)


def trail(reports, prepared, *, frozen=None):
    async def prepare(plan):
        prepared.append((plan, len(reports.left)))

    return Trail(reports, None, plan=planned, prepare=prepare, frozen=frozen, whole=asyncio.Event())


async def test_what_a_plan_needs_is_made_once_and_before_there_is_a_segment():
    reports, prepared = Reports(10, 30, 70, 130), []
    known = await trail(reports, prepared).begin()
    assert known.plan.borders == (0, 2400)
    [(plan, left)] = prepared
    assert left == 3, "the first report is enough"
    assert (plan.generation, plan.video, plan.audio) == (
        known.plan.generation,
        known.plan.video,
        known.plan.audio,
    )


async def test_the_plan_of_an_earlier_life_is_what_is_prepared():
    before = await trail(Reports(10, 70), []).begin()
    reports, prepared = Reports(10, 70), []
    known = await trail(reports, prepared, frozen=before.plan).begin()
    assert prepared[0][0] is before.plan
    assert known.plan.borders == before.plan.borders


async def test_a_source_that_ends_before_its_first_segment_has_no_plan():
    assert await trail(Reports(10, 30), []).begin() is None
