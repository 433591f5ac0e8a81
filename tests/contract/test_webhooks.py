"""Webhooks of several servers on one database: one of them delivers."""

from __future__ import annotations

from pathlib import Path

import psycopg
from sqlalchemy import update
from yarl import URL

from streamer import schema
from streamer.channel import ASSETS, Channels
from streamer.database import Database
from streamer.outbound import Outbound, allowance
from streamer.webhooks.deliveries import Deliveries
from streamer.webhooks.endpoints import Endpoints
from tests.backend import backend

WISH = {"url": "http://127.0.0.1:1/", "events": ["*"]}


def endpoints(back, node: str) -> Endpoints:
    outbound = Outbound(allowance(["127.0.0.1"]))
    return Endpoints(back.database, back.channels.outbox, outbound, node=node, clock=back.clock)


async def test_one_server_delivers_until_it_lets_go(tmp_path, catalog_url):
    async with backend(tmp_path, url=catalog_url) as one, backend(tmp_path, url=catalog_url) as other:
        first, second = endpoints(one, "a"), endpoints(other, "b")
        hook = await first.create(WISH)
        assert set(await first.held()) == {hook.id}
        assert await second.held() == {}
        assert set(await first.held()) == {hook.id}
        await first.release()
        assert set(await second.held()) == {hook.id}
        assert await first.held() == {}


async def test_what_a_killed_server_held_is_anothers_once_its_lease_has_lapsed(tmp_path, catalog_url):
    async with backend(tmp_path, url=catalog_url) as one, backend(tmp_path, url=catalog_url) as other:
        first, second = endpoints(one, "a"), endpoints(other, "b")
        hook = await first.create(WISH)
        assert set(await first.held()) == {hook.id}
        lapsed = update(schema.webhook).values(until=0)
        await one.database.write(lambda transaction: transaction.execute(lapsed))
        assert set(await second.held()) == {hook.id}
        assert await first.held() == {}


async def test_what_another_server_publishes_is_queued(tmp_path, catalog_url):
    async with backend(tmp_path, url=catalog_url) as one, backend(tmp_path, url=catalog_url) as other:
        hook = await endpoints(one, "a").create(WISH)
        await other.channels.publish(ASSETS, "custom.count", 1)
        async with one.database.read() as connection:
            found = await connection.exec_driver_sql("SELECT webhook, body FROM delivery")
            assert [row.webhook for row in found] == [hook.id]


async def test_the_rights_that_are_documented_for_workers_do_for_queueing(tmp_path, catalog_url):
    page = Path(__file__).parents[2] / "docs" / "operations.md"
    lines = [line.strip().partition(";")[0] for line in page.read_text().splitlines()]
    grants = [line for line in lines if line.startswith("GRANT") and " streamer." in line]
    assert len(grants) > 5
    async with backend(tmp_path, url=catalog_url) as back:
        hook = await endpoints(back, "a").create(WISH)
        with psycopg.connect(catalog_url, autocommit=True) as raw:
            raw.execute("CREATE ROLE worker LOGIN")
            raw.execute("GRANT USAGE ON SCHEMA streamer TO worker")
            try:
                for grant in grants:
                    raw.execute(grant.encode())
                worker = await Database.open(URL(catalog_url).with_user("worker").human_repr())
                await worker.write(
                    lambda transaction: Channels(worker).stage(transaction, ASSETS, "custom.a", 1)
                )
                await worker.close()
            finally:
                raw.execute("DROP OWNED BY worker")
                raw.execute("DROP ROLE worker")
        deliveries = Deliveries(back.database, back.channels.outbox, clock=back.clock)
        page_of = await deliveries.page(hook.id, state="pending", cursor=None, limit=2)
        assert [one.type for one in page_of.items] == ["custom.a"]
