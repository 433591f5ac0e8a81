"""Channels: durable before visible, resumed without gap or duplicate, bounded."""

from __future__ import annotations

import asyncio
import json
import random
from fractions import Fraction

import pytest

from streamer.channel import Channels
from streamer.errors import FellBehind, NoSuchChannel
from streamer.retention import Retention
from tests.backend import backend


async def _offsets(subscription, until):
    seen = []
    async for event in subscription:
        if event.offset is not None:
            seen.append(event.offset)
        if event.offset == until:
            break
    return seen


async def test_an_event_is_durable_before_it_is_seen(back, peek):
    await back.channels.publish("c", "t", 0)
    subscription = await back.channels.subscribe("c")
    publishing = asyncio.create_task(back.channels.publish("c", "t", {"a": 1}, media_time=Fraction(1, 3)))
    async for event in subscription:
        (row,) = peek("""select "offset", media_time, data from event where "offset" = 2""")
        assert row[:2] == (event.offset, "1/3")
        assert row[2] in ({"a": 1}, '{"a": 1}')  # one driver decodes, the other does not
        break
    assert await publishing == 2


async def test_resuming_gets_what_was_missed_and_nothing_else(back):
    for number in range(10):
        await back.channels.publish("c", "t", number)
    first = await back.channels.subscribe("c")
    assert (first.recovered, first.offset) == (False, 10)
    again = await back.channels.subscribe("c", epoch=first.epoch, offset=7)
    assert again.recovered
    assert [event.data for event in again.take()] == [7, 8, 9]
    assert again.take() == []


@pytest.mark.parametrize(
    ("epoch", "offset"), [("other", 3), (None, 3), ("same", None), ("same", 99), ("same", -1)]
)
async def test_a_place_that_is_not_in_the_log_is_not_resumed(back, epoch, offset):
    for number in range(5):
        await back.channels.publish("c", "t", number)
    same = (await back.channels.subscribe("c")).epoch
    subscription = await back.channels.subscribe("c", epoch=same if epoch == "same" else epoch, offset=offset)
    assert (subscription.recovered, subscription.offset) == (False, 5)


async def test_the_log_survives_a_restart_with_its_epoch(tmp_path, either_url):
    async with backend(tmp_path, url=either_url) as first:
        for number in range(3):
            await first.channels.publish("c", "t", number, media_time=Fraction(number))
        subscription = await first.channels.subscribe("c", epoch=None)
        live = await first.channels.subscribe("c", epoch=subscription.epoch, offset=0)
        before = [event.text for event in live.take()]
    async with backend(tmp_path, url=either_url) as second:
        resumed = await second.channels.subscribe("c", epoch=subscription.epoch, offset=0)
        assert [event.text for event in resumed.take()] == before
        assert await second.channels.publish("c", "t", 3) == 4
        assert [event.offset for event in resumed.take()] == [4]


async def test_the_log_is_bounded_in_memory_and_on_disk(back, peek):
    slow = None
    for start in range(0, 1200, 100):
        await back.database.write(
            lambda t, s=start: back.channels.stage_all(t, "assets", "t", list(range(s, s + 100)))
        )
        slow = slow or await back.channels.subscribe("assets", epoch=None)
    with pytest.raises(FellBehind):
        slow.take()
    fresh = await back.channels.subscribe("assets")
    assert fresh.offset == 1200
    assert (await back.channels.subscribe("assets", epoch=fresh.epoch, offset=200)).recovered
    assert not (await back.channels.subscribe("assets", epoch=fresh.epoch, offset=199)).recovered
    ((kept,),) = peek("select count(*) from event")
    assert 1000 <= kept <= 1100


async def test_an_event_is_kept_for_so_long_and_no_longer(back, peek):
    channels = Channels(back.database, retention=Retention(events=100, seconds=60), clock=back.clock)
    await channels.publish("c", "t", 1)
    back.clock.now += 30_000
    await channels.publish("c", "t", 2)
    epoch = (await channels.subscribe("c")).epoch
    back.clock.now += 30_001
    assert not (await channels.subscribe("c", epoch=epoch, offset=0)).recovered
    kept = await channels.subscribe("c", epoch=epoch, offset=1)
    assert (kept.recovered, [event.data for event in kept.take()]) == (True, [2])
    anew = Channels(back.database, retention=Retention(events=100, seconds=60), clock=back.clock)
    assert not (await anew.subscribe("c", epoch=epoch, offset=0)).recovered
    await back.database.write(lambda t: channels.stage_all(t, "c", "t", list(range(64))))
    assert peek('select min("offset") from event') == [(2,)]


class Counted:
    """A database that counts how often it is read."""

    def __init__(self, database):
        self._database = database
        self.reads = 0

    def read(self):
        self.reads += 1
        return self._database.read()


