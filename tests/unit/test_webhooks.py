"""Deliveries to receivers that answer, fail, hang and come back, on either database."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from streamer.channel import ASSETS
from streamer.errors import InvalidRequest, TooManyWebhooks
from streamer.metrics import Metrics
from streamer.outbound import Outbound, allowance
from streamer.signing import SIGNATURE, signature
from streamer.webhooks.courier import DELIVERY, Courier
from streamer.webhooks.deliveries import Deliveries
from streamer.webhooks.dispatch import EACH, Dispatch
from streamer.webhooks.endpoints import MOST, Endpoints
from streamer.webhooks.schedule import DAY, HOLD
from tests.receiver import Receiver, receiving

COUNT = "custom.count"


class Office:
    """Webhooks of one server on the test's database."""

    def __init__(self, back, *, node: str = "a", allowed: str = "127.0.0.1") -> None:
        self.back = back
        outbox, clock, outbound = back.channels.outbox, back.clock, Outbound(allowance([allowed]))
        self.endpoints = Endpoints(back.database, outbox, outbound, node=node, clock=clock)
        self.deliveries = Deliveries(back.database, outbox, clock=clock)
        courier = Courier(outbound, Metrics(), clock=clock, seconds=5)
        chance = random.Random(7).random
        self.dispatch = Dispatch(
            self.endpoints, self.deliveries, courier, outbox=outbox, chance=chance, look_seconds=0.02
        )

    async def hook(self, receiver: Receiver, *events: str, **more):
        values = {"url": receiver.url, "events": list(events or ("*",)), **more}
        return await self.endpoints.create(values)

    async def publish(self, *numbers: int, channel: str = ASSETS) -> None:
        for number in numbers:
            await self.back.channels.publish(channel, COUNT, number)

    async def waiting(self, hook, state: str = "pending"):
        return (await self.deliveries.page(hook.id, state=state, cursor=None, limit=500)).items

    async def until(self, hook, condition, state: str = "pending"):
        """Wait until what waits fulfils a condition; return it."""
        async with asyncio.timeout(20):
            while not condition(found := await self.waiting(hook, state)):
                await asyncio.sleep(0.01)
        return found

    async def give_up(self, hook) -> None:
        """Let time pass until everything is parked."""
        async with asyncio.timeout(20):
            while found := await self.waiting(hook):
                self.back.clock.now = max(self.back.clock.now, found[0].due)
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def open_office(back, **more):
    """Run an office of a server."""
    office = Office(back, **more)
    office.dispatch.start()
    try:
        yield office
    finally:
        await office.dispatch.stop()


@pytest.fixture
async def office(back):
    async with open_office(back) as opened:
        yield opened


@pytest.fixture
async def receiver():
    async with receiving() as opened:
        yield opened


