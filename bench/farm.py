"""Measure the distributed farm: two workers against one, both against one bare ffmpeg, and 100 on paper.

`python -m bench.farm [SOURCE] [--minutes N]` starts PostgreSQL, a server and workers of one slot, each pinned
to a core of its own, and takes fill times from the run rows and CPU from the workers' process trees. The
recorded Run times then drive a simulation (bench/_simulation.py). It needs PostgreSQL's programs, and two
cores that do nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench._simulation import simulate, times
from bench.vod import FFMPEG, bare, planned
from tests.postgres import running_postgres

ROOT = Path(__file__).parent.parent
RESULT = Path(__file__).parent / "results" / "farm.json"
TIME_BAR, CPU_BAR = 0.55, 1.10
RUNS = "SELECT first, last, rungs, started, ended FROM streamer.run WHERE state = 'done' ORDER BY started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What filling one asset took: seconds from the first Run's begin to the last one's end, and of CPU."""

    wall: float
    cpu: float
    runs: list[tuple[tuple[str, ...], int, float]]


@contextmanager
def program(*argv: str, env: dict[str, str], core: int | None, log: Path):
    """Run a command of ours on one core, and stop it."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*pin, sys.executable, "-m", "streamer", *argv],
            env={**os.environ, **env},
            stdout=out,
            stderr=out,
            cwd=ROOT,
        )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            child.wait()


def spent_by(pid: int) -> float:
    """Return the seconds of CPU that a process, its children and those they have reaped have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(spent_by(int(child)) for child in children)


def said(log: Path, text: str) -> str:
    """Wait for a line of a program's output."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = next((line for line in log.read_text().splitlines() if text in line), None)
        if found is not None:
            return found
        time.sleep(0.05)
    raise SystemExit(f"{log.read_text()}\nnever said {text!r}")


def fill(url: str, source: Path, base: Path, *, workers: int) -> Filled:
    """Let so many workers of one slot make a video, each on its core."""
    base.mkdir()
    env = {
        "STREAMER_DATABASE": url,
        "STREAMER_DATA": str(base / "data"),
        "STREAMER_FARM": "workers",
        "STREAMER_ENCODE_COPY": "false",
    }
    used = 0.0
    with program("serve", "--port", "0", env=env, core=None, log=base / "server"):
        address = re.search(r"http://\S+", said(base / "server", "http://"))[0]
        children = []
        for number in range(workers):
            log = base / f"worker-{number}"
            running = program("worker", "--slots", "1", "--json", env=env, core=number, log=log)
            children.append((running, running.__enter__()))
            said(log, "worker.ready")
            used -= spent_by(children[-1][1].pid)  # what starting it costs, once
        identity = post(address, source)
        while (state := asset(address, identity)["state"]) != "complete":
            if state == "failed":
                raise SystemExit(asset(address, identity)["failure"])
            time.sleep(0.5)
        for _, child in children:
            child.send_signal(signal.SIGTERM)
            _, _, rusage = os.wait4(child.pid, 0)
            child.returncode = 0
            used += rusage.ru_utime + rusage.ru_stime
    with psycopg.connect(url) as connection:
        rows = connection.execute(RUNS).fetchall()
    runs = [(tuple(names), last - first + 1, (e - s) / 1000) for first, last, names, s, e in rows]
    wall = (max(row[4] for row in rows) - min(row[3] for row in rows)) / 1000
    return Filled(wall=wall, cpu=used, runs=runs)


def post(address: str, source: Path) -> str:
    """Upload a file as a form does; return the asset's id."""
    edge = "bench-farm"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{source.name}"\r\n\r\n'
    body = head.encode() + source.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/api/v1/assets", body, {"Content-Type": f"multipart/form-data; boundary={edge}"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)["id"]


def asset(address: str, identity: str) -> dict:
    with urllib.request.urlopen(f"{address}/api/v1/assets/{identity}") as answer:  # noqa: S310
        return json.load(answer)


def main() -> int:
    """Measure; the exit status is 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=ROOT / "samples" / "bbb-480p-30s.mp4")
    parser.add_argument("--minutes", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_postgres() as server:
        base = Path(folder)
        long = base / "long.mp4"
        looped = [FFMPEG, "-v", "error", "-stream_loop", "-1", "-i", str(options.source)]
        subprocess.run([*looped, "-t", str(60 * options.minutes), "-c", "copy", str(long)], check=True)
        alone = base / "bare"
        alone.mkdir()
        spent = bare(long, alone, planned(long))
        filled = {count: fill(server.create(), long, base / str(count), workers=count) for count in (1, 2)}
    ratio = filled[2].wall / filled[1].wall
    overhead = {count: one.cpu / spent.cpu for count, one in filled.items()}
    print(f"bare      {spent.cpu:7.1f} s CPU")
    for count, one in filled.items():
        print(
            f"{count} workers {one.cpu:7.1f} s CPU {one.wall:7.1f} s to fill, {overhead[count]:.3f} of bare"
        )
    print(f"two against one: {ratio:.3f} of the time (bar {TIME_BAR}); CPU bar {CPU_BAR}")
    recorded = times(filled[2].runs)
    paper = {
        f"{workers} workers": simulate(recorded, workers=workers, hours=1, seek_seconds=1.0)
        for workers in (1, 10, 100)
    }
    for name, row in paper.items():
        print(f"on paper, an hour of video, a seek a second, {name}: {row}")
    RESULT.write_text(
        json.dumps(
            {
                "date": datetime.now(UTC).date().isoformat(),
                "minutes": options.minutes,
                "load": os.getloadavg()[0],
                "bare_cpu": spent.cpu,
                "workers": {str(count): {"cpu": one.cpu, "wall": one.wall} for count, one in filled.items()},
                "time_ratio": ratio,
                "cpu_ratio": overhead,
                "simulation": paper,
            },
            indent=1,
        )
        + "\n"
    )
    return 0 if ratio <= TIME_BAR and max(overhead.values()) <= CPU_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
