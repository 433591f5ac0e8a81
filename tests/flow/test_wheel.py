"""The wheel alone, installed outside the checkout, carries the player and does the main job."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.media import clients
from tests.media.clip import Library
from tests.media.sources import KINDS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 280


def _run(*argv: str | Path, cwd: Path) -> str:
    # -I and an empty PYTHONPATH: nothing of the checkout may be found by chance.
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        cwd=folder,
        check=True,
        timeout=PATIENCE,
    )
    (built,) = folder.glob("streamer-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, which borrows only what the wheel depends on."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=60)
    python = home / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *install], check=True, timeout=PATIENCE
    )
    # A line of a .pth file is put on the path, but .pth files found there are not obeyed: the checkout's
    # editable install stays out of sight.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def test_the_wheel_carries_the_player_and_nothing_to_build_it_with(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "player/dist/manifest.json" in names
    assert any(name.startswith("player/dist/assets/") and name.endswith(".js") for name in names)
    for package in ("streamer", "packager", "cdn", "player"):
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    strangers = ("player/src/", "player/node_modules/", "tests/", "bench/")
    assert [name for name in names if name.startswith(strangers)] == []


def test_the_installed_package_is_the_wheels(python: Path, tmp_path: Path) -> None:
    says = (
        "import streamer, packager, cdn, player; print(streamer.__file__, packager.__file__, player.__file__)"
    )
    places = _run(python, "-c", says, cwd=tmp_path).split()
    assert all(Path(place).is_relative_to(python.parents[1]) for place in places)


async def test_the_main_job_runs_from_the_wheel(python: Path, clips: Library, tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out"
    shutil.copyfile(clips.path("fps25"), source)
    out = _run(python, "-m", "streamer", "package", source, target, "--json", cwd=tmp_path)
    lines = [json.loads(line) for line in out.splitlines() if line.strip()]
    assert lines
    assert all(isinstance(line, dict) for line in lines)
    frames = len(KINDS["fps25"].frames)
    for name in ("main.m3u8", "main.mpd"):
        played = await clients.ffmpeg(str(target / name))
        assert (played.status, played.frames) == (0, frames), played.log
