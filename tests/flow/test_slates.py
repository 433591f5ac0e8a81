"""Slates: what is taken of an owner's picture, and that viewers see it."""

from __future__ import annotations

import io
import random
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
from PIL import Image, ImageOps

from packager.process import Spawner
from packager.store import MemoryStore
from streamer.errors import InvalidRequest
from streamer.live.slates import Slates
from tests.flow.on_air import FILM, LIVE, listed, publishing, stream, until, whole
from tests.flow.whole_site import running

COLOURS = ((200, 30, 40), (30, 60, 200))


def picture(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **options) -> bytes:
    """Draw a picture with one colour on the left and another on the right."""
    drawn = Image.new("RGB", (width, height), COLOURS[0])
    drawn.paste(COLOURS[1], (width // 2, 0, width, height))
    file = io.BytesIO()
    (drawn.quantize() if mode == "P" else drawn.convert(mode)).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
async def slates(tmp_path):
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        yield Slates(tmp_path / "slates", spawner)


def near(pixel, colour) -> bool:
    return all(abs(one - other) < 24 for one, other in zip(pixel[:3], colour, strict=True))


@pytest.mark.parametrize(
    ("given", "size", "kind", "mode"),
    [
        ((640, 360), (640, 360), "PNG", "P"),
        ((3840, 2160), (1920, 1080), "JPEG", "RGB"),
        ((1000, 3000), (360, 1080), "PNG", "RGBA"),
        ((1, 1), (1, 1), "PNG", "RGB"),
    ],
)
async def test_a_picture_is_kept_as_a_png_that_fits(slates, given, size, kind, mode):
    await slates.put("s", picture(*given, kind, mode))
    kept = Image.open(io.BytesIO(await slates.of("s")))
    assert (kept.format, kept.mode, kept.size) == ("PNG", "RGB", size)
    if given != (1, 1):
        assert near(kept.getpixel((2, 2)), COLOURS[0])
        assert near(kept.getpixel((size[0] - 3, 2)), COLOURS[1])


async def test_a_photograph_is_shown_upright_and_without_what_else_it_says(slates):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "a secret place"
    body = picture(640, 360, "JPEG", exif=exif)
    assert b"a secret place" in body
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    await slates.put("s", body)
    found = await slates.of("s")
    assert b"secret" not in found
    kept = Image.open(io.BytesIO(found))
    assert kept.size == upright.size == (360, 640)
    assert near(kept.getpixel((180, 10)), upright.getpixel((180, 10)))


def hostile() -> dict[str, bytes]:
    """Return bodies that are no picture, or one that may not be decoded."""
    png = picture(640, 360)
    noise = random.Random(1).randbytes(2000)
    return {
        "nothing": b"",
        "text": b"#EXTM3U\nfile:///etc/passwd",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "gif": picture(64, 64, "GIF"),
        "half": png[: len(png) // 2],
        "noise": png[:8] + noise,
        "jpeg-noise": b"\xff\xd8\xff\xe0" + noise,
        "huge": picture(20_000, 2_000),
        "wide": png[:16] + (0x7FFFFFFF).to_bytes(4) + png[20:],
    }


@pytest.mark.parametrize("name", hostile())
async def test_what_is_no_picture_is_refused_and_the_one_before_stays(slates, name):
    await slates.put("s", picture(64, 64))
    before = await slates.of("s")
    with pytest.raises(InvalidRequest):
        await slates.put("s", hostile()[name])
    assert await slates.of("s") == before


async def test_without_one_of_its_own_a_stream_shows_the_built_in_one(slates, tmp_path):
    built_in = await slates.of("s")
    assert Image.open(io.BytesIO(built_in)).size == (1920, 1080)
    await slates.put("s", picture(64, 64))
    assert await slates.of("s") != built_in == await slates.of("t")
    await slates.drop("s")
    await slates.drop("s")
    assert await slates.of("s") == built_in
    assert list((tmp_path / "slates").iterdir()) == []


async def test_viewers_see_it_when_the_publisher_has_gone(data_dir, clips):
    async with running(data_dir, live_rtmp_port=0) as site:
        made = await stream(site)
        await site.json("PUT", f"{LIVE}/{made['id']}/slate", status=204, data=picture(640, 360))
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
            asset = (await until(site, made["id"], "live"))["asset"]
        await until(site, made["id"], "reconnecting")
        rung = (await site.asset(asset))["rungs"][0]["name"]
        root = f"/v/{asset}/"
        gone = len(whole(await listed(site, f"{root}{rung}.m3u8", whole)))
        found = await listed(site, f"{root}{rung}.m3u8", lambda one: len(whole(one)) >= gone + 2)
        last = whole(found)[-1]
        body = await site.get(root + last.init_section.uri) + await site.get(root + last.uri)
    with av.open(io.BytesIO(body)) as file:
        *_, shown = file.decode(video=0)
    pixels = shown.to_image()
    assert near(pixels.getpixel((10, pixels.height // 2)), COLOURS[0])
    assert near(pixels.getpixel((pixels.width - 10, pixels.height // 2)), COLOURS[1])


async def test_where_media_are_in_a_bucket_it_is_kept_there(tmp_path):
    far = MemoryStore()
    async with Spawner(Path(imageio_ffmpeg.get_ffmpeg_exe())) as spawner:
        slates, other = (Slates(tmp_path / name, spawner, far=far) for name in "ab")
        built_in = await other.of("s")
        await slates.put("s", picture(64, 36, "PNG"))
        assert Image.open(io.BytesIO(await other.of("s"))).size == (64, 36)
        await other.drop("s")
        assert await slates.of("s") == built_in
    assert list(tmp_path.iterdir()) == []
