"""The doors that the configuration opens: RTMPS by a certificate, and what is said where that cannot be."""

from __future__ import annotations

import asyncio
import socket
import subprocess

import pytest

from streamer.config import Config
from streamer.errors import ConfigError
from streamer.live.doors import Doors
from tests.encoder import Lobby
from tests.flow.on_air import FILM, publishing, stream, until
from tests.flow.whole_site import running
from tests.media.certificate import certificate


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


def doors(folder, **settings) -> Doors:
    return Doors(Config(data=folder, **{"live_rtmp_port": "off", **settings}), Lobby("KEY"))


async def test_an_encoder_publishes_over_rtmps_to_a_server_that_it_trusts(data_dir, clips, pem):
    settings = {"live_rtmps_port": 0, "tls_certificate": pem[0], "tls_key": pem[1]}
    async with running(data_dir, **settings) as site:
        made = await stream(site)
        assert "rtmps" in made["ingest"]
        assert "rtmp" not in made["ingest"]
        trusting = ("-tls_verify", "1", "-ca_file", str(pem[0]))
        address = made["ingest"]["rtmps"]
        async with publishing(address, made["key"], clips.make(FILM), *trusting):
            await until(site, made["id"], "live")
        async with publishing(address.replace("rtmps:", "rtmp:"), made["key"], clips.make(FILM)) as plain:
            async with asyncio.timeout(20):
                await plain.wait()
        assert plain.returncode != 0


async def test_both_doors_are_open_and_closed_together(tmp_path, pem):
    both = doors(tmp_path, live_rtmp_port=0, live_rtmps_port=0, tls_certificate=pem[0], tls_key=pem[1])
    assert (both.rtmp, both.rtmps) == (None, None)
    async with both:
        ports = (both.rtmp, both.rtmps)
        assert None not in ports
        for port in ports:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
    assert (both.rtmp, both.rtmps) == (None, None)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_what_does_not_fit_is_said_before_a_door_is_opened(tmp_path, pem, unused_tcp_port):
    locked = tmp_path / "locked.pem"
    locking = ["openssl", "rsa", "-aes128", "-passout", "pass:word", "-in", pem[1], "-out", locked]
    subprocess.run(locking, check=True, capture_output=True)
    cases = [
        ({}, "needs tls_certificate and tls_key"),
        ({"tls_certificate": pem[0]}, "needs tls_certificate and tls_key"),
        ({"tls_certificate": pem[0], "tls_key": tmp_path / "absent.pem"}, "cannot be read"),
        ({"tls_certificate": pem[1], "tls_key": pem[0]}, "are not a certificate"),
        ({"tls_certificate": pem[0], "tls_key": locked}, "without a password"),
    ]
    for settings, said in cases:
        refused = doors(tmp_path, live_rtmp_port=unused_tcp_port, live_rtmps_port=0, **settings)
        with pytest.raises(ConfigError, match=said):
            await refused.__aenter__()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", unused_tcp_port)


async def test_a_port_that_is_taken_opens_no_other_door(tmp_path, pem, unused_tcp_port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = doors(
            tmp_path,
            live_rtmp_port=unused_tcp_port,
            live_rtmps_port=taken.getsockname()[1],
            tls_certificate=pem[0],
            tls_key=pem[1],
        )
        with pytest.raises(ConfigError, match=r"live_rtmps_port: port .* cannot be taken"):
            await refused.__aenter__()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", unused_tcp_port)
