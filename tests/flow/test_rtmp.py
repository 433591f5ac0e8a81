"""Real encoders publish over RTMP: everything arrives, keys decide, endings are told."""

from __future__ import annotations

import asyncio
import hashlib
import io
import signal
import ssl

import av
import imageio_ffmpeg
import pytest

from streamer.ingest import flv
from streamer.ingest.flv import Kind
from tests.encoder import SOON, Encoder, Lobby, receiving
from tests.media.certificate import certificate as made
from tests.media.clip import run

COPY = ("-c", "copy", "-f", "flv")
FOREVER = ("-re", "-stream_loop", "-1")
WRAP_SECONDS = 2_147_481  # FFmpeg's times wrap 2.6 s later


@pytest.fixture(scope="module")
def ffmpeg():
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "info", "-y"]


@pytest.fixture
def publish(spawn, ffmpeg, clips):
    """Return what starts an ffmpeg that publishes a clip at a URL."""

    async def start(receiver, key, *, before=(), after=COPY, scheme="rtmp", clip="fps30"):
        url = f"{scheme}://127.0.0.1:{receiver.port}/live/{key}"
        return await spawn(*ffmpeg, *before, "-i", clips.path(clip), *after, url)

    return start


def read(source):
    """Return the packets of an FLV as another reader sees them, in their order."""
    with av.open(source, format="flv") as file:
        return [
            (
                packet.stream.type,
                packet.dts,
                packet.pts,
                packet.is_keyframe,
                hashlib.sha256(packet).hexdigest(),
            )
            for packet in file.demux()
            if packet.size
        ]


def written(tags):
    return io.BytesIO(flv.head() + b"".join(map(flv.write, tags)))


def same_as_file(clip, folder, *options):
    """Return the packets that ffmpeg writes into an FLV file with the same options."""
    run(["-i", str(clip), *options, *COPY, str(folder / "expected.flv")])
    return read(str(folder / "expected.flv"))


@pytest.mark.parametrize("kind", ["fps30", "fps23_976", "irregular"])
async def test_every_packet_arrives_at_its_time(publish, clips, tmp_path, kind):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        child = await publish(receiver, "KEY", clip=kind)
        assert await child.wait() == 0, child.output
        broadcast = await lobby.entered("KEY")
        await broadcast.ended.wait()
    tags = broadcast.tags
    pictures = [tag for tag in tags if tag.kind is Kind.VIDEO and not tag.configuration]
    assert len(pictures) == len(clips.kinds[kind].frames)
    assert read(written(tags)) == same_as_file(clips.path(kind), tmp_path)
    assert sum(tag.configuration for tag in tags) == 2
    assert pictures[0].keyframe
    told = flv.metadata(tags[0])
    assert (told.width, told.height) == (320, 180)
    assert told.frame_rate == clips.kinds[kind].rate


async def test_two_keys_at_once_do_not_mix(publish, clips, tmp_path):
    lobby = Lobby("ONE", "TWO")
    async with receiving(lobby) as receiver:
        children = [
            await publish(receiver, key, clip=clip) for key, clip in (("ONE", "fps24"), ("TWO", "fps25"))
        ]
        for child in children:
            assert await child.wait() == 0, child.output
        for key in lobby.known:
            await (await lobby.entered(key)).ended.wait()
    one, two = (lobby.broadcasts[key][0] for key in lobby.known)
    assert one.publisher.session != two.publisher.session
    assert read(written(one.tags)) == same_as_file(clips.path("fps24"), tmp_path)
    assert read(written(two.tags)) == same_as_file(clips.path("fps25"), tmp_path)


