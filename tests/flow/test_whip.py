"""Publishing over WebRTC: FFmpeg's own muxer, what it is told, and how either side ends it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import imageio_ffmpeg
import pytest
from aiohttp import web
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection

from packager.process import Spawner
from streamer.ingest.door import Ending
from streamer.ingest.ice import servers
from streamer.ingest.rtc import Peer
from streamer.ingest.whip import PATH, WhipReceiver
from streamer.problems import problem_middleware
from tests.encoder import SOON, Lobby
from tests.flow.test_remux import BROWSER
from tests.media.clip import X264
from tests.tagged import IN_STEP, Judged, pictures

# What FFmpeg's muxer takes: no B-frames, and Opus in frames of 20 ms.
CALL = replace(BROWSER, name="call", video=(*X264, "-profile:v", "baseline", "-g", "25", "-bf", "0"))
SDP = {"Content-Type": "application/sdp"}


async def patient() -> Peer:
    return Peer()


async def impatient() -> Peer:
    return Peer(idle_seconds=1)


@asynccontextmanager
async def receiving(door, *, peer=patient, more=(), **options):
    """Serve WHIP, and yield a client and the receiver."""
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        receiver = WhipReceiver(door, spawner, peer=peer, **options)
        app = web.Application(middlewares=[problem_middleware])
        app.add_routes([*receiver.routes(), *more])
        app.on_shutdown.append(lambda _: receiver.close())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
                yield client, receiver
        finally:
            await runner.cleanup()


@pytest.fixture
def publish(spawn, clips):
    """Return what starts an ffmpeg that publishes the clip with a key."""

    async def start(client, key, *before):
        url = str(client._base_url.with_path(PATH))
        return await spawn(
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "info", "-re"),
            *before,
            *("-i", clips.make(CALL), "-c", "copy", "-f", "whip", "-authorization", key, url),
        )

    return start


async def test_every_access_unit_arrives_and_the_sound_is_in_step(publish, tmp_path):
    lobby = Lobby("KEY")
    async with receiving(lobby) as (client, receiver):
        child = await publish(client, "KEY")
        assert await child.wait() == 0, child.output
        broadcast = await lobby.entered("KEY")
        async with asyncio.timeout(SOON):
            await broadcast.ended.wait()
        assert receiver._sessions == {}
    judged = Judged(broadcast.tags, tmp_path)
    numbers = [frame.number for frame in CALL.frames]
    assert judged.numbers == numbers
    assert len(pictures(broadcast.tags)) == len(judged.numbers)
    apart = judged.apart(CALL)
    assert len(apart) >= 4
    assert max(map(abs, apart)) <= IN_STEP
    assert broadcast.publisher.protocol == "whip"


class Stun(asyncio.DatagramProtocol):
    """A STUN server that has seen everybody at one address."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        asked = stun.parse_message(data)
        said = stun.Message(
            message_method=asked.message_method,
            message_class=stun.Class.RESPONSE,
            transaction_id=asked.transaction_id,
        )
        said.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.7", 40_000)
        self.transport.sendto(bytes(said), peer)


async def test_a_stun_server_tells_the_address_and_publishers_are_told_of_it():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Stun, local_addr=("127.0.0.1", 0))
    ice = servers(f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]},turn:me:pass@127.0.0.1:9")
    publisher = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    publisher.addTransceiver("video", direction="sendonly")
    await publisher.setLocalDescription(await publisher.createOffer())

    async def behind_nat() -> Peer:
        return Peer(ice=ice[:1])

    headers = {**SDP, "Authorization": "Bearer KEY"}
    async with receiving(Lobby("KEY"), peer=behind_nat, ice=ice) as (client, _):
        offer = publisher.localDescription.sdp
        async with client.post(PATH, data=offer, headers=headers) as response:
            assert response.status == 201
            answer = await response.text()
            links = response.headers.getall("Link")
    await publisher.close()
    transport.close()
    assert " 203.0.113.7 40000 typ srflx" in answer
    assert links == [one.link for one in ice]


async def test_a_wrong_key_is_refused(publish):
    async with receiving(Lobby("KEY")) as (client, _):
        child = await publish(client, "WRONG")
        assert await child.wait(seconds=SOON) != 0
        assert "401" in child.output
        for headers in (SDP, {**SDP, "Authorization": "Bearer WRONG"}, {**SDP, "Authorization": "Basic KEY"}):
            async with client.post(PATH, data="v=0\r\n", headers=headers) as response:
                assert response.status == 401
                assert "Bearer" in response.headers["WWW-Authenticate"]


async def test_a_killed_publisher_ends_its_tags(publish):
    lobby = Lobby("KEY")

    async with receiving(lobby, peer=impatient) as (client, _):
        child = await publish(client, "KEY", "-stream_loop", "-1")
        broadcast = await lobby.entered("KEY")
        async with asyncio.timeout(SOON):
            await broadcast.begun.wait()
            child.signal(signal.SIGKILL)
            await broadcast.ended.wait()
    assert broadcast.tags


async def test_a_session_is_over_once_it_is_deleted_though_its_publisher_sends_on(publish):
    lobby = Lobby("KEY")
    async with receiving(lobby) as (client, receiver):
        await publish(client, "KEY", "-stream_loop", "-1")
        broadcast = await lobby.entered("KEY")
        async with asyncio.timeout(SOON):
            await broadcast.begun.wait()
            (name,) = receiver._sessions
            async with client.delete(f"{PATH}/{name}") as response:
                assert response.status == 200
        assert broadcast.ended.is_set()
        assert receiver._sessions == {}


async def test_the_server_ends_it(publish):
    lobby = Lobby("KEY")
    async with receiving(lobby) as (client, receiver):
        child = await publish(client, "KEY", "-stream_loop", "-1")
        broadcast = await lobby.entered("KEY")
        async with asyncio.timeout(SOON):
            await broadcast.begun.wait()
            broadcast.publisher.close(Ending.ENDED)
            await broadcast.ended.wait()
            await asyncio.gather(*(session.task for session in receiver._sessions.values()))
        assert receiver._sessions == {}
        child.signal(signal.SIGKILL)  # it does not look at what comes back to it


@pytest.mark.parametrize(
    "offer", ["", "no SDP", "v=0\r\nm=video 9 x\r\n", "v=0\r\no=- 0 0 IN IP4 0\r\ns=-\r\n"]
)
async def test_an_offer_that_does_not_do_is_refused(offer):
    async with receiving(Lobby("KEY")) as (client, receiver):
        headers = {**SDP, "Authorization": "Bearer KEY"}
        async with client.post(PATH, data=offer, headers=headers) as response:
            assert response.status == 400, await response.text()
            assert (await response.json())["type"] == "urn:streamer:problem:bad-offer"
        assert receiver._sessions == {}


async def test_other_requests_are_answered_properly():
    async with receiving(Lobby("KEY")) as (client, _):
        key = {"Authorization": "Bearer KEY"}
        async with client.post(PATH, data="{}", headers={**key, "Content-Type": "application/json"}) as one:
            assert one.status == 415
        async with client.post(PATH, data="x" * 70_000, headers={**key, **SDP}) as one:
            assert one.status == 400
        async with client.delete(f"{PATH}/{'x' * 22}") as one:
            assert one.status == 404


async def test_a_server_without_the_extra_says_so():
    headers = {**SDP, "Authorization": "Bearer KEY"}
    async with (
        receiving(Lobby("KEY"), peer=None) as (client, _),
        client.post(PATH, data="v=0", headers=headers) as response,
    ):
        assert response.status == 501
        assert "streamer[webrtc]" in (await response.json())["detail"]
