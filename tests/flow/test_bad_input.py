"""Send what no one should send: each is refused with its cause, within 10 seconds, without a connection."""

from __future__ import annotations

import random
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
import pytest_asyncio

from packager.errors import (
    CodecNotAllowed,
    Encrypted,
    FormatNotAllowed,
    NothingDecodable,
    OverLimit,
    Refused,
)
from packager.probe import Probed, probe
from packager.process import Spawner
from tests.media.clip import Library, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as running:
        yield running


@pytest.fixture
def canary() -> Iterator[int]:
    """Return the port of a listener that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listener.accept()


async def verdict(spawner: Spawner, path: Path) -> Probed:
    """Probe a file; whatever the verdict, it has to come in time."""
    begun = time.monotonic()
    try:
        return await probe(spawner, path)
    finally:
        assert time.monotonic() - begun < 12


HLS = """#EXTM3U
#EXT-X-MEDIA-SEQUENCE:0
#EXTINF:1.0,
{url}
#EXT-X-ENDLIST
"""
POSING = {
    "hls.mp4": HLS,
    "hls-with-mark.mp4": "\ufeff" + HLS,
    "hls-with-blank.mkv": "\n\n" + HLS,
    "concat.mp4": "ffconcat version 1.0\nfile '{url}'\n",
    "list.ts": "[playlist]\nFile1={url}\n",
    "dash.mp4": '<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>',
    "drawing.mp4": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
    "session.mp4": "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "text.mp4": "Hello, this is not a video.\n" * 10,
    "script.mp4": "#!/bin/sh\ncurl {url}\n",
}


@pytest.mark.parametrize("name", POSING)
async def test_text_posing_as_media(spawner, tmp_path, canary: int, name: str):
    path = tmp_path / name
    path.write_text(POSING[name].replace("{url}", f"http://127.0.0.1:{canary}/x.ts"))
    with pytest.raises(FormatNotAllowed):
        await verdict(spawner, path)


async def test_playlist_names_what_it_is(spawner, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_text(HLS)
    with pytest.raises(FormatNotAllowed, match="HLS playlist"):
        await verdict(spawner, path)


async def test_playlist_behind_binary(spawner, tmp_path, canary: int):
    for prefix in (b"\0" * 40, b"RIFF\0\0\0\0AVI GAB2\0", b"\x47" + b"\xff" * 187):
        path = tmp_path / "x.avi"
        path.write_bytes(prefix + HLS.replace("{url}", f"http://127.0.0.1:{canary}/").encode())
        with pytest.raises(Refused):
            await verdict(spawner, path)


async def test_reference_movie(spawner, tmp_path, canary: int):
    """A QuickTime reference movie (rmra) names another address."""
    address = f"http://127.0.0.1:{canary}/x.mov".encode() + b"\0"
    reference = box(b"rdrf", struct.pack(">I4sI", 0, b"url ", len(address)), address)
    path = tmp_path / "x.mov"
    path.write_bytes(box(b"moov", box(b"rmra", box(b"rmda", reference))))
    with pytest.raises(Refused):
        await verdict(spawner, path)


async def test_empty(spawner, tmp_path):
    path = tmp_path / "x.mp4"
    path.touch()
    with pytest.raises(NothingDecodable, match="empty"):
        await verdict(spawner, path)


@pytest.mark.parametrize("seed", range(3))
async def test_noise(spawner, tmp_path, seed: int):
    path = tmp_path / "x.mp4"
    path.write_bytes(random.Random(seed).randbytes(300_000))
    with pytest.raises(Refused):
        await verdict(spawner, path)


async def test_zeros(spawner, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(Refused):
        await verdict(spawner, path)


async def test_gif_bomb(spawner, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"GIF89a" + struct.pack("<HHBBB", 16000, 16000, 0xF0, 0, 0) + bytes(700))
    with pytest.raises(FormatNotAllowed, match="picture"):
        await verdict(spawner, path)


async def test_png(spawner, tmp_path):
    head = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    path = tmp_path / "x.mp4"
    chunk = struct.pack(">I", 13) + b"IHDR" + head + bytes(4)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + zlib.compress(b""))
    with pytest.raises(FormatNotAllowed, match="picture"):
        await verdict(spawner, path)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("huge") / "huge.mp4"
    large = ["-f", "lavfi", "-i", "color=s=16384x8640:r=1", "-frames:v", "1"]
    run(
        [*large, "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p", str(path)]
    )
    return path


async def test_huge_picture(spawner, huge: Path):
    with pytest.raises(OverLimit, match="16384x8640"):
        await verdict(spawner, huge)


async def test_huge_picture_behind_a_small_header(spawner, huge: Path, tmp_path):
    whole = huge.read_bytes()
    path = tmp_path / "x.mp4"
    # The sample entry and the track header claim less than the parameter sets say.
    path.write_bytes(whole.replace(struct.pack(">HH", 16384, 8640), struct.pack(">HH", 160, 90)))
    with pytest.raises(Refused):
        await verdict(spawner, path)


async def test_thousands_of_programs(spawner, tmp_path):
    path = tmp_path / "x.ts"
    path.write_bytes(many_programs(8000))
    with pytest.raises(OverLimit, match="programs"):
        await verdict(spawner, path)


async def test_many_streams(spawner, clips: Library, tmp_path):
    path = tmp_path / "x.mkv"
    run(["-i", str(clips.path("fps25")), *["-map", "0:a"] * 65, "-c", "copy", "-t", "1", str(path)])
    with pytest.raises(OverLimit, match="65 streams"):
        await verdict(spawner, path)


@pytest.mark.parametrize("scheme", ["sinf", "encv"])
async def test_encrypted(spawner, clips: Library, tmp_path, scheme: str):
    path = tmp_path / "x.mp4"
    path.write_bytes(encrypted(clips.path("fps25").read_bytes(), scheme))
    with pytest.raises(Encrypted):
        await verdict(spawner, path)


async def test_encrypted_by_ffmpeg(spawner, clips: Library, tmp_path):
    keys = ["-encryption_key", "00" * 16, "-encryption_kid", "11" * 16]
    for flags in ("faststart", "frag_keyframe+empty_moov"):
        path = tmp_path / "x.mp4"
        options = ["-c", "copy", "-encryption_scheme", "cenc-aes-ctr", *keys, "-movflags", flags]
        run(["-i", str(clips.path("fps25")), *options, str(path)])
        with pytest.raises(Encrypted):
            await verdict(spawner, path)


async def test_scrambled_transport_stream(spawner, clips: Library, tmp_path):
    whole = bytearray(clips.path("mpegts").read_bytes())
    for place in range(3, len(whole), 188):
        whole[place] |= 0xC0
    path = tmp_path / "x.ts"
    path.write_bytes(whole)
    with pytest.raises(Encrypted):
        await verdict(spawner, path)


async def test_frame_a_day_later(spawner, tmp_path):
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in [*range(50), 24 * 3600 * 25]:
            frame = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(OverLimit, match="gap"):
        await verdict(spawner, path)


async def test_header_claims_a_hundred_years(spawner, clips: Library, tmp_path):
    whole = clips.path("mkv").read_bytes()
    place = whole.index(b"\x44\x89\x88") + 3
    path = tmp_path / "x.mkv"
    path.write_bytes(whole[:place] + struct.pack(">d", 136 * 365 * 86400e3) + whole[place + 8 :])
    source = (await verdict(spawner, path)).source
    assert source.duration < 11
    assert any("media end" in warning for warning in source.warnings)


async def test_sample_count_bomb(spawner, clips: Library, tmp_path):
    whole = bytearray(clips.path("fps25").read_bytes())
    place = whole.index(b"stsz")
    whole[place + 8 : place + 16] = struct.pack(">II", 1, 0xFFFFFFFF)
    path = tmp_path / "x.mp4"
    path.write_bytes(whole)
    source = (await verdict(spawner, path)).source
    assert source.video is None
    assert len(source.audio) == 1


async def test_codec_that_is_not_allowed(spawner, tmp_path):
    path = tmp_path / "x.avi"
    run(["-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-c:v", "magicyuv", "-pix_fmt", "gbrp", str(path)])
    with pytest.raises(CodecNotAllowed) as refusal:
        await verdict(spawner, path)
    assert "magicyuv" in refusal.value.evidence


async def test_nothing_but_subtitles(spawner, clips: Library, tmp_path):
    path = tmp_path / "x.mkv"
    run(["-i", str(clips.path("text_srt")), "-map", "0:s", "-c", "copy", str(path)])
    with pytest.raises(NothingDecodable):
        await verdict(spawner, path)


async def test_video_that_does_not_decode_leaves_the_sound(spawner, clips: Library, tmp_path):
    whole = bytearray(clips.path("fps25").read_bytes())
    place = whole.index(b"avcC")
    whole[place + 12 : place + 40] = bytes(28)
    path = tmp_path / "x.mp4"
    path.write_bytes(whole)
    probed = await verdict(spawner, path)
    source, index = probed.source, probed.index
    assert (source.video, index) == (None, None)
    assert len(source.audio) == 1
    assert any("cannot be decoded" in warning for warning in source.warnings)


@pytest.mark.parametrize("kind", ["fps25", "mkv", "mpegts", "avi", "audio_mp3"])
@pytest.mark.parametrize("seed", range(4))
async def test_damaged(spawner, clips: Library, tmp_path, kind: str, seed: int):
    """Random damage gives a source or a refusal, in time, and never anything else."""
    dice = random.Random(seed)
    whole = bytearray(clips.path(kind).read_bytes())
    for _ in range(200):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    path = tmp_path / "x"
    path.write_bytes(whole[: dice.randrange(len(whole) // 2, len(whole))])
    try:
        source = (await verdict(spawner, path)).source
    except Refused:
        return
    assert source.duration > 0


def box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, name) + content


def encrypted(movie: bytes, scheme: str) -> bytes:
    """Return the movie with its video sample entry marked as encrypted; the moov lies at the end."""
    if scheme == "encv":
        return movie.replace(b"avc1\0\0\0\0\0\0\0\1", b"encv\0\0\0\0\0\0\0\1")
    # A sinf in the place of the entry's last box of the same or larger size: here pasp becomes a free one.
    place = movie.index(b"avcC") - 4
    (size,) = struct.unpack_from(">I", movie, place)
    sinf = box(b"sinf", box(b"frma", b"avc1"))
    filler = box(b"free", bytes(size - len(sinf) - 8))
    return movie[:place] + sinf + filler + movie[place + size :]


def many_programs(count: int) -> bytes:
    """Return a transport stream whose program association table announces very many programs."""
    packets = []
    numbers = list(range(1, count + 1))
    each = 40
    sections = [numbers[place : place + each] for place in range(0, count, each)]
    for place, programs in enumerate(sections):
        rows = b"".join(struct.pack(">HH", number, 0xE000 | (32 + number % 8000)) for number in programs)
        last = min(255, len(sections) - 1)
        head = struct.pack(">BHHBBB", 0, 0xB000 | (9 + len(rows)), 1, 0xC1, place % 256, last)
        section = head + rows
        section += struct.pack(">I", crc(section))
        payload = b"\x00" + section
        packets.append((struct.pack(">BHB", 0x47, 0x4000, 0x10 | place % 16) + payload).ljust(188, b"\xff"))
    return b"".join(packets) * 3


def crc(data: bytes) -> int:
    """Return the CRC-32 of MPEG-2 systems."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = ((value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value