async def test_times_go_on_where_the_encoder_s_wrap(publish, clips, tmp_path):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        child = await publish(receiver, "KEY", after=("-output_ts_offset", str(WRAP_SECONDS), *COPY))
        assert await child.wait() == 0, child.output
        broadcast = await lobby.entered("KEY")
        await broadcast.ended.wait()
    times = [tag.time for tag in broadcast.tags if tag.kind is not Kind.SCRIPT and not tag.configuration]
    expected = [dts for _, dts, *_ in same_as_file(clips.path("fps30"), tmp_path)]
    assert times[0] < 1 << 31 < times[-1]
    assert [time - times[0] for time in times] == [dts - expected[0] for dts in expected]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("live/WRONG", "This stream key is not known here."),
        ("live", "one stream key"),
        ("other/KEY", "There is no such application here"),
    ],
)
async def test_a_wrong_address_is_told_at_the_encoder(spawn, ffmpeg, clips, path, says):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        child = await spawn(
            *ffmpeg, "-i", clips.path("fps30"), *COPY, f"rtmp://127.0.0.1:{receiver.port}/{path}"
        )
        assert await child.wait(seconds=SOON) != 0
    assert says in child.output
    assert lobby.broadcasts["KEY"] == []


async def test_another_codec_is_refused_by_name(publish):
    lobby = Lobby("KEY")
    h265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-an", "-f", "flv")
    async with receiving(lobby) as receiver:
        child = await publish(receiver, "KEY", before=FOREVER, after=h265)
        assert await child.wait() != 0
        await (await lobby.entered("KEY")).ended.wait()
    assert "The video is H.265; send H.264 video and AAC audio." in child.output


async def test_the_newest_publisher_takes_over_and_the_former_is_told(publish):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        first = await publish(receiver, "KEY", before=FOREVER)
        one = await lobby.entered("KEY")
        await one.begun.wait()
        second = await publish(receiver, "KEY")
        assert await first.wait(seconds=SOON) != 0
        assert await second.wait() == 0
        two = await lobby.entered("KEY", 2)
        await two.ended.wait()
    assert "Another encoder has taken over this stream." in first.output
    assert one.ended.is_set()
    assert sum(tag.kind is Kind.VIDEO for tag in two.tags) > 300


async def test_a_killed_publisher_ends_its_tags(publish):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        child = await publish(receiver, "KEY", before=FOREVER)
        broadcast = await lobby.entered("KEY")
        await broadcast.begun.wait()
        child.signal(signal.SIGKILL)
        async with asyncio.timeout(SOON):
            await broadcast.ended.wait()
    assert broadcast.tags


async def test_a_server_that_stops_tells_its_publishers(publish):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        child = await publish(receiver, "KEY", before=FOREVER)
        broadcast = await lobby.entered("KEY")
        await broadcast.begun.wait()
    assert broadcast.ended.is_set()
    assert await child.wait(seconds=SOON) != 0
    assert "The server stops" in child.output


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return made(tmp_path_factory.mktemp("tls"))


async def test_rtmps(publish, clips, tmp_path, certificate):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    lobby = Lobby("KEY")
    trusting = ("-ca_file", str(certificate[0]), *COPY)
    async with receiving(lobby, tls=tls) as receiver:
        child = await publish(receiver, "KEY", after=trusting, scheme="rtmps")
        assert await child.wait() == 0, child.output
        broadcast = await lobby.entered("KEY")
        await broadcast.ended.wait()
        wrong = await publish(receiver, "WRONG", after=trusting, scheme="rtmps")
        assert await wrong.wait(seconds=SOON) != 0
    assert broadcast.publisher.protocol == "rtmps"
    assert read(written(broadcast.tags)) == same_as_file(clips.path("fps30"), tmp_path)
    assert "This stream key is not known here." in wrong.output


async def test_an_encoder_that_knows_enhanced_rtmp_is_told_what_is_taken():
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver, Encoder.to(receiver) as encoder:
        await encoder.shake_hands()
        encoder.ask("connect", 1, {"app": "live", "fourCcList": ["hvc1", "avc1"]})
        assert (await encoder.answer("_result", 1))[3]["fourCcList"] == ["avc1", "mp4a"]
