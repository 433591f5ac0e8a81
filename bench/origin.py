"""Compare CPU per request of our origin with nginx's, over the same files in one run.

`python -m bench.origin` prints a table, tells which bar is missed, and writes bench/results/origin.json.
Needs nginx and wrk. Ratios of CPU tell something on a busy machine too; requests a second do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from packager.store import DiskStore
from streamer.origin import Origin, OutsidePlan, Rendered
from tests.ports import free_port

ASSET = "bench0000000"
SIZES = {"2 KB": 2_000, "100 KB": 100_000, "1 MB": 1_000_000, "6 MB": 6_000_000}
# Large objects are few in a second, and 64 connections have to be paid for first.
SECONDS = {"2 KB": 1, "100 KB": 1, "1 MB": 2, "6 MB": 5}
BARS = {"1 MB": 1.5, "6 MB": 1.5}
RESULT = Path(__file__).parent / "results" / "origin.json"
NGINX = """
user root; worker_processes 1; daemon off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  open_file_cache max=512 inactive=60s; open_file_cache_valid 30s;
  default_type video/mp4;
  server {{ listen 127.0.0.1:{port}; location /v/ {{
    alias {root}/store/; add_header Cache-Control "public, max-age=31536000, immutable";
    add_header Access-Control-Allow-Origin "*"; add_header X-Content-Type-Options nosniff;
  }} }}
}}
"""


class Bare:
    """A shelf with nothing on it."""

    async def manifest(self, asset_id: str, key: str) -> Rendered | None:  # noqa: ARG002
        """Return None."""
        return None

    async def want(self, asset_id: str, key: str) -> None:  # noqa: ARG002
        """Refuse."""
        raise OutsidePlan(key)


def key(size: str) -> str:
    return f"g/v/{list(SIZES).index(size)}.m4s"


async def fill(root: Path) -> None:
    store = DiskStore(root)
    for size, length in SIZES.items():
        await store.put(f"{ASSET}/{key(size)}", os.urandom(length))


async def serve(root: Path, port: int) -> None:
    origin = Origin(DiskStore(root), Bare())
    app = web.Application()
    app.add_routes(origin.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def ticks(pid: int) -> int:
    """Return user and system time of a process and its children now alive, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(fields[11]) + int(fields[12]) + sum(ticks(int(child)) for child in children)


def resident(pid: int) -> int:
    """Return resident memory in KiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def measure(pid: int, url: str, size: int, seconds: int) -> tuple[float, float]:
    """Return microseconds of server CPU for each object sent, and objects a second.

    Objects are counted by the bytes that arrived: at the end 64 large ones are on their way.
    """
    before = ticks(pid)
    done = subprocess.run(
        [*pinned(1), "wrk", "-t1", "-c64", f"-d{seconds}s", url], capture_output=True, text=True, check=True
    ).stdout
    assert "Non-2xx" not in done, done
    requests = int(re.search(r"(\d+) requests in", done)[1])
    if size >= 1_000_000:
        number, unit = re.search(r"([\d.]+)([MG]B) read", done).groups()
        requests = float(number) * {"MB": 1 << 20, "GB": 1 << 30}[unit] / size
    used = (ticks(pid) - before) / os.sysconf("SC_CLK_TCK")
    return used * 1e6 / requests, requests / seconds


def pinned(core: int) -> list[str]:
    """Return the prefix that keeps a server on one core and its client on another, where there are two."""
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        return []
    return ["taskset", "-c", str(sorted(os.sched_getaffinity(0))[core])]


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own
                answer.read()
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers at {url}")


def compare(servers: dict[str, tuple[int, int]], rounds: int) -> dict[str, dict]:
    """Take turns between the servers, so that both meet the same neighbours."""
    table = {}
    for size, length in SIZES.items():
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, (pid, port) in servers.items():
                url = f"http://127.0.0.1:{port}/v/{ASSET}/{key(size)}"
                seen[name].append(measure(pid, url, length, SECONDS[size]))
        row = {name: round(statistics.median(cpu for cpu, _ in values), 1) for name, values in seen.items()}
        rate = {name: round(statistics.median(r for _, r in values)) for name, values in seen.items()}
        ratio = round(row["ours"] / row["nginx"], 2)
        table[size] = {"cpu_us": row, "requests_per_second": rate, "ratio": ratio, "bar": BARS.get(size)}
        print(
            f"{size:>7}  ours {row['ours']:8.1f} us  nginx {row['nginx']:8.1f} us  ratio {ratio:5.2f}",
            flush=True,
        )
    return table


def run(rounds: int) -> None:
    for tool in ("nginx", "wrk"):
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            raise SystemExit(f"{tool} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        asyncio.run(fill(root / "store"))
        ports = {"ours": free_port(), "nginx": free_port()}
        (root / "nginx.conf").write_text(NGINX.format(root=root, port=ports["nginx"]))
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        commands = {
            "ours": [
                sys.executable,
                "-m",
                "bench.origin",
                "--serve",
                str(root / "store"),
                str(ports["ours"]),
            ],
            "nginx": [nginx, "-e", f"{root}/error.log", "-c", f"{root}/nginx.conf"],
        }
        children = {name: subprocess.Popen([*pinned(0), *command]) for name, command in commands.items()}
        try:
            for port in ports.values():
                for size in SIZES:
                    wait_for(f"http://127.0.0.1:{port}/v/{ASSET}/{key(size)}")
            servers = {name: (child.pid, ports[name]) for name, child in children.items()}
            table = compare(servers, rounds)
            memory = resident(children["ours"].pid)
        finally:
            for child in children.values():
                child.terminate()
            for child in children.values():
                child.wait()
    RESULT.parent.mkdir(exist_ok=True)
    result = {"date": datetime.now(UTC).date().isoformat(), "rss_kib": memory, "sizes": table}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    missed = [size for size, row in table.items() if row["bar"] and row["ratio"] > row["bar"]]
    print(f"resident {memory} KiB; " + (f"bar missed at {', '.join(missed)}" if missed else "every bar held"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", nargs=2, metavar=("ROOT", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(Path(options.serve[0]), int(options.serve[1])))
    else:
        run(options.rounds)
