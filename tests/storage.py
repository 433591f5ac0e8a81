"""S3 servers of the tests' own, on loopback and in a folder that goes with the test: rclone, and Ceph."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

KEY, SECRET = "streamertests", "notasecretofanybody"
BUCKET = "films"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A server that is up, with the bucket `films`."""

    endpoint: str
    conditional: bool

    @property
    def env(self) -> dict[str, str]:
        """Return the environment in which commands reach it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextlib.contextmanager
def rclone(folder: Path, *, secret: bool = True, port: int = 0) -> Iterator[Storage]:
    """Run rclone's S3 server over a folder, whose folders are buckets; without a secret anybody may read it.

    It checks signatures, and knows neither conditions nor policies.
    """
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).parent / "rclone"
    port = port or free_port()
    argv = [program, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}", "--config", "/dev/null"]
    argv += ["--auth-key", f"{KEY},{SECRET}"] if secret else []
    child = subprocess.Popen(
        [shutil.which("setpriv") or "setpriv", "--pdeathsig=KILL", *argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 20
        while not _answers(port):
            assert child.poll() is None, "rclone ended"
            assert time.monotonic() < until, "rclone does not come up"
            time.sleep(0.02)
        yield Storage(endpoint=f"http://127.0.0.1:{port}", conditional=False)
    finally:
        child.kill()
        child.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
