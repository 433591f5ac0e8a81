"""What an asset lives through: uploaded, watched while it is made, failed, made anew, deleted, restarted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from pathlib import Path

import aiohttp
import imageio_ffmpeg
import pytest

from streamer.errors import ConfigError
from streamer.works import RETIRED_SECONDS
from tests.backend import Ticking
from tests.flow.whole_site import (
    API,
    FILM,
    TUS,
    Disk,
    faults,
    noted,
    orphans,
    processes,
    rows,
    running,
    runs_of,
    settle,
    stored,
)
from tests.media import fragments
from tests.media.sources import KINDS

STATES = ["uploading", "probing", "playable", "complete"]
RENDITIONS = ["180p", "144p", "intra", "audio-0"]
SRT = "1\n00:00:01,000 --> 00:00:03,000\nGuten Tag\n"


@pytest.fixture(scope="session")
def film(clips) -> Path:
    return clips.make(FILM)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an FFmpeg under a name of its own, so that its processes can be told from others."""
    return Path(shutil.copy2(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path_factory.mktemp("program") / "ffmpeg"))


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def site(data_dir, disk, program):
    async with running(data_dir, disk=disk, ffmpeg=program) as opened:
        yield opened
    assert not processes(program)


async def heard(socket, seen: list[dict]) -> None:
    async for message in socket:
        seen.append(json.loads(message.data))


def state_of(told: dict) -> str | None:
    return told.get("data", {}).get("state")


def offsets(told: list[dict]) -> list[int]:
    return [one["offset"] for one in told]


def following(place: dict, told: list[dict]) -> list[int]:
    first = place["offset"] + 1
    return list(range(first, first + len(told)))


async def tus(site, path: Path) -> str:
    body = path.read_bytes()
    upload, asset = await site.create(len(body))
    half = len(body) // 2
    assert await site.patch(upload, 0, body[:half]) == 204
    assert (await site.asset(asset))["state"] == "uploading"
    assert await site.patch(upload, half, body[half:]) == 204
    return asset


async def multipart(site, path: Path) -> str:
    return (await site.post(path))["id"]


@pytest.mark.parametrize("way", [multipart, tus])
async def test_an_upload_becomes_complete_and_tells_so_without_a_gap(site, film, way):
    async with site.session.ws_connect(f"{site.base}/control") as socket:
        await socket.send_json({"type": "subscribe", "channel": "assets"})
        place = await socket.receive_json()
        told: list[dict] = []
        listening = asyncio.create_task(heard(socket, told))
        asset = await way(site, film)
        await socket.send_json({"type": "subscribe", "channel": f"asset:{asset}"})
        shown = await site.until(asset, "complete")
        await settle(lambda: any(state_of(one) == "complete" for one in told if one["channel"] == "assets"))
        await socket.close()
        await listening
    library = [one for one in told if one["channel"] == "assets" and "offset" in one]
    assert offsets(library) == following(place, library)
    states = [state_of(one) for one in library]
    assert [state for n, state in enumerate(states) if state not in states[:n]] == STATES
    own = [one for one in told if one["channel"] == f"asset:{asset}" and "offset" in one]
    begun = next(one for one in own if one["type"] == "subscribed")
    numbered = [one for one in own if one["type"] != "subscribed"]
    assert offsets(numbered) == following(begun, numbered)
    segments = [one["data"] for one in numbered if one["type"] == "segment.stored"]
    before = begun.get("snapshot", {}).get("coverage") or {}
    covered = sum(last - first + 1 for spans in before.values() for first, last in spans)
    assert covered + len(segments) >= sum(rung["segments"] for rung in shown["rungs"])
    assert all(rung["done"] == rung["segments"] for rung in shown["rungs"])
    assert stored(site.data, asset) == noted(site.data, asset)
    assert await faults(site, site.data, asset) == []