async def test_events_come_in_order_signed_and_once(office, receiver):
    hook = await office.hook(receiver)
    await office.publish(*range(10))
    await office.publish(*range(10), channel="asset:other")
    await receiver.has(20)
    await office.until(hook, lambda found: not found)
    for channel in (ASSETS, "asset:other"):
        events = [one.event for one in receiver.requests if one.event["channel"] == channel]
        assert [event["data"] for event in events] == list(range(10))
        assert [event["offset"] for event in events] == list(range(1, 11))
        assert {event["type"] for event in events} == {COUNT}
    names = {request.headers[DELIVERY] for request in receiver.requests}
    assert names == {f"{one.event['epoch']}-{one.event['offset']}" for one in receiver.requests}
    for request in receiver.requests:
        expected = signature(hook.secret, request.body, seconds=office.back.clock.now // 1000)
        assert request.headers[SIGNATURE] == expected
    assert hook.secret not in repr(hook)


async def test_the_secret_of_before_signs_too_until_its_time_is_over(office, receiver):
    old = await office.hook(receiver)
    new = await office.endpoints.renew(old.id, overlap=60_000)
    newest = await office.endpoints.renew(old.id, overlap=60_000)
    assert len({old.secret, new.secret, newest.secret}) == 3
    await office.publish(1)
    await receiver.has(1)
    office.back.clock.now = newest.former_until
    await office.publish(2)
    await receiver.has(2)
    both, alone = (
        signature(newest.secret, one.body, seconds=int(one.headers[SIGNATURE][2:12]), former=former)
        for one, former in zip(receiver.requests, (new.secret, None), strict=True)
    )
    assert [one.headers[SIGNATURE] for one in receiver.requests] == [both, alone]
    assert (await office.endpoints.renew(old.id, overlap=0)).former is None
    assert not any(one.secret in repr(newest) for one in (new, newest))


async def test_only_what_is_wanted_comes_and_of_an_asset_once(office, receiver):
    await office.hook(receiver, "asset.created", "custom.x*")
    asset = await office.back.catalog.create_asset(title="a")
    await office.publish(1)
    await office.back.channels.publish(ASSETS, "custom.xyz", 2)
    await receiver.has(2)
    assert sorted((one.event["channel"], one.event["type"]) for one in receiver.requests) == [
        (f"asset:{asset.id}", "asset.created"),
        (ASSETS, "custom.xyz"),
    ]


async def test_the_deletion_of_an_asset_is_told_though_its_channel_is_gone(office, receiver):
    asset = await office.back.catalog.create_asset(title="a")
    await office.hook(receiver, "asset.deleted")
    await office.back.catalog.delete(asset.id)
    await receiver.has(1)
    assert receiver.requests[0].event["channel"] == f"asset:{asset.id}"


async def test_a_failure_holds_its_channel_and_no_other(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda said: 500 if said.event["data"] == 1 else 204
    await office.publish(1, 2)
    await office.publish(3, 4, channel="asset:other")
    held = await office.until(hook, lambda found: len(found) == 2 and found[0].attempts == 1)
    assert held[0].failure == "It answered 500."
    assert [one.attempts for one in held] == [1, 0]
    assert receiver.told.count(2) == 0
    receiver.answer = lambda _: 204
    office.back.clock.now = held[0].due
    await receiver.has(5)
    assert [number for number in receiver.told if number < 3] == [1, 1, 2]
    assert receiver.requests[-1].headers[DELIVERY] != receiver.requests[-2].headers[DELIVERY]


async def test_after_ten_minutes_they_are_parked_and_later_ones_come(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 503
    began = office.back.clock.now
    await office.publish(1, 2)
    await office.give_up(hook)
    assert office.back.clock.now == began + HOLD
    parked = await office.waiting(hook, "parked")
    assert [one.offset for one in parked] == [1, 2]
    assert parked[0].attempts > 10
    receiver.answer = lambda _: 204
    receiver.requests.clear()
    await office.publish(3)
    await receiver.has(1)
    assert receiver.told == [3]
    assert await office.deliveries.replay(hook.id) == 2
    await receiver.has(3)
    assert receiver.told == [3, 1, 2]
    await office.until(hook, lambda found: not found)
    assert await office.waiting(hook, "parked") == ()


async def test_what_is_parked_is_tried_again_by_itself_for_a_day(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 503
    await office.publish(1)
    await office.give_up(hook)
    await office.publish(2)
    receiver.answer = lambda said: 204 if said.event["data"] == 2 else 503
    await office.until(hook, lambda found: not found)
    (before,) = await office.waiting(hook, "parked")
    office.back.clock.now = before.due
    (after,) = await office.until(hook, lambda found: found[0].attempts > before.attempts, "parked")
    assert after.due <= office.back.clock.now + 3600_000
    receiver.answer = lambda _: 204
    office.back.clock.now = after.due
    await office.until(hook, lambda found: not found, "parked")


async def test_after_a_day_only_a_replay_brings_it(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 503
    await office.publish(1)
    await office.give_up(hook)
    receiver.answer = lambda _: 204
    receiver.requests.clear()
    office.back.clock.now += DAY
    assert await office.deliveries.due([hook.id], "parked", each=1) == []
    (parked,) = await office.waiting(hook, "parked")
    assert await office.deliveries.replay(hook.id, [(parked.epoch, parked.offset), ("nobody", 1)]) == 1
    await receiver.has(1)


async def test_what_was_parked_for_a_week_is_deleted(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 503
    await office.publish(1)
    await office.give_up(hook)
    office.back.clock.now += 7 * DAY
    await office.deliveries.sweep([hook.id])
    assert await office.waiting(hook, "parked") == ()


async def test_a_receiver_that_is_gone_is_asked_no_more(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 410
    await office.publish(1, 2)
    await office.until(hook, lambda found: len(found) == 2, "parked")
    shown = await office.endpoints.get(hook.id)
    assert (shown.enabled, shown.gone) == (False, True)
    await office.publish(3)
    assert await office.waiting(hook) == ()
    assert receiver.told == [1]
    with pytest.raises(InvalidRequest):
        await office.deliveries.replay(hook.id)


async def test_a_receiver_is_left_alone_for_as_long_as_it_says(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer, receiver.headers = lambda _: 429, {"Retry-After": "90"}
    began = office.back.clock.now
    await office.publish(1)
    (held,) = await office.until(hook, lambda found: found and found[0].attempts)
    assert held.due == began + 90_000
    receiver.headers = {"Retry-After": "3000"}  # longer than its channel is held back
    office.back.clock.now = held.due
    (held,) = await office.until(hook, lambda found: found[0].attempts == 2)
    assert held.due == began + HOLD
    office.back.clock.now = held.due
    (parked,) = await office.until(hook, lambda found: found, "parked")
    assert parked.due == began + HOLD + 3_000_000


async def test_redirects_are_failures(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 307
    await office.publish(1)
    (held,) = await office.until(hook, lambda found: found and found[0].attempts)
    assert held.failure == "It answered 307."
    assert {request.path for request in receiver.requests} == {"/"}


async def test_a_receiver_that_hangs_delays_nobody_else(office, receiver):
    async with receiving() as stuck:
        stuck.answer = lambda _: None
        await office.hook(stuck)
        await office.hook(receiver)
        for number in range(2 * EACH):
            await office.publish(number, channel=f"asset:{number}")
        await stuck.has(EACH)
        await receiver.has(2 * EACH)
        assert len(stuck.requests) == EACH


async def test_addresses_within_the_network_are_refused(back, receiver):
    async with open_office(back, allowed="10.99.0.0/16") as office:
        with pytest.raises(InvalidRequest, match="public internet"):
            await office.hook(receiver)
        for url in ("ftp://a.example/", "http://u:p@a.example/", "http://2130706433/", "nothing"):
            with pytest.raises(InvalidRequest):
                await office.endpoints.create({"url": url, "events": ["*"]})
        named = receiver.url.replace("127.0.0.1", "localhost")
        hook = await office.endpoints.create({"url": named, "events": ["*"]})
        await office.publish(1)
        (held,) = await office.until(hook, lambda found: found and found[0].attempts)
        assert "public internet" in held.failure
        assert receiver.requests == []


async def test_what_a_server_has_left_is_delivered_by_the_next(back, receiver):
    async with open_office(back) as office:
        hook = await office.hook(receiver)
        receiver.answer = lambda _: 500
        await office.publish(1)
        (held,) = await office.until(hook, lambda found: found and found[0].attempts)
    await office.publish(2)
    receiver.answer = lambda _: 204
    receiver.requests.clear()
    back.clock.now = held.due
    async with open_office(back) as office:
        await receiver.has(2)
        await office.until(hook, lambda found: not found)
    assert receiver.told == [1, 2]


async def test_there_are_so_many_webhooks_and_no_more(back):
    office = Office(back)
    wish = {"url": "http://127.0.0.1:1/", "events": ["*"]}
    made = await asyncio.gather(*[office.endpoints.create(wish) for _ in range(MOST)])
    with pytest.raises(TooManyWebhooks):
        await office.endpoints.create(wish)
    await office.endpoints.delete(made[0].id)
    await office.endpoints.create(wish)


async def test_deliveries_are_listed_page_by_page(back):
    office = Office(back)
    hook = await office.endpoints.create({"url": "http://127.0.0.1:1/", "events": ["*"]})
    await office.publish(*range(5))
    offsets, cursor = [], None
    for _ in range(3):
        page = await office.deliveries.page(hook.id, state="pending", cursor=cursor, limit=2)
        offsets.append([one.offset for one in page.items])
        cursor = page.next
    assert offsets == [[1, 2], [3, 4], [5]]
    assert cursor is None
    with pytest.raises(InvalidRequest):
        await office.deliveries.page(hook.id, state="pending", cursor="x", limit=2)


async def test_what_waits_for_a_disabled_webhook_is_parked_and_tried_when_it_is_enabled(office, receiver):
    hook = await office.hook(receiver)
    receiver.answer = lambda _: 500
    await office.publish(1)
    await office.until(hook, lambda found: found and found[0].attempts)
    await office.endpoints.change(hook.id, {"enabled": False})
    (parked,) = await office.until(hook, lambda found: found, "parked")
    receiver.answer = lambda _: 204
    await office.endpoints.change(hook.id, {"enabled": True})
    office.back.clock.now = max(office.back.clock.now, parked.due)
    await office.until(hook, lambda found: not found, "parked")
