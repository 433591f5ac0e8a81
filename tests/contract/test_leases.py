"""What servers of one database take up that others have left."""

from __future__ import annotations

from streamer.leases import SharedLeases
from streamer.live.streams import Settings
from streamer.rows import State
from tests import lives
from tests.backend import backend


async def test_a_broadcast_is_nobodys_to_take_up_until_it_is_deleted(tmp_path, catalog_url):
    async with backend(tmp_path, url=catalog_url) as back:
        stream, _ = await back.register.create(title="a", settings=Settings())
        asset = await back.broadcasts.begin(stream.id)
        await back.broadcasts.begin_life(asset.id, lives.life())
        leases = SharedLeases(back.database, back.ledger, node="b")
        film = await back.planned()
        assert film.state is State.PLAYABLE
        assert set(await leases.idle()) == {film.id}
        await back.broadcasts.end(asset.id, [lives.over(lives.life(), 1)])
        await back.catalog.delete(asset.id)
        assert set(await leases.idle()) == {film.id, asset.id}
