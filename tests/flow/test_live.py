"""Live through the whole server: a publisher's frames on air, what viewers see of a drop, the recording."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from fractions import Fraction

import m3u8
import pytest

from tests.flow.on_air import FILM, LIVE, listed, playlist, publishing, stream, until, whole
from tests.flow.whole_site import Site, orphans, running, settle
from tests.media import reader

RATE = Fraction(25)


@pytest.fixture
async def site(data_dir) -> AsyncIterator[Site]:
    async with running(data_dir, live_rtmp_port=0) as opened:
        yield opened


@pytest.fixture
def film(clips):
    return clips.make(FILM)


async def pictures(site: Site, root: str, found: m3u8.M3U8) -> list[tuple[Fraction, int | None]]:
    """Return times and numbers of the pictures of a playlist of one generation."""
    init = await site.get(root + found.segments[0].init_section.uri)
    return reader.read_numbers(init, [await site.get(root + one.uri) for one in whole(found)])


async def signal(site: Site, stream: str) -> list[dict]:
    """Return what a channel tells of the publisher's signal to whoever comes now."""
    told = await site.json("GET", f"/control/poll?channel=stream:{stream}")
    return [message["data"] for message in told["messages"] if message["type"] == "stream.health"]


def in_order(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_what_is_published_can_be_watched_at_once_and_is_a_recording_afterwards(site, film):
    made = await stream(site, reconnect_seconds=1)
    identity = made["id"]
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        shown = await until(site, identity, "live")
        root = f"/v/{identity}/"
        main = m3u8.loads((await site.get(root + "main.m3u8")).decode())
        assert len(main.playlists) >= 2
        name = main.playlists[0].uri
        found = await listed(site, root + name, lambda one: len(whole(one)) >= 3)
        assert found.server_control.can_block_reload
        seen = await pictures(site, root, found)
        assert in_order([number for _, number in seen if number is not None])
        asset = shown["asset"]
        assert (await site.asset(asset))["live"] == {"stream": identity, "state": "live"}
        on_air = {one.uri: await site.get(root + one.uri) for one in whole(found)}
        (health,) = await signal(site, identity)
        assert health["asset"] == asset
        assert (health["keyframe_seconds"], 15 < health["frame_rate"] < 35) == (1, True)
        assert 50_000 < health["bitrate"] < 20_000_000
    ended = await until(site, identity, "ended", seconds=20)
    assert ended["asset"] == asset
    assert await signal(site, identity) == []
    recording = await site.until(asset, "complete")
    final = await playlist(site, f"/v/{asset}/{name}")
    assert final.is_endlist
    assert final.playlist_type == "vod"
    for uri, body in on_air.items():
        assert await site.get(f"/v/{asset}/{uri}") == body
    kept = await pictures(site, f"/v/{asset}/", final)
    assert [round(at * RATE) for at, _ in kept] == list(range(len(kept)))
    assert abs(recording["duration"] - len(kept) / 25) < 0.001
    _, lasting, body = await site.ask("GET", f"/v/{asset}/{name}")
    _, passing, same = await site.ask("GET", f"/v/{identity}/{name}")
    assert same == body
    # What a stream shows may be another broadcast in a moment: no cache may keep it for long.
    assert "max-age=10" in lasting["Cache-Control"]
    assert "max-age=2" in passing["Cache-Control"]


async def test_a_wrong_key_is_told_so_and_nothing_begins(site, film):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"] + "x", film) as process:
        async with asyncio.timeout(20):
            _, said = await process.communicate()
    assert process.returncode != 0
    assert b"key" in said
    assert made["key"].encode() not in said.replace(made["key"].encode() + b"x", b"")
    assert (await site.json("GET", f"{LIVE}/{made['id']}"))["state"] == "idle"


async def test_an_old_key_opens_nothing_and_the_new_one_does(site, film):
    made = await stream(site)
    fresh = await site.json("POST", f"{LIVE}/{made['id']}/key")
    async with publishing(made["ingest"]["rtmp"], made["key"], film) as process:
        async with asyncio.timeout(20):
            await process.wait()
    async with publishing(made["ingest"]["rtmp"], fresh["key"], film):
        await until(site, made["id"], "live")


@pytest.mark.parametrize("away", [0.5, 5, pytest.param(50, marks=pytest.mark.soak)])
async def test_rule_a_publisher_that_drops_and_comes_back_breaks_nothing(site, film, away):
    made = await stream(site)
    root = f"/v/{made['id']}/"
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset = (await until(site, made["id"], "live"))["asset"]
        name = m3u8.loads((await site.get(root + "main.m3u8")).decode()).playlists[0].uri
        watching = asyncio.create_task(followed(site, root + name))
        await listed(site, root + name, lambda one: len(whole(one)) >= 1)
    await until(site, made["id"], "reconnecting")
    await asyncio.sleep(away)
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        await until(site, made["id"], "live")
        back = len(whole(await playlist(site, root + name)))
        await listed(site, root + name, lambda one: len(whole(one)) >= back + 2)
        await site.json("POST", f"{LIVE}/{made['id']}/end")
    assert await watching > away / 0.32
    await site.until(asset, "complete")
    final = await playlist(site, f"/v/{asset}/{name}")
    seen = await pictures(site, f"/v/{asset}/", final)
    assert [round(at * RATE) for at, _ in seen] == list(range(len(seen)))
    assert sum(Fraction(str(one.duration)) for one in final.segments) == len(seen) / RATE
    numbers = [number for _, number in seen]
    gone = numbers.index(None)
    after = numbers[len(numbers) - numbers[::-1].index(None) :]
    assert in_order(numbers[3:gone])
    assert in_order(after[3:])
    assert away <= numbers.count(None) / RATE < away + 5


async def followed(site: Site, path: str) -> int:
    """Ask for every part as it comes until the broadcast is over; return how many there were."""
    found, parts, lengths = await playlist(site, path), 0, set()
    while not found.is_endlist:
        grown = [one for one in found.segments if one.parts][-1]
        sequence = (found.media_sequence or 0) + len(found.segments) - (not grown.duration)
        following = 0 if grown.duration else len(grown.parts)
        status, _, body = await site.ask("GET", f"{path}?_HLS_msn={sequence}&_HLS_part={following}")
        assert status == 200  # no part is so late that the request is given up
        text = body.decode()
        assert "EXT-X-DISCONTINUITY\n" not in text
        assert text.count("EXT-X-MAP") == 1
        found, parts = m3u8.loads(text), parts + 1
        lengths |= {one.duration for segment in found.segments[:-1] for one in segment.parts}
        assert edge(found) - time.time() < 0.3  # a publisher begins with a burst each time
    assert lengths == {0.32}
    return parts


def edge(found: m3u8.M3U8) -> float:
    """Return the date at which the last part ends, by what the playlist says."""
    last = whole(found)[-1]
    grown = sum(part.duration for segment in found.segments if not segment.duration for part in segment.parts)
    return last.program_date_time.timestamp() + last.duration + grown


async def test_ending_it_over_the_api_answers_with_the_recording(site, film):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"], film) as process:
        await until(site, made["id"], "live")
        root = f"/v/{made['id']}/"
        name = m3u8.loads((await site.get(root + "main.m3u8")).decode()).playlists[0].uri
        await listed(site, root + name, lambda one: len(whole(one)) >= 1)
        waiting = asyncio.create_task(_to_the_end(site, root + name))
        ended = await site.json("POST", f"{LIVE}/{made['id']}/end")
        assert ended["state"] == "ended"
        assert (await waiting).is_endlist
        async with asyncio.timeout(20):
            await process.wait()
    assert (await site.asset(ended["asset"]))["state"] == "complete"


async def _to_the_end(site: Site, path: str) -> m3u8.M3U8:
    """Follow a playlist as a viewer does until it has ended."""
    found = await playlist(site, path)
    while not found.is_endlist:
        following = (found.media_sequence or 0) + len(found.segments)
        with contextlib.suppress(ValueError):
            _, _, body = await site.ask("GET", f"{path}?_HLS_msn={following}")
            found = m3u8.loads(body.decode())
    return found


async def test_deleted_on_air_nothing_is_left_of_it(site, film):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset = (await until(site, made["id"], "live"))["asset"]
        assert (await site.ask("DELETE", f"/api/v1/assets/{asset}"))[0] in {204, 409}
        await site.json("DELETE", f"{LIVE}/{made['id']}?force=true", status=204)
    assert (await site.ask("GET", f"{LIVE}/{made['id']}"))[0] == 404
    if (await site.ask("GET", f"/api/v1/assets/{asset}"))[0] == 200:
        await site.json("DELETE", f"/api/v1/assets/{asset}", status=204)
    await settle(lambda: not orphans(site.data, asset))


async def test_frames_are_pushed_as_they_are_encoded(site, film):
    made = await stream(site)
    async with publishing(made["ingest"]["rtmp"], made["key"], film):
        asset = (await until(site, made["id"], "live"))["asset"]
        rung = (await site.asset(asset))["rungs"][0]["name"]
        async with site.session.get(f"{site.base}/v/{asset}/{rung}.push.mp4") as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "no-store"
            body = b""
            async with asyncio.timeout(20):
                while body.count(b"moof") < 40:
                    body += await response.content.readany()
        assert body[4:8] == b"ftyp"
        async with site.session.ws_connect(f"{site.base}/v/{asset}/{rung}.push") as socket:
            messages = [(await socket.receive_bytes(timeout=20)) for _ in range(40)]
        assert [body[4:8] for body in messages] == [b"ftyp", *[messages[1][4:8]] * 39]
        assert all(message.count(b"moof") == 1 for message in messages[1:])
        for key, status in ((f"{rung}.push", 426), ("nothing.push", 404), ("nothing.push.mp4", 404)):
            assert (await site.ask("GET", f"/v/{asset}/{key}"))[0] == status


async def test_by_priority_a_backup_waits_until_the_main_encoder_is_gone(site, film):
    made = await stream(site, takeover="priority")
    address, key = made["ingest"]["rtmp"], made["key"]
    async with publishing(address, f"{key}?priority=5", film) as main:
        await until(site, made["id"], "live")
        async with publishing(address, f"{key}?priority=4", film) as backup:
            async with asyncio.timeout(20):
                _, said = await backup.communicate()
            assert b"higher priority is on air" in said
            assert main.returncode is None
        assert (await site.json("GET", f"{LIVE}/{made['id']}"))["state"] == "live"
        async with publishing(address, f"{key}?priority=5", film) as equal:
            async with asyncio.timeout(20):
                _, said = await main.communicate()
            assert b"has taken over" in said
            assert equal.returncode is None
    await until(site, made["id"], "reconnecting")
    async with publishing(address, key, film):
        await until(site, made["id"], "live")
