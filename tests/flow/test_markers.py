"""Markers of a real broadcast: in segments, in manifests and on the channel, under one id and once each."""

from __future__ import annotations

import asyncio
import json
import re
from fractions import Fraction
from urllib.parse import unquote

import pytest
from lxml import etree

from tests.flow.on_air import FILM, LIVE, listed, publishing, stream, until, whole
from tests.flow.whole_site import API, Site, rows, running
from tests.media import messages
from tests.unit.test_live_dash import GRAMMAR, MPD

OWN, SPLICED = "urn:streamer:marker:2026", "urn:scte:scte35:2013:bin"
SPLICE = "fc302100000000000000fff01005000003db7fef7f7e0020f580c0000000000078d5b0ca"


@pytest.fixture
async def site(data_dir):
    async with running(data_dir, live_rtmp_port=0) as opened:
        yield opened


def ranges(text: str) -> dict[str, dict[str, str]]:
    """Return the attributes of every EXT-X-DATERANGE by its ID."""
    found = [
        {name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,\n]*)', line)}
        for line in text.splitlines()
        if line.startswith("#EXT-X-DATERANGE:")
    ]
    return {one["ID"]: one for one in found}


async def events(site: Site, path: str) -> list[dict]:
    """Return what the MPD says itself, as (scheme, id, seconds from the Period)."""
    root = etree.fromstring(await site.get(path))
    GRAMMAR.assertValid(root)
    return [
        (found.get("schemeIdUri"), int(one.get("id")), Fraction(one.get("presentationTime")) / int(scale))
        for found in root.iterfind(".//m:EventStream", MPD)
        if (scale := found.get("timescale"))
        for one in found.iterfind("m:Event", MPD)
    ]


async def told(site: Site, root: str, top: str) -> dict[str, list[tuple[int, messages.Message]]]:
    """Return the messages in the segments of each rendition, with the number of the segment."""
    main = (await site.get(f"{root}main.m3u8")).decode()
    names = re.findall(r'^(\d+p)\.m3u8|URI="(audio[^"]*)\.m3u8"', main, re.MULTILINE)
    found = {}
    for name in dict.fromkeys([top, *("".join(one) for one in names)]):
        playlist = await listed(site, f"{root}{name}.m3u8", whole)
        found[name] = [
            (number, one)
            for number, segment in enumerate(whole(playlist))
            for one in messages.messages(await site.get(root + segment.uri))
        ]
    return found


