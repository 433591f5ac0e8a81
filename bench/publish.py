"""Compare the cost of publishing many small objects: python -m bench.publish [OBJECTS] [ROUNDS].

Ours against boto3 as it comes in as many threads, and a plain copy to the disk, over the same files. The
storage is nginx, which takes everything and keeps nothing, so that this is the client's cost: over TLS, and
over plain HTTP, where the body's hash has to be part of the signature.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import boto3

from cdn import s3
from cdn.places import Access
from cdn.publish import publish
from cdn.shown import InStore
from packager.store import DiskStore
from tests.media.certificate import certificate
from tests.ports import free_port

SIZE = 500_000
RENDITIONS = 4
NOTHING = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
NGINX = """
user root; worker_processes 1; daemon off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off; client_max_body_size 0; keepalive_requests 1000000; client_body_temp_path {root}/body;
    server {{
        listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {key};
        location / {{
            default_type application/xml;
            if ($request_method = GET) {{ return 200 '{nothing}'; }}
            return 204;
        }}
    }}
}}
"""


async def make(folder: Path, objects: int) -> None:
    """Make a packaged folder with so many segments, in the store's own way: with their hashes beside them."""
    store = DiskStore(folder, sync=lambda _: None)
    names = [f"v{n}" for n in range(RENDITIONS)]
    each = objects // RENDITIONS
    for name in names:
        lines = [f"#EXTINF:4,\ng/{name}/{n}.m4s\n" for n in range(each)]
        await store.put(f"{name}.m3u8", f"#EXTM3U\n{''.join(lines)}#EXT-X-ENDLIST\n".encode())
        for n in range(each):
            await store.put(f"g/{name}/{n}.m4s", os.urandom(SIZE))
    head = "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{name}.m3u8\n" for name in names)
    await store.put("main.m3u8", f"#EXTM3U\n{head}".encode())


async def ours(folder: Path, endpoint: str) -> None:
    async with s3.bucket(Access(endpoint=endpoint), "films") as bucket:
        shown = InStore(DiskStore(folder))
        done = await publish(shown, bucket, prefix="p/", tag="bench", sink=lambda _: None)
    assert done.uploaded == done.objects


def theirs(folder: Path, endpoint: str) -> None:
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")

    def put(path: Path) -> None:
        key = path.relative_to(folder).as_posix()
        client.put_object(Bucket="films", Key=key, Body=path.read_bytes(), ContentType="video/mp4")

    with ThreadPoolExecutor(s3.THREADS) as pool:
        list(pool.map(put, [path for path in folder.rglob("*") if path.is_file()]))


def copy(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as target:
        shutil.copytree(folder, Path(target) / "copy")
        os.sync()


def child(how: str, folder: Path, endpoint: str) -> None:
    """Do it once, and print what it cost from here on: imports do not count."""
    began, before = time.monotonic(), time.process_time()
    if how == "ours":
        asyncio.run(ours(folder, endpoint))
    elif how == "boto3":
        theirs(folder, endpoint)
    else:
        copy(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"cpu": time.process_time() - before, "wall": time.monotonic() - began, "mb": peak}))


def measured(how: str, folder: Path, endpoint: str, ca: Path) -> dict[str, float]:
    argv = [sys.executable, "-m", "bench.publish", "--once", how, str(folder), endpoint]
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_CA_BUNDLE": str(ca)}
    done = subprocess.run(argv, env={**os.environ, **keys}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main() -> None:
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        sys.exit("nginx is missing")
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name), Path(name) / "set"
        asyncio.run(make(folder, objects))
        ca, key = certificate(root)
        http, https = free_port(), free_port()
        config = NGINX.format(root=root, http=http, https=https, certificate=ca, key=key, nothing=NOTHING)
        (root / "nginx.conf").write_text(config)
        server = subprocess.Popen([nginx, "-e", root / "error.log", "-c", root / "nginx.conf"])
        try:
            time.sleep(1)
            compare(
                folder,
                {"https": f"https://127.0.0.1:{https}", "http": f"http://127.0.0.1:{http}"},
                ca,
                rounds,
            )
        finally:
            server.terminate()
            server.wait()


def compare(folder: Path, endpoints: dict[str, str], ca: Path, rounds: int) -> None:
    """Take turns, and print medians."""
    ways = [(how, scheme) for scheme in endpoints for how in ("ours", "boto3")] + [("copy", "")]
    found: dict[tuple[str, str], list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for how, scheme in ways:
            found[how, scheme].append(measured(how, folder, endpoints.get(scheme, ""), ca))
    for (how, scheme), runs in found.items():
        shown = {name: median(run[name] for run in runs) for name in ("cpu", "wall", "mb")}
        cost = f"CPU {shown['cpu']:6.2f} s  wall {shown['wall']:6.2f} s  {shown['mb']:4.0f} MB"
        print(f"{how:>6} {scheme:<6} {cost}")
    for scheme in endpoints:
        pairs = zip(found["ours", scheme], found["boto3", scheme], strict=True)
        ratios = [round(own["cpu"] / other["cpu"], 2) for own, other in pairs]
        print(f"CPU of ours to boto3 over {scheme}: {median(ratios):.2f} {ratios}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        child(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main()
