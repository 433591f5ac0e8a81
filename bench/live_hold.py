"""Hold playlist requests for one part and release them together; then feed viewers of a live broadcast.

`python -m bench.live_hold` prints how long after the part the last byte of an answer is there, the server's
CPU for each request, and how many viewers a core feeds, each of which asks for a playlist and then for the
part. It writes bench/results/live_hold.json. The server has one core and the viewers another, where there are
two.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from aiohttp import web

from packager.life import Life, frames_of
from packager.parts import Part
from packager.plan import VideoRung
from packager.store import MemoryStore
from streamer.live.delivery import Delivery
from streamer.live.onair import OnAir
from streamer.origin import Origin
from streamer.rows import wall_clock
from tests.ports import free_port

ASSET = "bench0000000"
NAME = "720p"
BAR_MILLISECONDS = 100
PART = Fraction(1, 3)
PART_BYTES = 100_000  # 2.4 Mb/s
RESULT = Path(__file__).parent / "results" / "live_hold.json"


class Bare:
    """A shelf with nothing on it."""

    async def manifest(self, asset_id: str, key: str) -> None:
        """Return None."""

    async def copied(self, asset_id: str, key: str) -> None:
        """Return None."""

    async def want(self, asset_id: str, key: str) -> None:
        """Return, having made nothing."""


class Encoder:
    """Makes parts of no picture at all."""

    def __init__(self, onair: OnAir) -> None:
        frames, parts = frames_of(PART, Fraction(30))
        rung = VideoRung(
            name=NAME,
            width=1280,
            height=720,
            maxrate=2_400_000,
            buffer=2_400_000,
            crf=23,
            preset="veryfast",
            threads=1,
        )
        self.life = Life(
            generation="l1",
            rate=Fraction(30),
            part_frames=frames,
            parts=parts,
            started=wall_clock(),
            first=0,
            video=(rung,),
            audio=None,
        )
        self._onair = onair
        onair.begin(self.life, {NAME: b"init"}, {NAME: "avc1.64001f"})
        self.position = (0, 0)

    def next(self) -> None:
        """Make the next part."""
        segment, number = self.position
        last = number + 1 == self.life.parts
        part = Part(
            rendition=NAME,
            segment=segment,
            number=number,
            begin=self.life.border(NAME, segment, number),
            end=self.life.border(NAME, segment, number + 1),
            independent=number == 0,
            last=last,
            body=os.urandom(PART_BYTES),
        )
        self.position = (segment + 1, 0) if last else (segment, number + 1)
        self._onair.take(part)
        if last:
            self._onair.stored("l1", NAME, segment)


async def serve(port: int) -> None:
    """Serve, and obey: every line of the input makes parts, and its answer says when and what comes next."""
    onair = OnAir(ASSET, window=600)
    encoder = Encoder(onair)
    store = MemoryStore()
    delivery = Delivery(lambda _: onair, store)
    app = web.Application()
    app.add_routes(Origin(store, Bare(), live=delivery).routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    pacing: asyncio.Task[None] | None = None
    while line := await lines.readline():
        if line == b"pace\n":
            pacing = asyncio.create_task(paced(encoder))
        elif line == b"rest\n" and pacing is not None:
            pacing.cancel()
        else:
            for _ in range(int(line)):
                encoder.next()
        print(time.monotonic_ns(), *encoder.position, flush=True)


async def paced(encoder: Encoder) -> None:
    """Make parts in real time."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += float(encoder.life.part_seconds)
        await asyncio.sleep(due - loop.time())
        encoder.next()