async def test_a_marker_reaches_segments_manifests_and_the_channel_under_one_id(site, clips):
    made = await stream(site)
    markers = f"{LIVE}/{made['id']}/markers"
    assert (await site.ask("POST", markers, json={}))[0] == 409
    async with (
        publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)),
        site.session.ws_connect(f"{site.base}/control") as socket,
    ):
        asset = (await until(site, made["id"], "live"))["asset"]
        await socket.send_json({"type": "subscribe", "channel": f"stream:{made['id']}"})
        root = f"/v/{asset}/"
        top = (await site.asset(asset))["rungs"][0]["name"]
        await listed(site, f"{root}{top}.m3u8", whole)
        wish = {
            "kind": "goal",
            "data": {"title": "1 : 0", "text": 'Quotes " and ü'},
            "duration": 1.5,
            "scte35": SPLICE,
            "splice": "out",
        }
        now, again = [
            await site.json("POST", markers, status=201, json=wish, headers={"Idempotency-Key": "the goal"})
            for _ in range(2)
        ]
        past = await site.json("POST", f"{API}/{asset}/markers", status=201, json={"time": 0.52})
        assert now == again
        assert (now["inband"], past["inband"]) == (True, False)
        heard = []
        async with asyncio.timeout(10):
            while len(heard) < 2:
                event = json.loads((await socket.receive()).data)
                heard += [event] if event.get("type") == "marker" else []
        assert [(one["data"]["id"], one["media_time"]) for one in heard] == [
            (now["id"], now["time"]),
            (past["id"], past["time"]),
        ]
        await listed(site, f"{root}{top}.m3u8", lambda one: len(whole(one)) * 2 > now["time"] + 2)
        live_ranges = ranges((await site.get(f"{root}{top}.m3u8")).decode())
        assert await events(site, f"{root}main.mpd") == [(OWN, _number(site, past["id"]), Fraction(13, 25))]
    await site.json("POST", f"{LIVE}/{made['id']}/end")
    found = await told(site, root, top)
    number, started = _number(site, now["id"]), _started(site, asset)
    assert len(found) >= 2
    for name, seen in found.items():
        assert [(one.scheme, one.number) for _, one in seen] == [(OWN, number), (SPLICED, number)], name
        ((at, own), (_, spliced)) = seen
        # To the tick: the moment is that of a frame of the picture.
        assert own.time == spliced.time == _moment(site, now["id"]) - started
        assert (own.time * 25).denominator == 1
        assert own.duration == Fraction(3, 2)
        assert json.loads(own.body) == {"id": now["id"], "kind": "goal", "data": wish["data"]}
        assert spliced.body == bytes.fromhex(SPLICE)
        assert at * Fraction(48, 25) <= own.time < (at + 1) * Fraction(48, 25) + Fraction(1, 3), name
    late = await site.json("POST", f"{API}/{asset}/markers", status=201, json={"time": 1, "kind": "late"})
    recorded = (await site.get(f"{root}{top}.m3u8")).decode()
    after = ranges(recorded)
    assert list(after) == [past["id"], late["id"], now["id"]]
    assert {name: after[name] for name in live_ranges} == live_ranges
    ours = after[now["id"]]
    assert json.loads(unquote(ours["X-DATA"])) == wish["data"]
    assert (ours["CLASS"], ours["DURATION"], ours["SCTE35-OUT"]) == ("goal", "1.500", f"0x{SPLICE.upper()}")
    assert ours["START-DATE"] == now["date"]
    assert [(scheme, at) for scheme, _, at in await events(site, f"{root}main.mpd")] == [
        (OWN, Fraction(13, 25)),
        (OWN, 1),
    ]
    assert (await site.get(f"{root}main.mpd")).count(b"InbandEventStream") == 2 * 2
    shown = (await site.json("GET", f"{API}/{asset}/markers"))["items"]
    assert [one["id"] for one in shown] == [past["id"], late["id"], now["id"]]
    await site.json("DELETE", f"{API}/{asset}/markers/{late['id']}", status=204)
    assert (await site.ask("DELETE", f"{API}/{asset}/markers/{late['id']}"))[0] == 404
    assert list(ranges((await site.get(f"{root}{top}.m3u8")).decode())) == [past["id"], now["id"]]
    clip = await site.json("POST", f"{API}/{asset}/clips", status=201, json={"start": 0, "end": 1})
    assert list(ranges((await site.get(f"/v/{clip['id']}/{top}.m3u8")).decode())) == [past["id"]]


async def test_a_film_is_marked_in_its_manifests_and_never_in_its_segments(site, clips):
    asset = (await site.post(clips.make(FILM)))["id"]
    path = f"{API}/{asset}/markers"
    shown = await site.until(asset, "playable", "complete")
    markers = [
        await site.json("POST", path, status=201, json={"time": time, "data": {"title": str(time)}})
        for time in (2.5, 0.04)
    ]
    assert [one["inband"] for one in markers] == [False, False]
    root = f"/v/{asset}/"
    for rung in shown["rungs"]:
        found = ranges((await site.get(f"{root}{rung['name']}.m3u8")).decode())
        assert list(found) == [markers[1]["id"], markers[0]["id"]], rung["name"]
        assert [one["START-DATE"] for one in found.values()] == [one["date"] for one in markers[::-1]]
    assert [(scheme, at) for scheme, _, at in await events(site, f"{root}main.mpd")] == [
        (OWN, Fraction(1, 25)),
        (OWN, Fraction(5, 2)),
    ]
    for marker in markers:
        await site.json("DELETE", f"{path}/{marker['id']}", status=204)
    assert b"EventStream" not in await site.get(f"{root}main.mpd")
    refused = [{}, {"time": 31}, {"date": "2020-01-01T00:00:00Z"}, {"time": 1, "colour": "red"}, {"time": -1}]
    for wish in refused:
        assert (await site.ask("POST", path, json=wish))[0] == 400, wish
    assert (await site.ask("POST", f"{API}/abcdefgh0123/markers", json={"time": 1}))[0] == 404
    _, empty = await site.create(100)
    assert (await site.ask("POST", f"{API}/{empty}/markers", json={"time": 1}))[0] == 409


def _number(site: Site, marker: str) -> int:
    ((number,),) = rows(site.data, "SELECT number FROM marker WHERE id = ?", marker)
    return number


def _moment(site: Site, marker: str) -> Fraction:
    ((moment,),) = rows(site.data, "SELECT moment FROM marker WHERE id = ?", marker)
    return Fraction(moment)


def _started(site: Site, asset: str) -> Fraction:
    ((plan,),) = rows(site.data, "SELECT plan FROM generation WHERE asset = ?", asset)
    return Fraction(json.loads(plan)["started"], 1000)