async def test_manifests_are_whole_at_once_and_missing_segments_are_waited_for(site, film, disk):
    disk.allow(0)
    asset = await multipart(site, film)
    await site.until(asset, "playable")
    manifests = await site.manifests(asset)
    urls = await site.urls(asset)
    assert {name: len(paths) for name, paths in urls.items()} == dict.fromkeys(RENDITIONS, 6)
    for name, body in manifests.items():
        if name.endswith(".m3u8") and name != "main.m3u8":
            assert b"#EXT-X-ENDLIST" in body, name
            assert b"#EXT-X-PLAYLIST-TYPE:VOD" in body or name == "intra.m3u8"
    assert b'type="static"' in manifests["main.mpd"]
    await settle(lambda: disk.waiting)
    wanted = urls["180p"][3]
    assert runs_of(site.data, "180p", 3) == 0  # one slot, and sound goes first
    assert (await site.ask("HEAD", wanted))[0] == 404
    assert (await site.ask("GET", wanted.replace("/3.m4s", "/99.m4s")))[0] == 404
    assert (await site.ask("GET", wanted.replace("/180p/", "/181p/")))[0] == 404
    assert runs_of(site.data, "180p", 3) == 0
    held = [asyncio.create_task(site.ask("GET", wanted)) for _ in range(6)]
    await settle(lambda: runs_of(site.data, "180p", 3))
    await settle(lambda: disk.waiting > 1)
    assert not any(task.done() for task in held)
    disk.allow()
    answers = await asyncio.gather(*held)
    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    init = fragments.read_init(await site.get(wanted.rpartition("/")[0] + "/init.mp4"))
    (fragment,) = fragments.read_segment(answers[0][2], init)
    assert fragment.sequence == 4
    await site.until(asset, "complete")
    assert runs_of(site.data, "180p", 3) == 1
    assert await site.get(wanted) == answers[0][2]
    assert await faults(site, site.data, asset) == []
    metrics = (await site.get("/metrics")).decode()
    assert 'streamer_segment_wait_seconds_count{urgency="now"} 6' in metrics
    assert 'streamer_runs{state="running"} 0' in metrics
    assert 'streamer_requests_total{route="media",method="GET",status="200"}' in metrics


async def test_metrics_move_while_an_asset_is_made(site, film, disk):
    def value(text: bytes, name: str) -> int:
        return next(int(line.split()[1]) for line in text.decode().splitlines() if line.startswith(name))

    before = await site.get("/metrics")
    assert value(before, "streamer_segments_left") == 0
    disk.allow(7)  # the beginning of pictures, and sound: the rest follows it
    asset = await multipart(site, film)
    await site.until(asset, "playable")
    await settle(lambda: len(stored(site.data, asset)) == 7 and disk.waiting)
    await settle(lambda: rows(site.data, "SELECT 1 FROM run WHERE state = 'running'"))
    during = await site.get("/metrics")
    assert value(during, "streamer_segments_left") > 6
    assert value(during, 'streamer_queue_depth{urgency="fill"}') == 1
    assert value(during, 'streamer_runs{state="running"}') >= 1
    disk.allow()
    await site.until(asset, "complete")
    after = await site.get("/metrics")
    assert value(after, 'streamer_runs{state="running"}') == 0
    assert value(after, "streamer_segments_left") == 0
    assert value(after, 'streamer_runs{state="done"}') >= 2