@dataclass
class Server:
    """The child that serves."""

    child: subprocess.Popen[bytes]
    port: int

    def tell(self, word: str) -> tuple[int, int, int]:
        """Send a command; return (nanoseconds at which it was done, segment, part that comes next)."""
        self.child.stdin.write(f"{word}\n".encode())
        self.child.stdin.flush()
        moment, segment, part = map(int, self.child.stdout.readline().split())
        return moment, segment, part

    def cpu(self) -> float:
        """Return the seconds of processor time used so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Viewer:
    """One connection; reads an answer at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self._left = -1
        self._head = b""

    def ask(self, key: str) -> None:
        """Send a request."""
        self.socket.send(f"GET /v/{ASSET}/{key} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        self._left, self._head = -1, b""

    def read(self) -> bool:
        """Take what is there; say whether the answer is complete."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        if not data:
            raise SystemExit("the server has closed a connection")
        if self._left >= 0:
            self._left -= len(data)
            return self._left == 0
        self._head += data
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        self._left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) - len(body)
        return self._left == 0


def playlist(segment: int, part: int) -> str:
    return f"{NAME}.m3u8?_HLS_msn={segment}&_HLS_part={part}&_HLS_skip=YES"


def together(server: Server, viewers: list[Viewer], rounds: int) -> dict[str, float]:
    """Hold one request of everybody for the next part, release it, and wait for every last byte."""
    by_number = {viewer.socket.fileno(): viewer for viewer in viewers}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    server.tell("20")
    rows, cost = [], []
    for _ in range(rounds):
        _, segment, part = server.tell("0")
        before = server.cpu()
        for viewer in viewers:
            viewer.ask(playlist(segment, part))
        while server.cpu() != (used := server.cpu()) or not settled(server, used):
            pass
        released, _, _ = server.tell("1")
        times = []
        while len(times) < len(viewers):
            for number, _ in poll.poll(10):
                if by_number[number].read():
                    times.append((time.monotonic_ns() - released) / 1e6)
        settled(server, server.cpu())
        cost.append((server.cpu() - before) * 1e6 / len(viewers))
        rows.append((percentile(times, 50), percentile(times, 99)))
    return {
        "viewers": len(viewers),
        "p50_ms": round(statistics.median(row[0] for row in rows), 1),
        "p99_ms": round(statistics.median(row[1] for row in rows), 1),
        "worst_p99_ms": round(max(row[1] for row in rows), 1),
        "cpu_us": round(statistics.median(cost), 1),
    }


def settled(server: Server, used: float) -> bool:
    """Say whether the server has had nothing to do for a moment."""
    time.sleep(0.1)
    return server.cpu() - used < 0.01


def sustained(server: Server, viewers: list[Viewer], seconds: int) -> dict[str, float]:
    """Let everybody follow the broadcast: the playlist that has the next part, then the part."""
    by_number = {viewer.socket.fileno(): viewer for viewer in viewers}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    _, segment, part = server.tell("pace")
    wanted = dict.fromkeys(by_number, (segment, part))
    waits_for_part = dict.fromkeys(by_number, False)
    for viewer in viewers:
        viewer.ask(playlist(segment, part))
    parts = int(2 / PART)
    arrived: dict[tuple[int, int], list[float]] = {}
    before, began, own = server.cpu(), time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        for number, _ in poll.poll(1):
            viewer = by_number[number]
            if not viewer.read():
                continue
            segment, part = wanted[number]
            if waits_for_part[number]:
                arrived.setdefault((segment, part), []).append(time.monotonic() * 1000)
                wanted[number] = (segment + 1, 0) if part + 1 == parts else (segment, part + 1)
                viewer.ask(playlist(*wanted[number]))
            else:
                viewer.ask(f"l1/{NAME}/{segment}.{part}.m4s")
            waits_for_part[number] = not waits_for_part[number]
    taken = time.monotonic() - began
    share = (server.cpu() - before) / taken
    server.tell("rest")
    spreads = [max(row) - min(row) for row in arrived.values() if len(row) == len(viewers)]
    return {
        "viewers": len(viewers),
        "core": round(share, 3),
        "client_core": round((time.process_time() - own) / taken, 3),
        "spread_ms": round(statistics.median(spreads), 1),
        "parts_seen_by_all": len(spreads),
        "viewers_per_core": round(len(viewers) / share),
    }


def percentile(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def pinned(core: int) -> list[str]:
    """Return the prefix that keeps a child on one core, where there are two."""
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        return []
    return ["taskset", "-c", str(sorted(os.sched_getaffinity(0))[core])]


def run(held: int, watching: int, *, rounds: int, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    port = free_port()
    command = [*pinned(0), sys.executable, "-m", "bench.live_hold", "--serve", str(port)]
    if len(os.sched_getaffinity(0)) >= 2:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[1]})
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server = Server(child=child, port=port)
    try:
        server.tell("0")
        together_row = together(server, [Viewer(port) for _ in range(held)], rounds)
        print(together_row, flush=True)
        sustained_row = sustained(server, [Viewer(port) for _ in range(watching)], seconds)
        print(sustained_row, flush=True)
    finally:
        child.terminate()
        child.wait()
    RESULT.parent.mkdir(exist_ok=True)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "together": together_row,
        "sustained": sustained_row,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    missed = together_row["p99_ms"] > BAR_MILLISECONDS
    print("bar missed: last bytes come late" if missed else "every bar held")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--held", type=int, default=2000)
    parser.add_argument("--watching", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
    else:
        run(options.held, options.watching, rounds=options.rounds, seconds=options.seconds)
