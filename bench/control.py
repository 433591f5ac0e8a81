"""Send one event to 5,000 WebSocket clients: `python -m bench.control [CLIENTS]`.

Prints when the last client has it, what a client costs in memory, and what a delivery costs in CPU; then the
same while 20 more clients have stopped reading. Beside ours stand the `websockets` library's broadcast and
picows, installed for the run. Server and clients have a core each, where there are two. Writes
bench/results/control.json.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.origin import pinned, resident, ticks

RESULT = Path(__file__).parent / "results" / "control.json"
ROOT = Path(__file__).parents[1]
EVENTS = 20
PAUSE_SECONDS = 0.3
STUCK = 20
STUFFED = 160  # messages of 60 kB that those who do not read are sent: more than the kernel holds
BAR_MILLISECONDS, BAR_KB = 60, 15
PING = b"\x89\x00"
SUBSCRIBE = '{"type":"subscribe","channel":"%s"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One server, and how its clients come."""

    name: str
    module: str
    argument: str
    deflates: bool
    ours: bool


WAYS = (
    Way(name="streamer, deflated", module="_control_ours", argument="numbered", deflates=True, ours=True),
    Way(
        name="streamer, deflated, hints", module="_control_ours", argument="hinted", deflates=True, ours=True
    ),
    Way(name="streamer, plain", module="_control_ours", argument="numbered", deflates=False, ours=True),
    Way(name="websockets", module="_control_peers", argument="websockets", deflates=False, ours=False),
    Way(
        name="websockets, deflated",
        module="_control_peers",
        argument="websockets-deflate",
        deflates=True,
        ours=False,
    ),
    Way(name="picows", module="_control_peers", argument="picows", deflates=False, ours=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Milliseconds until the last client has an event, CPU of a delivery, memory of a client."""

    p50_ms: float
    max_ms: float
    cpu_us: float
    client_kb: float
    stuck_p50_ms: float
    stuck_max_ms: float
    stuck_growth_mb: float


class Clients:
    """Connections that read whatever comes, and wait for a frame each."""

    def __init__(self, port: int, way: Way) -> None:
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.port = port
        self.way = way

    def add(self, count: int, channel: str = "assets", *, reads: bool = True) -> None:
        """Connect; those that do not read are never looked at again."""
        for _ in range(count):
            one = socket.socket()
            if not reads:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", self.port))
            one.sendall(self._hello(stuck=not reads))
            head = b""
            while b"\r\n\r\n" not in head:
                head += one.recv(4096)
            assert b" 101 " in head, head
            assert (b"permessage-deflate" in head) is self.way.deflates, head
            if self.way.ours:
                one.sendall(_masked(SUBSCRIBE % channel))
                if not reads:
                    one.sendall(_masked(SUBSCRIBE % "assets"))
            one.setblocking(False)
            self.sockets[one.fileno()] = one
            if reads:
                self.poll.register(one, select.EPOLLIN)

    def _hello(self, *, stuck: bool) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        path = "/control" if self.way.ours else "/stuck" if stuck else "/"
        extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"{extension if self.way.deflates else ''}\r\n"
        ).encode()

    def drain(self, seconds: float) -> None:
        """Read what comes, and answer no pings, until nothing comes for so long."""
        while ready := self.poll.poll(seconds):
            for number, _ in ready:
                assert self.sockets[number].recv(1 << 16), "closed"

    def collect(self, count: int) -> int:
        """Read until so many clients have a frame of text; return when the last one had.

        Who waits without a pause has the sender wake it for every frame, at the sender's cost. Clients out in
        the world do not, so this one looks once a millisecond.
        """
        done: set[int] = set()
        while len(done) < count:
            ready = self.poll.poll(20)
            time.sleep(0.001)
            assert ready, f"{count - len(done)} clients got nothing"
            for number, _ in ready:
                data = self.sockets[number].recv(4096).removeprefix(PING)
                if data:
                    assert data[0] in {0x81, 0xC1}, data
                    done.add(number)
        return time.perf_counter_ns()

    def close(self) -> None:
        """Leave."""
        for one in self.sockets.values():
            one.close()
        self.poll.close()


def _masked(said: str) -> bytes:
    payload = said.encode()
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload


class Server:
    """A server as a child, told what to send."""

    def __init__(self, way: Way, python: str, core: list[str]) -> None:
        self.child = subprocess.Popen(
            [*core, python, "-m", f"bench.{way.module}", way.argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.port = int(self._said("port"))

    def tell(self, command: str) -> None:
        """Have the server send something."""
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def sent(self) -> int:
        """Return when the server began with the last command."""
        return int(self._said("sent"))

    def _said(self, word: str) -> str:
        line = self.child.stdout.readline().split()
        assert line[:1] == [word], line
        return line[1]

    def stop(self) -> None:
        """End it at once."""
        self.child.kill()
        self.child.wait()


def measured(server: Server, clients: Clients, count: int) -> tuple[list[float], float]:
    """Return milliseconds to the last delivery of each event, and CPU microseconds of one delivery."""
    taken = []
    before = ticks(server.child.pid)
    for _ in range(EVENTS):
        server.tell("event")
        last = clients.collect(count)
        taken.append((last - server.sent()) / 1e6)
        time.sleep(PAUSE_SECONDS)
    used = (ticks(server.child.pid) - before) / os.sysconf("SC_CLK_TCK")
    return taken, used * 1e6 / EVENTS / count


def run(way: Way, python: str, core: list[str], count: int) -> Found:
    """Measure one server."""
    server = Server(way, python, core)
    clients = Clients(server.port, way)
    try:
        clients.add(10)
        clients.drain(1)
        empty = resident(server.child.pid)
        clients.add(count - 10)
        clients.drain(2)
        taken, cpu = measured(server, clients, count)
        each = (resident(server.child.pid) - empty) / (count - 10)
        clients.add(STUCK, "stuck:0", reads=False)
        time.sleep(0.5)
        before = resident(server.child.pid)
        for _ in range(STUFFED):
            server.tell("stuff")
            server.sent()
        stuck, _ = measured(server, clients, count)
        grown = (resident(server.child.pid) - before) / 1024
    finally:
        clients.close()
        server.stop()
    return Found(
        p50_ms=round(statistics.median(taken), 1),
        max_ms=round(max(taken), 1),
        cpu_us=round(cpu, 1),
        client_kb=round(each * 1.024, 1),
        stuck_p50_ms=round(statistics.median(stuck), 1),
        stuck_max_ms=round(max(stuck), 1),
        stuck_growth_mb=round(grown, 1),
    )


def environment(folder: Path) -> str:
    """Install the others by themselves; return their Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "websockets", "picows"], check=True)
    return python


def main() -> int:
    """Run the comparison; the exit status is 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="?", type=int, default=5000)
    parser.add_argument("--only", help="a part of the names of those to run")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    core = pinned(0)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    ways = [way for way in WAYS if (options.only or "") in way.name]
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        python = sys.executable if all(way.ours for way in ways) else environment(Path(folder) / "venv")
        for way in ways:
            one = found[way.name] = run(way, sys.executable if way.ours else python, core, options.clients)
            print(f"{way.name:26} {one}", flush=True)
    if options.only is None:
        told = {"date": datetime.now(UTC).date().isoformat(), "clients": options.clients}
        RESULT.write_text(
            json.dumps(told | {"ways": {name: asdict(one) for name, one in found.items()}}, indent=1) + "\n"
        )
    ours = found.get("streamer, deflated")
    if ours is None:
        return 0
    held = max(ours.p50_ms, ours.stuck_p50_ms) < BAR_MILLISECONDS and ours.client_kb <= BAR_KB
    print("every bar held" if held else "a bar is missed")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
