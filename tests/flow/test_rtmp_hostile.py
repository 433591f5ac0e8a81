"""Whatever a peer sends or leaves out ends its own connection and nothing else; every limit holds."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress

import imageio_ffmpeg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.errors import CatalogAway
from streamer.ingest import chunks, commands
from streamer.ingest.chunks import ChunkReader, Message
from streamer.ingest.connection import Limits
from streamer.ingest.door import Ending
from streamer.ingest.errors import IngestError, KeyBusy
from streamer.ingest.tags import TagReader
from tests.encoder import AVCC, PICTURE, SOON, SOUND, Encoder, Lobby, chunked, receiving

HANDSHAKE = 1 + 2 * 1536
CASES = 60
VIDEO = Message(type=chunks.VIDEO, body=PICTURE, stream=1)


@pytest.fixture
def notes(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


async def works(receiver, lobby, key="KEY"):
    """Publish a picture and leave properly, to see that the receiver is well."""
    before = len(lobby.broadcasts[key])
    async with Encoder.to(receiver) as encoder:
        assert (await encoder.publish(key))["code"] == "NetStream.Publish.Start"
        encoder.send(VIDEO, stream=6)
        encoder.ask("deleteStream", 6, None, 1)
        assert (await encoder.status())["code"] == "NetStream.Unpublish.Success"
    broadcast = await lobby.entered(key, before + 1)
    await broadcast.ended.wait()
    assert [tag.payload for tag in broadcast.tags] == [PICTURE]


@pytest.fixture(scope="module")
def session(tmp_path_factory, clips):
    """Return all that an ffmpeg sends while it publishes a second of pictures and sound."""

    async def record():
        sent = bytearray()

        async def both(reader, writer):
            theirs, ours = await asyncio.open_connection("127.0.0.1", receiver.port)

            async def pass_on(source, target, kept):
                with suppress(ConnectionError):
                    while data := await source.read(65536):
                        kept += data
                        target.write(data)
                        await target.drain()
                    target.write_eof()

            await asyncio.gather(pass_on(reader, ours, sent), pass_on(theirs, writer, bytearray()))
            ours.close()
            writer.close()

        lobby = Lobby("KEY")
        async with receiving(lobby) as receiver:
            async with await asyncio.start_server(both, "127.0.0.1", 0) as proxy:
                url = f"rtmp://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/live/KEY"
                argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i", path]
                child = await asyncio.create_subprocess_exec(*argv, "-c", "copy", "-t", "1", "-f", "flv", url)
                assert await child.wait() == 0
            await (await lobby.entered("KEY")).ended.wait()
        return bytes(sent)

    path = clips.path("fps30")
    return asyncio.run(record())


def understood(data):
    """Read a session as the receiver does, without a socket."""
    reader, tags = ChunkReader(message_max=1 << 20), TagReader()
    for message in reader.feed(data):
        commands.read(message)
        tags.read(message)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_session_is_read_or_refused_by_name(session, data):
    wire = bytearray(session[HANDSHAKE : HANDSHAKE + 20_000])
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    with suppress(IngestError):
        understood(bytes(wire[: data.draw(st.integers(0, len(wire)))]))


async def test_mutated_and_truncated_sessions_end_alone(session, notes):
    rng = random.Random(20)
    lobby = Lobby("KEY")
    limits = Limits(begin_seconds=2, idle_seconds=1, farewell_seconds=1)
    async with receiving(lobby, limits=limits) as receiver:
        for _ in range(CASES):
            wire = bytearray(session[: rng.choice([rng.randrange(1, len(session)), len(session)])])
            for _ in range(rng.choice([0, 1, 5, 50])):
                # Commands stand in the first bytes, media in all others.
                wire[rng.randrange(rng.choice([min(4000, len(wire)), len(wire)]))] = rng.randrange(256)
            async with Encoder.to(receiver) as encoder:
                encoder.writer.write(bytes(wire))
                with suppress(ConnectionError):
                    await encoder.writer.drain()
                    encoder.writer.write_eof()
                await encoder.over()
        await works(receiver, lobby)
        for broadcast in lobby.broadcasts["KEY"]:
            await broadcast.ended.wait()
    assert len(lobby.broadcasts["KEY"]) > CASES // 4
    assert not [record for record in notes.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01" + bytes(2000),
        b"\x06" + bytes(1536),
        b"\x03" + bytes(100),
        b"",
    ],
    ids=["HTTP", "TLS", "RTMPE", "half a handshake", "nothing"],
)
async def test_what_is_no_handshake(sent, notes):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver:
        async with Encoder.to(receiver) as encoder:
            encoder.writer.write(sent)
            encoder.writer.write_eof()
            await encoder.over()
        await works(receiver, lobby)
    assert "does not speak plain RTMP" in notes.text or "left during the handshake" in notes.text


async def test_who_does_not_begin_in_time_is_dropped(notes):
    lobby = Lobby("KEY")
    async with receiving(lobby, limits=Limits(begin_seconds=0.3)) as receiver:
        async with Encoder.to(receiver) as silent, Encoder.to(receiver) as half:
            await half.shake_hands()
            half.ask("connect", 1, {"app": "live"})
            await silent.over()
            await half.over()
        await works(receiver, lobby)
    assert notes.text.count("did not come to publishing in time") == 2


async def test_a_publisher_that_falls_silent_is_told_and_dropped(notes):
    lobby = Lobby("KEY")
    async with receiving(lobby, limits=Limits(idle_seconds=0.3)) as receiver, Encoder.to(receiver) as encoder:
        await encoder.publish("KEY")
        encoder.send(VIDEO, stream=6)
        told = await encoder.status()
        await (await lobby.entered("KEY")).ended.wait()
    assert told["code"] == "NetStream.Publish.Idle"
    assert told["description"] == "Nothing was received for 0.3 seconds."


async def test_a_consumer_that_does_not_read_holds_the_publisher_back():
    lobby = Lobby("KEY", reading=False)
    piece, count = PICTURE + bytes(64 << 10), 1000
    limits = Limits(backlog_bytes=1 << 20, message_bytes=1 << 20, idle_seconds=1)
    async with receiving(lobby, limits=limits) as receiver, Encoder.to(receiver) as encoder:
        await encoder.publish("KEY")
        sent = 0

        async def send():
            nonlocal sent
            for number in range(count):
                encoder.send(Message(type=chunks.VIDEO, body=piece, time=number, stream=1), stream=6)
                await encoder.writer.drain()
                sent += 1
            encoder.ask("deleteStream", 6, None, 1)

        sending = asyncio.create_task(send())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.shield(sending)
        # The kernel's own buffers take some megabytes on the way.
        assert sent * len(piece) < 32 << 20
        assert lobby.broadcasts["KEY"][0].tags == []
        lobby.read.set()
        await sending
        broadcast = await lobby.entered("KEY")
        await broadcast.ended.wait()
    assert [tag.time for tag in broadcast.tags] == list(range(count))


async def test_commands_before_admission_are_small(notes):
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver, Encoder.to(receiver) as encoder:
        await encoder.shake_hands()
        encoder.send(Message(type=chunks.VIDEO, body=bytes(100_000)))
        await encoder.over()
    assert "exceeds 65536" in notes.text


@pytest.mark.parametrize(
    "limits", [Limits(connections=2), Limits(connections_per_address=2)], ids=["all", "one"]
)
async def test_connections_are_limited_and_places_become_free(limits):
    lobby = Lobby("KEY")
    async with receiving(lobby, limits=limits) as receiver, Encoder.to(receiver) as one:
        await one.shake_hands()
        async with Encoder.to(receiver) as two:
            await two.shake_hands()
            async with Encoder.to(receiver) as three:
                await three.over()
            two.writer.write_eof()
            await two.over()
        await works(receiver, lobby)


async def test_playing_is_refused_with_a_status():
    async with receiving(Lobby("KEY")) as receiver, Encoder.to(receiver) as encoder:
        await encoder.shake_hands()
        encoder.ask("connect", 1, {"app": "live"})
        encoder.ask("createStream", 2, None)
        encoder.ask("play", 3, None, "KEY")
        assert (await encoder.status())["code"] == "NetStream.Play.Failed"
        await encoder.over()


async def test_publishing_before_connecting_is_refused(notes):
    async with receiving(Lobby("KEY")) as receiver, Encoder.to(receiver) as encoder:
        await encoder.shake_hands()
        encoder.ask("publish", 1, None, "KEY", "live")
        await encoder.over()
    assert "publishes before it connects" in notes.text


async def test_acknowledgements_and_pings_are_answered():
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver, Encoder.to(receiver) as encoder:
        await encoder.publish("KEY")
        encoder.send(Message(type=chunks.WINDOW_SIZE, body=(100_000).to_bytes(4, "big")), stream=2)
        encoder.send(Message(type=chunks.USER_CONTROL, body=b"\0\x06time"), form=1, stream=63)
        while (message := await encoder.message()).type != chunks.USER_CONTROL:
            pass
        assert message.body == b"\0\x07time"
        for time in range(10):
            sound = Message(type=chunks.AUDIO, body=SOUND + bytes(20_000), time=time, stream=1)
            encoder.send(sound, stream=4)
        while (message := await encoder.message()).type != chunks.ACKNOWLEDGEMENT:
            pass
        assert int.from_bytes(message.body, "big") >= 50_000


async def test_what_is_sent_without_waiting_for_answers_counts():
    lobby = Lobby("KEY")
    async with receiving(lobby) as receiver, Encoder.to(receiver) as encoder:
        await encoder.shake_hands()
        encoder.ask("connect", 1, {"app": "live/KEY"})
        encoder.ask("createStream", 2, None)
        encoder.ask("publish", 3, None, "", "live")
        encoder.send(Message(type=chunks.VIDEO, body=b"\x17\0\0\0\0" + AVCC, stream=1), stream=6)
        encoder.send(VIDEO, stream=6)
        encoder.ask("FCUnpublish", 4, None, "KEY")
        encoder.ask("deleteStream", 5, None, 1)
        assert (await encoder.status())["code"] == "NetStream.Publish.Start"
        assert (await encoder.status())["code"] == "NetStream.Unpublish.Success"
        broadcast = await lobby.entered("KEY")
        await broadcast.ended.wait()
    assert [(tag.configuration, tag.keyframe) for tag in broadcast.tags] == [(True, False), (False, True)]


class Doors:
    """Doors that do not do what they should."""

    async def busy(self, key, publisher):
        raise KeyBusy("Somebody else is publishing.")

    async def broken(self, key, publisher):
        raise RuntimeError

    async def failing(self, key, publisher):
        async def take(tags):
            async for _ in tags:
                raise RuntimeError

        return take

    async def unwilling(self, key, publisher):
        async def take(tags):
            async for _ in tags:
                raise CatalogAway("The catalog cannot be reached.")

        return take

    async def leaving(self, key, publisher):
        async def take(tags):
            async for _ in tags:
                return

        return take

    async def closing(self, key, publisher):
        async def take(tags):
            async for _ in tags:
                publisher.close(Ending.ENDED)
                publisher.close(Ending.FAILED)

        return take


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("busy", "NetStream.Publish.BadName"),
        ("broken", "NetStream.Failed"),
        ("failing", "NetStream.Failed"),
        ("unwilling", "NetStream.Failed"),
        ("leaving", "NetStream.Unpublish.Success"),
        ("closing", "NetStream.Unpublish.Success"),
    ],
)
async def test_whatever_the_door_does_the_publisher_is_told(kind, code, notes):
    class Door:
        admit = staticmethod(getattr(Doors(), kind))

    async with receiving(Door()) as receiver, Encoder.to(receiver) as encoder:
        told = await encoder.publish("KEY")
        if told["level"] == "status":
            encoder.send(VIDEO, stream=6)
            told = await encoder.status()
        assert (told["level"], told["code"]) == ("error", code)
        await encoder.over()
    assert ("The catalog cannot be reached." in told["description"]) == (kind == "unwilling")
    assert ("Traceback" in notes.text) == (kind in {"broken", "failing"})


async def test_a_take_that_does_not_end_is_cancelled_in_the_end():
    cancelled = asyncio.Event()

    class Door:
        async def admit(self, key, publisher):
            async def take(tags):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.set()
                    raise

            return take

    limits = Limits(settle_seconds=0.2, farewell_seconds=0.2)
    async with receiving(Door(), limits=limits) as receiver, Encoder.to(receiver) as encoder:
        await encoder.publish("KEY")
        encoder.writer.write_eof()
        async with asyncio.timeout(SOON):
            await cancelled.wait()


async def test_keys_are_never_logged(notes):
    lobby = Lobby("SECRETKEY")
    async with receiving(lobby) as receiver:
        await works(receiver, lobby, key="SECRETKEY")
        async with Encoder.to(receiver) as encoder:
            assert (await encoder.publish("SECRETOTHER"))["code"] == "NetStream.Publish.Unauthorized"
        async with Encoder.to(receiver) as encoder:
            await encoder.publish("SECRETKEY", app="live/SECRETAPP")
    assert "not known here" in notes.text
    assert "publishes" in notes.text
    assert "SECRET" not in notes.text


def test_chunks_written_by_two_hands_agree():
    message = Message(type=chunks.COMMAND, body=bytes(300), time=0x1234567, stream=1)
    assert chunked(message, stream=5) == chunks.write(message, chunk_stream=5, size=128)
