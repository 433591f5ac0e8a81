"""The proxies that cdn/edges has configurations for, as Debian packages them, before a server under test."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.media.certificate import certificate
from tests.media.clients import need
from tests.ports import free_port
from tests.spawn import Nursery

EDGES = Path(__file__).parents[1] / "cdn/edges"
Edge = Callable[[str, Path], contextlib.AbstractAsyncContextManager[str]]
"""Given a server's address and a folder of its own, runs in front of it and yields its own address."""

_SECRET = "put a long random secret here"  # noqa: S105 - as the configurations come

_NGINX = """{user}worker_processes 1; daemon off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {configuration}
}}
"""


@asynccontextmanager
async def nginx(server: str, folder: Path, *, extra: str = "", secret: str = _SECRET) -> AsyncIterator[str]:
    """Run nginx; `extra` are directives for its server block, `secret` is what it says to the server."""
    port = free_port()
    configuration = changed(
        EDGES / "nginx.conf",
        {
            "127.0.0.1:8080": urlsplit(server).netloc,
            "listen 80;": f"listen 127.0.0.1:{port}; {extra}",
            "/var/cache/streamer ": f"{folder}/cache ",
            "/var/cache/streamer-tokens": f"{folder}/tokens",
            _SECRET: secret,
        },
    )
    user = "user root; " if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(_NGINX.format(user=user, folder=folder, configuration=configuration))
    async with _running(port, need("nginx"), "-e", "stderr", "-c", path) as address:
        yield address


@asynccontextmanager
async def varnish(server: str, folder: Path, *, secret: str = _SECRET) -> AsyncIterator[str]:
    """Run Varnish; `secret` is what it says to the server."""
    changes = {'"8080"': f'"{urlsplit(server).port}"', _SECRET: secret}
    async with configured(changed(EDGES / "varnish.vcl", changes), folder) as address:
        yield address


@asynccontextmanager
async def configured(configuration: str, folder: Path) -> AsyncIterator[str]:
    """Run Varnish with a text as its configuration."""
    port = free_port()
    path = folder / "varnish.vcl"
    path.write_text(configuration)
    argv = (
        "-F",
        "-p",
        "thread_pool_min=200",
        "-p",
        "cc_command=exec gcc -O0 -fpic -shared -Wl,-x -o %o %s",
        "-a",
        f"127.0.0.1:{port}",
        "-f",
        path,
        "-n",
        folder / "varnish",
        "-s",
        "malloc,64M",
    )
    # Its own jail wants users that a test's machine may lack, and folders that others may read.
    async with _running(port, need("varnishd"), "-j", "none", *argv) as address:
        yield address


@asynccontextmanager
async def caddy(server: str, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Run Caddy; yield its address, which is https, and the certificate that it shows."""
    port = free_port()
    shown, key = await asyncio.to_thread(certificate, folder)
    configuration = changed(
        EDGES / "Caddyfile",
        {
            "media.example.org {": f"https://127.0.0.1:{port} {{\n\ttls {shown} {key}",
            "reverse_proxy 127.0.0.1:8080": f"reverse_proxy {urlsplit(server).netloc}",
        },
    )
    path = folder / "Caddyfile"
    path.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + configuration)
    argv = (need("caddy"), "run", "--config", path, "--adapter", "caddyfile")
    async with _running(port, *argv, env={"HOME": str(folder), "XDG_DATA_HOME": str(folder)}):
        yield f"https://127.0.0.1:{port}", shown


def changed(path: Path, changes: dict[str, str]) -> str:
    """Return a configuration with each text, which is in it once, replaced by another."""
    text = path.read_text(encoding="utf-8")
    for before, after in changes.items():
        assert text.count(before) == 1, f"{path.name} has not one {before}"
        text = text.replace(before, after)
    return text


@asynccontextmanager
async def _running(port: int, *argv: str | Path, env: dict[str, str] | None = None) -> AsyncIterator[str]:
    nursery = Nursery()
    try:
        child = await nursery.start(*argv, env=env)
        await _until_connected(port, alive=lambda: child.process.returncode is None)
        yield f"http://127.0.0.1:{port}"
    finally:
        await nursery.close()


async def _until_connected(port: int, *, alive: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while True:
            assert alive(), "the proxy has ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """Listen on a port, take what comes, and never answer; yield the address."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while await reader.read(1 << 16):
                pass

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