async def test_deleted_during_the_upload_nothing_is_left(site, film):
    body = film.read_bytes()
    upload, asset = await site.create(len(body))
    going = asyncio.Event()

    async def slowly():
        yield body[: len(body) // 2]
        await going.wait()
        yield body[len(body) // 2 :]

    sending = asyncio.create_task(site.patch(upload, 0, slowly()))
    await settle(lambda: (site.data / "uploads" / upload.rpartition("/")[2]).stat().st_size)
    assert (await site.ask("DELETE", f"{API}/{asset}"))[0] == 204
    going.set()
    with contextlib.suppress(aiohttp.ClientError):  # told with a status, or cut off
        assert await sending >= 400
    assert (await site.ask("GET", f"{API}/{asset}"))[0] == 404
    assert (await site.ask("HEAD", upload, headers={"Tus-Resumable": "1.0.0"}))[0] == 404
    assert orphans(site.data, asset) == []


async def test_deleted_during_playback_of_what_is_still_made_nothing_is_left(site, film, disk, program):
    disk.allow(2)
    asset = await multipart(site, film)
    await site.until(asset, "playable")
    urls = await site.urls(asset)
    await settle(lambda: len(stored(site.data, asset)) == 2 and disk.waiting)
    ready = f"/v/{asset}/{next(iter(stored(site.data, asset)))}"
    await site.get(ready)
    held = [asyncio.create_task(site.ask("GET", urls["180p"][n])) for n in (1, 4)]
    await settle(lambda: disk.waiting > 1)
    deleting = asyncio.create_task(site.ask("DELETE", f"{API}/{asset}"))
    await settle(lambda: rows(site.data, "SELECT 1 FROM asset WHERE id = ? AND deleted_at > 0", asset))
    disk.allow()  # the threads that write come to their end only now
    assert (await deleting)[0] == 204
    assert orphans(site.data, asset) == []
    # What came to its end in that moment may still be sent.
    assert {status for status, _, _ in await asyncio.gather(*held)} <= {200, 404}
    for path in (ready, urls["180p"][0], f"/v/{asset}/main.m3u8", f"/v/{asset}/main.mpd", f"{API}/{asset}"):
        assert (await site.ask("GET", path))[0] == 404
    assert not processes(program)
    assert orphans(site.data, asset) == []


async def test_deleted_when_complete_nothing_is_left_and_the_rest_stays(site, film, clips):
    first, second = await multipart(site, film), await multipart(site, clips.path("audio_m4a"))
    for asset in (first, second):
        await site.until(asset, "complete")
    kept = await site.bodies(second)
    assert (await site.ask("DELETE", f"{API}/{first}"))[0] == 204
    assert (await site.ask("DELETE", f"{API}/{first}"))[0] == 404
    assert await site.bodies(second) == kept
    assert (await site.ask("DELETE", f"{API}/{second}"))[0] == 204
    assert orphans(site.data, first) == orphans(site.data, second) == []


async def test_renamed(site, film):
    asset = await multipart(site, film)
    assert (await site.json("PATCH", f"{API}/{asset}", json={"title": " A \n Film "}))["title"] == "A Film"
    assert (await site.until(asset, "complete"))["title"] == "A Film"


async def test_what_cannot_be_decoded_says_where_and_why(site, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(os.urandom(100_000))
    asset = await multipart(site, broken)
    failure = (await site.until(asset, "failed"))["failure"]
    assert failure["step"] == "probe"
    assert failure["message"]
    assert failure["log"]
    assert (await site.ask("GET", f"/v/{asset}/main.m3u8"))[0] == 404
    assert (await site.ask("DELETE", f"{API}/{asset}"))[0] == 204
    assert orphans(site.data, asset) == []


async def test_retried_when_the_encoder_is_back(data_dir, tmp_path, program, film):
    encoder = tmp_path / "ffmpeg"
    os.link(program, encoder)
    async with running(data_dir, ffmpeg=encoder) as site:
        before = await multipart(site, film)
        await site.until(before, "complete")
        encoder.rename(tmp_path / "gone")
        asset = await multipart(site, film)
        failed = await site.until(asset, "failed")
        assert failed["failure"]["step"] == "encode"  # inits are known from the film before
        assert failed["failure"]["message"]
        assert failed["warnings"] == []
        assert (await site.ask("POST", f"{API}/{before}/retry"))[0] == 409
        (tmp_path / "gone").rename(encoder)
        await site.json("POST", f"{API}/{asset}/retry", status=202)
        shown = await site.until(asset, "complete")
        assert shown["failure"] is None
        assert await faults(site, data_dir, asset) == []


async def test_a_disk_that_cannot_sync_fails_the_asset_and_no_segment_is_seen(site, film, disk):
    disk.broken = True
    asset = await multipart(site, film)
    failed = await site.until(asset, "failed")
    assert failed["failure"]["step"] == "encode"
    assert "disk" in failed["failure"]["message"]
    assert failed["warnings"] == []
    assert stored(site.data, asset) == noted(site.data, asset) == {}
    assert sum(rung["done"] for rung in failed["rungs"]) == 0
    disk.broken = False
    await site.json("POST", f"{API}/{asset}/retry", status=202)
    await site.until(asset, "complete")
    assert await faults(site, site.data, asset) == []


async def test_a_source_with_a_hole_is_whole_in_time(site, film, tmp_path):
    body = bytearray(film.read_bytes())
    third = len(body) // 3
    body[third : 2 * third] = bytes(third)
    broken = tmp_path / "hole.mp4"
    broken.write_bytes(body)
    asset = await multipart(site, broken)
    await site.until(asset, "complete")
    assert await faults(site, site.data, asset) == []


async def test_encoded_anew_the_old_generation_is_served_until_no_cache_can_name_it(data_dir, film, program):
    clock = Ticking()
    async with running(data_dir, clock=clock, ffmpeg=program) as site:
        asset = await multipart(site, film)
        await site.until(asset, "complete")
        old_bodies, old_main = await site.bodies(asset), (await site.manifests(asset))
        await site.json("POST", f"{API}/{asset}/reencode", status=202)
        await settle(lambda: len(rows(data_dir, "SELECT name FROM generation WHERE asset = ?", asset)) == 2)
        await site.until(asset, "complete")
        new_bodies = await site.bodies(asset)
        assert not old_bodies.keys() & new_bodies.keys()
        assert {path: await site.get(path) for path in old_bodies} == old_bodies
        clock.now += (RETIRED_SECONDS - 10) * 1000
        await site.server.works.sweep_once()
        assert {path: await site.get(path) for path in old_bodies} == old_bodies
        clock.now += 20_000
        await site.server.works.sweep_once()
        for path in old_bodies:
            assert (await site.ask("GET", path))[0] == 404
        assert await site.bodies(asset) == new_bodies
        assert stored(data_dir, asset) == noted(data_dir, asset)
        assert len(rows(data_dir, "SELECT name FROM generation WHERE asset = ?", asset)) == 1
        assert old_main.keys() == (await site.manifests(asset)).keys()
        shown = await site.asset(asset)
        assert await site.get(shown["poster"])
        assert await site.get(shown["storyboard"])


async def test_encoding_anew_that_comes_to_nothing_keeps_what_there_is(data_dir, film, program):
    clock, disk = Ticking(), Disk()
    async with running(data_dir, clock=clock, disk=disk, ffmpeg=program) as site:
        asset = await multipart(site, film)
        await site.until(asset, "complete")
        bodies = await site.bodies(asset)
        works = site.server.works
        await works.reencode(asset)
        await works.stop()  # before the new plan is made
    async with running(data_dir, clock=clock, ffmpeg=program) as site:
        clock.now += (RETIRED_SECONDS + 10) * 1000
        await site.server.works.sweep_once()
        assert await site.bodies(asset) == bodies


async def test_captions_come_and_go(site, film):
    asset = await multipart(site, film)
    await site.until(asset, "complete")
    root = f"/v/{asset}/"
    plain = await site.get(root + "main.m3u8")
    shown = await site.json("PUT", f"{API}/{asset}/captions/de?label=Deutsch", data=SRT.encode())
    assert shown["captions"][0]["language"] == "de"
    vtt = await site.get(shown["captions"][0]["url"])
    assert vtt.startswith(b"WEBVTT")
    assert b"Guten Tag" in vtt
    main = (await site.get(root + "main.m3u8")).decode()
    (line,) = [line for line in main.splitlines() if "TYPE=SUBTITLES" in line]
    assert 'LANGUAGE="de"' in line
    assert "SUBTITLES=" in main.partition("#EXT-X-STREAM-INF")[2]
    name = line.partition('URI="')[2].partition('"')[0]
    listed = (await site.get(root + name)).decode()
    (segment,) = [line for line in listed.splitlines() if line and not line.startswith("#")]
    assert await site.get(root + segment) == vtt
    mpd = (await site.get(root + "main.mpd")).decode()
    assert 'contentType="text"' in mpd
    await site.json("DELETE", f"{API}/{asset}/captions/de")
    assert await site.get(root + "main.m3u8") == plain
    assert 'contentType="text"' not in (await site.get(root + "main.mpd")).decode()


@pytest.mark.parametrize("kind", ["life", "audio_m4a", "text_srt", "video_only"])
async def test_restarted_a_complete_asset_has_the_same_manifests(data_dir, film, clips, program, kind):
    path = film if kind == "life" else clips.path(kind)
    assert kind == "life" or kind in KINDS
    async with running(data_dir, ffmpeg=program) as site:
        asset = await multipart(site, path)
        await site.until(asset, "complete")
        before, shown = await site.manifests(asset), await site.asset(asset)
    async with running(data_dir, ffmpeg=program) as site:
        assert await site.manifests(asset) == before
        assert await site.asset(asset) == shown
        for name, body in before.items():
            assert (data_dir / "media" / asset / name).read_bytes() == body


async def test_restarted_a_half_made_asset_goes_on_from_what_it_has(data_dir, film, program):
    disk = Disk()
    async with running(data_dir, disk=disk, ffmpeg=program) as site:
        disk.allow(8)
        asset = await multipart(site, film)
        await site.until(asset, "playable")
        await settle(lambda: len(stored(data_dir, asset)) == 8 and disk.waiting)
        stopping = asyncio.create_task(site.server.works.stop())
        for _ in range(50):  # turns of the loop in which the Run is told to stop
            await asyncio.sleep(0)
        disk.allow()
        await stopping
    root = data_dir / "media" / asset
    kept = {path: path.stat().st_mtime_ns for path in root.rglob("*.m4s")}
    assert 8 <= len(kept) < 24
    index = next((data_dir / "indexes").iterdir())
    index.write_bytes(index.read_bytes()[:100])  # as a power cut may leave it: it is made anew
    async with running(data_dir, ffmpeg=program) as site:
        await site.until(asset, "complete")
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
        assert stored(data_dir, asset) == noted(data_dir, asset)
        assert await faults(site, data_dir, asset) == []
        assert rows(data_dir, "SELECT id FROM run WHERE state = 'running'") == []


async def test_right_after_a_restart_a_missing_segment_is_waited_for(data_dir, film, program):
    disk = Disk()
    async with running(data_dir, disk=disk, ffmpeg=program) as site:
        disk.allow(0)
        asset = await multipart(site, film)
        await site.until(asset, "playable")
        wanted = (await site.urls(asset))["180p"][4]
        stopping = asyncio.create_task(site.server.works.stop())
        for _ in range(50):
            await asyncio.sleep(0)
        disk.allow()
        await stopping
    async with running(data_dir, ffmpeg=program) as site:
        manifest, answer = await asyncio.gather(
            site.ask("GET", f"/v/{asset}/main.m3u8"), site.ask("GET", wanted)
        )
        assert (manifest[0], answer[0]) == (200, 200)


async def test_one_data_directory_has_one_server(data_dir, program):
    async with running(data_dir, ffmpeg=program):
        with pytest.raises(ConfigError, match="another streamer"):
            async with running(data_dir, ffmpeg=program):
                pass
    async with running(data_dir, ffmpeg=program) as site:
        assert (await site.ask("OPTIONS", TUS))[0] in {200, 204}
