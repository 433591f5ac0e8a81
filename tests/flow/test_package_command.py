"""`streamer package`: its lines, its exit statuses, stopping and going on, and names of any kind."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.media.clip import FAST, Clip, Sound
from tests.media.timing import constant

SMALL = Clip(
    name="small",
    suffix=".mp4",
    timing=constant(10, 6),
    width=128,
    height=72,
    video=(*FAST, "-pix_fmt", "yuv420p", "-g", "20"),
    sounds=(Sound(codec=("-c:a", "aac", "-b:a", "64k")),),
)
LONG = Clip(
    name="long",
    suffix=".mp4",
    timing=constant(10, 60),
    width=256,
    height=144,
    video=(*FAST, "-pix_fmt", "yuv420p", "-g", "20"),
)
NAMES = {
    "option": "-i.mp4",
    "pattern": "a%03d.mp4",
    "concat": "concat:a|b.mp4",
    "newline": "one\ntwo.mp4",
    "unicode": "é" * 50 + "漢" + "x" * 145 + ".mp4",
    "quotes": 'it\'s "[1:v]" \\; $(x).mp4',
}


@pytest.fixture
def package(spawn, tmp_path):
    """Return what starts the command in the test's folder."""

    async def start(*arguments: str, cwd: Path | None = None, copy: bool = False):
        argv = [sys.executable, "-m", "streamer", "package", *arguments]
        env = {"PYTHONPATH": str(Path(__file__).parents[2]), "NO_COLOR": "1"}
        env["STREAMER_ENCODE_COPY"] = str(copy)
        return await spawn(*argv, env=env, cwd=cwd or tmp_path)

    return start


def lines(child) -> list[dict]:
    return [json.loads(line) for line in child.lines]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of every file under a folder, by its path there."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def is_set(folder: Path) -> bool:
    """Say whether every segment that the media playlists name is there, and nothing is half written."""
    playlists = [path for path in folder.glob("*.m3u8") if path.name != "main.m3u8"]
    named = {
        folder / line
        for path in playlists
        for line in path.read_text().splitlines()
        if line and not line.startswith("#")
    }
    return bool(playlists) and all(path.stat().st_size for path in named) and not leftovers(folder)


def leftovers(folder: Path) -> list[str]:
    """Return files whose names are those of no object: temporary ones."""
    return [name for name in files(folder) if any(part.startswith(".") for part in Path(name).parts)]


@pytest.mark.parametrize("copy", [True, False])
async def test_json_lines_tell_the_whole_story(package, clips, tmp_path, copy):
    child = await package(str(clips.make(SMALL)), "out", "--json", "--preset", "ultrafast", copy=copy)
    assert await child.wait() == 0
    said = lines(child)
    kinds = [line["type"] for line in said]
    assert kinds[0] == "planned"
    assert kinds[-1] == "complete"
    assert {"run.started", "segment", "run.ended"} <= set(kinds)
    planned = said[0]
    stored = {(line["rendition"], line["number"]) for line in said if line["type"] == "segment"}
    assert stored == {(name, n) for name, count in planned["renditions"].items() for n in range(count)}
    assert planned["done"] == dict.fromkeys(planned["renditions"], 0)
    assert planned["uncopied"] == ([] if copy else ["copying is turned off"])
    assert not any(line["failure"] for line in said if line["type"] == "run.ended")
    for line in said:
        if line["type"] == "segment":
            path = tmp_path / "out" / line["generation"] / line["rendition"] / f"{line['number']}.m4s"
            assert path.stat().st_size == line["size"]
    assert is_set(tmp_path / "out")


async def test_an_interrupted_command_goes_on_where_it_stopped(package, clips, tmp_path):
    arguments = (str(clips.make(LONG)), "out", "--json", "--preset", "ultrafast", "--slots", "1")
    child = await package(*arguments)
    await child.says('"type": "segment"')
    child.signal(signal.SIGINT)  # to the whole group, as a terminal does it
    assert await child.wait() == 130
    assert not any('"complete"' in line for line in child.lines)
    assert any("run the same command again" in line for line in child.lines)
    out = tmp_path / "out"
    assert leftovers(out) == []
    assert not (out / "main.m3u8").exists()
    before = {name: known for name, known in files(out).items() if name.endswith((".m4s", "init.mp4"))}
    assert any(name.endswith(".m4s") for name in before)
    again = await package(*arguments)
    assert await again.wait() == 0
    said = lines(again)
    assert sum(said[0]["done"].values()) == sum(name.endswith(".m4s") for name in before)
    assert said[-1]["type"] == "complete"
    after = files(out)
    assert {name: after[name] for name in before} == before
    assert is_set(out)


async def test_a_finished_set_is_left_alone(package, clips, tmp_path):
    arguments = (str(clips.make(SMALL)), "out", "--json", "--preset", "ultrafast")
    assert await (await package(*arguments)).wait() == 0
    before = {name: known for name, known in files(tmp_path / "out").items() if "/" in name}
    again = await package(*arguments)
    assert await again.wait() == 0
    assert not any(line["type"] in {"segment", "run.started"} for line in lines(again))
    assert {name: known for name, known in files(tmp_path / "out").items() if "/" in name} == before


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "playlist"])
async def test_a_wrong_source_is_one_clear_line_and_status_1(kind, package, tmp_path):
    source = tmp_path / f"{kind}.mp4"
    if kind != "missing":
        texts = {"text": "not a video\n" * 99, "empty": "", "playlist": "#EXTM3U\n/etc/passwd\n"}
        source.write_text(texts[kind])
    child = await package(str(source), "out", "--json")
    assert await child.wait() == 1
    assert len(child.lines) == 1
    assert child.lines[0].startswith("error: ")
    assert "Traceback" not in child.output
    assert not list((tmp_path / "out").rglob("*.m*"))


@pytest.mark.parametrize(
    "arguments", [(), ("only.mp4",), ("a.mp4", "out", "--slots", "0"), ("a", "b", "--no")]
)
async def test_wrong_usage_is_status_2(arguments, package):
    child = await package(*arguments)
    assert await child.wait() == 2
    assert "Traceback" not in child.output


@pytest.mark.parametrize("kind", NAMES)
async def test_a_name_is_only_a_name(kind, package, clips, tmp_path):
    shutil.copyfile(clips.make(SMALL), tmp_path / NAMES[kind])
    child = await package("--json", "--preset", "ultrafast", "--", NAMES[kind], "out")
    assert await child.wait() == 0, child.output
    assert lines(child)[-1]["type"] == "complete"
    assert is_set(tmp_path / "out")
