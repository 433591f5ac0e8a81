"""Measure the server's CPU for receiving a file: python -m bench.uploads [MEGABYTES] [FOLDER]."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
BLOCK = os.urandom(MIB)
EDGE = b"--edge"
PART = EDGE + b'\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
TAIL = b"\r\n" + EDGE + b"--\r\n"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(port: int, head: str, size: int, *, before: bytes = b"", after: bytes = b"") -> str:
    """Send one request with `size` bytes of body, and return the head of its answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        announced = size + len(before) + len(after)
        lines = [head, "Host: h", "Tus-Resumable: 1.0.0", f"Content-Length: {announced}", "Connection: close"]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + before)
        for _ in range(size // MIB):
            connection.sendall(BLOCK)
        connection.sendall(after)
        return connection.makefile("rb").read().decode()


def patch(port: int, size: int) -> str:
    created = request(port, f"POST /api/v1/uploads HTTP/1.1\r\nUpload-Length: {size}", 0)
    url = created.partition("Location: ")[2].partition("\r\n")[0]
    kind = "Content-Type: application/offset+octet-stream"
    return request(port, f"PATCH {url} HTTP/1.1\r\n{kind}\r\nUpload-Offset: 0", size)


def post(port: int, size: int) -> str:
    return request(port, "POST /api/v1/assets HTTP/1.1\r\nContent-Type: video/mp4", size)


def form(port: int, size: int) -> str:
    kind = "Content-Type: multipart/form-data; boundary=edge"
    return request(port, f"POST /api/v1/assets HTTP/1.1\r\n{kind}", size, before=PART, after=TAIL)


def floor(folder: Path, size: int) -> float:
    """Return the CPU seconds of writing and syncing as much with no server at all."""
    with (folder / "floor").open("wb", buffering=0) as held:
        began = time.process_time()
        for _ in range(size // MIB):
            held.write(BLOCK)
        os.fdatasync(held.fileno())
        used = time.process_time() - began
    (folder / "floor").unlink()
    return used


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 512) * MIB
    folder = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    argv = [sys.executable, "-m", "tests.flow.upload_site", str(folder / "inbox"), '{"sync_bytes": 33554432}']
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[1])
        print(f"load {os.getloadavg()[0]:.1f}")
        for _ in range(3):
            print(f"{'write, no server':15} {floor(folder, size) * (1 << 30) / size:5.2f} CPU s/GB")
        for name, send in (("tus PATCH", patch), ("POST, raw body", post), ("POST, form", form)) * 3:
            used, began = cpu_seconds(server.pid), time.monotonic()
            answer = send(port, size)
            took, used = time.monotonic() - began, cpu_seconds(server.pid) - used
            assert answer.split()[1] in {"201", "204"}, answer
            peak = Path(f"/proc/{server.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
            print(
                f"{name:15} {used * (1 << 30) / size:5.2f} CPU s/GB {size / MIB / took:6.0f} MB/s"
                f"  peak {int(peak) // 1024} MB"
            )
            for held in (folder / "inbox").iterdir():
                if held.suffix != ".json":
                    held.unlink()
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