async def test_many_who_come_back_at_once_read_the_history_once(back):
    for number in range(50):
        await back.channels.publish("c", "t", number)
    epoch = (await back.channels.subscribe("c")).epoch
    counted = Counted(back.database)
    restarted = Channels(counted, clock=back.clock)
    come = await asyncio.gather(
        *(restarted.subscribe("c", epoch=epoch, offset=number % 50) for number in range(200))
    )
    assert counted.reads == 1
    for number, subscription in enumerate(come):
        assert [event.data for event in subscription.take()] == list(range(number % 50, 50))


async def test_hints_are_coalesced_neither_numbered_nor_replayed(back):
    await back.channels.publish("c", "t", 0)
    subscription = await back.channels.subscribe("c")
    for frames in range(50):
        back.channels.hint("c", "run.progress", {"frames": frames}, key="r1")
    back.channels.hint("c", "run.progress", {"frames": 1}, key="r2")
    await back.channels.publish("c", "t", 1)
    assert [(e.type, e.offset) for e in subscription.take()] == [("t", 2)]
    hints = subscription.take()
    assert [(e.offset, e.data) for e in hints] == [(None, {"frames": 49}), (None, {"frames": 1})]
    assert "offset" not in json.loads(hints[0].text)
    late = await back.channels.subscribe("c")
    assert [e.data for e in late.take()] == [{"frames": 49}, {"frames": 1}]
    back.channels.hint("c", "run.progress", None, key="r1")
    assert [hint.data for hint in back.channels.hints("c")] == [{"frames": 1}]


async def test_hints_before_anybody_listens_are_there_for_the_first(back):
    await back.channels.publish("c", "t", 0)
    back.channels.hint("c", "h", 5)
    subscription = await back.channels.subscribe("c")
    assert [event.data for event in subscription.take()] == [5]


async def test_an_unknown_channel_is_refused_and_not_made(back):
    for _ in range(2):
        with pytest.raises(NoSuchChannel):
            await back.channels.subscribe("asset:nothing")


async def test_a_slow_reader_delays_nobody(back):
    await back.channels.publish("c", "t", 0)
    idle = await back.channels.subscribe("c")
    fast = await back.channels.subscribe("c")
    reading = asyncio.create_task(_offsets(fast, 201))
    await asyncio.gather(*(back.channels.publish("c", "t", n) for n in range(200)))
    assert await reading == list(range(2, 202))
    assert await _offsets(idle, 201) == list(range(2, 202))


async def test_everybody_gets_the_same_bytes(back):
    await back.channels.publish("c", "t", 0)
    one, two = [await back.channels.subscribe("c") for _ in range(2)]
    await back.channels.publish("c", "t", {"x": 1})
    assert one.take()[0].frames is two.take()[0].frames


async def test_closing_ends_the_iterator(back):
    await back.channels.publish("c", "t", 0)
    subscription = await back.channels.subscribe("c")
    reading = asyncio.create_task(_offsets(subscription, None))
    await asyncio.sleep(0)
    subscription.close()
    assert await reading == []


@pytest.mark.parametrize("seed", range(6))
async def test_reconnecting_at_random_under_concurrent_publishing_misses_nothing(back, seed):
    rng = random.Random(seed)
    total, publishers = 240, 4
    await back.channels.publish("c", "t", "start")
    epoch = (await back.channels.subscribe("c")).epoch

    async def publish(share):
        for number in range(share):
            await back.channels.publish("c", "t", number)
            if rng.random() < 0.2:
                back.channels.hint("c", "h", number)
            await asyncio.sleep(0)

    async def follow():
        offset, seen = 0, []
        while offset < total + 1:
            subscription = await back.channels.subscribe("c", epoch=epoch, offset=offset)
            assert subscription.recovered
            left = rng.randint(0, 12)
            async for event in subscription:
                if event.offset is not None:
                    seen.append(event.offset)
                    offset = event.offset
                left -= 1
                if left <= 0 or offset >= total + 1:
                    break
            subscription.close()
            await asyncio.sleep(0)
        return seen

    followers = [asyncio.create_task(follow()) for _ in range(5)]
    await asyncio.gather(*(publish(total // publishers) for _ in range(publishers)))
    for follower in followers:
        assert await follower == list(range(1, total + 2))


async def test_many_idle_channels_do_not_stay_in_memory(back):
    names = [f"c{n}" for n in range(400)]
    for name in names:
        await back.channels.publish(name, "t", 0)
    held = await back.channels.subscribe(names[0])
    for name in names[1:]:
        (await back.channels.subscribe(name)).close()
    await back.channels.publish(names[0], "t", 1)
    assert [event.data for event in held.take()] == [1]
    again = await back.channels.subscribe(names[1])
    await back.channels.publish(names[1], "t", 1)
    assert [event.offset for event in again.take()] == [2]
