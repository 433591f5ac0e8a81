"""The topology of samples/cluster as processes: its servers and their environment, and its edge in front."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

from tests.edges import EDGES, configured
from tests.flow.cluster_nodes import Nodes
from tests.storage import Storage

HERE = Path(__file__).resolve().parents[2] / "samples/cluster"
_SERVER = re.compile(
    r"^  (?P<host>\w+):\n    <<: \*server\n    environment: \{STREAMER_NODE: (?P<name>\w+),"
    r' STREAMER_NODE_URL: "(?P<url>[^"]+)"\}$',
    re.MULTILINE,
)
_BUCKET = "streamer"


def compose(nodes: Nodes, storage: Storage, folder: Path) -> list[str]:
    """Give a cluster the environment that the compose file has, where hosts are addresses of this machine.

    Return the names of its servers.
    """
    lines = (HERE / "server.env").read_text("utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert given.pop("STREAMER_DATABASE") == "postgresql://streamer:streamer@postgres/streamer"
    assert given.pop("STREAMER_PUBLIC_URL") == "http://localhost:8080"
    for own in ("STREAMER_HOST", "STREAMER_PORT", "STREAMER_DATA", "STREAMER_DRAIN_SECONDS"):
        del given[own]
    for place in ("STREAMER_MEDIA", "STREAMER_UPLOADS"):
        assert f"s3://{_BUCKET}/" in given[place]
        given[place] = given[place].replace("http://bucket:9000", storage.endpoint)
    credentials = {name: value for name, value in storage.env.items() if name != "AWS_ENDPOINT_URL"}
    nodes.settings |= {**given, **credentials}
    servers = [found.groupdict() for found in _SERVER.finditer((HERE / "compose.yaml").read_text("utf-8"))]
    for server in servers:
        host, port = nodes.address(server["name"])
        assert server["url"] == f"http://{server['host']}:8080"
        nodes.own[server["name"]] = {
            "STREAMER_NODE_URL": f"http://{host}:{port}",
            "STREAMER_DATA": str(folder / server["name"]),
        }
    return [server["name"] for server in servers]


@contextlib.asynccontextmanager
async def edge(nodes: Nodes, folder: Path) -> AsyncIterator[str]:
    """Run the edge of the compose file in front of the servers, and yield its address."""
    text = (HERE / "edge.vcl").read_text("utf-8")
    for name, (host, port) in nodes.ports.items():
        before, after = f'.host = "{name}"; .port = "8080";', f'.host = "{host}"; .port = "{port}";'
        assert text.count(before) == 1
        text = text.replace(before, after)
    assert text.count('include "streamer.vcl";') == 1
    async with configured(text.replace("streamer.vcl", str(EDGES / "varnish.vcl")), folder) as address:
        yield address
