"""The server's memory while it fills: python -m bench.memory [SECONDS] [FOLDER].

A source of four minutes and one of four hours, each in a server of its own: hours must cost nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from bench._instant_sources import looped
from bench.instant import create, send

RESULTS = Path(__file__).parent / "results" / "memory.json"
MINUTES = {"4 min": 4, "4 h": 240}


def resident(pid: int) -> dict[str, int]:
    """Return a process's memory in kB: all that is resident, and what of it no file stands behind."""
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.search(rf"{name}:\s+(\d+)", text)[1]) for name in ("VmRSS", "RssAnon")}


def helpers(pid: int) -> list[int]:
    """Return the processes under a server that start its children, not those children."""
    listing = ["ps", "-o", "pid=,args=", "--ppid", str(pid)]
    tree = subprocess.run(listing, capture_output=True, text=True, check=False)
    rows = (line.strip().partition(" ") for line in tree.stdout.splitlines())
    return [int(number) for number, _, command in rows if "ffmpeg" not in command]


async def filled(path: Path, data: Path, *, seconds: int) -> dict[str, float]:
    """Upload a file and watch the server for so many seconds of filling; return the most, in MB."""
    argv = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--data", str(data)]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = next(line for line in server.stdout if "http://" in line)
        base = line[line.index("http://") :].strip().rstrip("/")
        most = {"VmRSS": 0, "RssAnon": 0, "helpers": 0}
        async with aiohttp.ClientSession(base) as session:
            address, asset = await create(session, path)
            sending = asyncio.create_task(send(session, address, path))
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                for name, size in resident(server.pid).items():
                    most[name] = max(most[name], size)
                beside = sum(resident(pid)["VmRSS"] for pid in helpers(server.pid))
                most["helpers"] = max(most["helpers"], beside)
                await asyncio.sleep(0.2)
            await sending
            async with session.get(f"/api/v1/assets/{asset}") as shown:
                asset_json = await shown.json()
        done = sum(rung["done"] for rung in asset_json["rungs"])
        return {name: round(size / 1024, 1) for name, size in most.items()} | {"segments": done}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    found = {}
    with tempfile.TemporaryDirectory(prefix="streamer-bench-") as scratch:
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, minutes in MINUTES.items():
            path = folder / f"memory-{minutes}.mp4"
            if not path.exists():
                looped(minutes)(path)
            found[name] = asyncio.run(filled(path, Path(scratch) / f"data-{minutes}", seconds=seconds))
            print(f"{name:6} most MB while filling: {found[name]}", flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
