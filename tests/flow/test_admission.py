"""A hook in a program of its own decides about real encoders."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.flow.on_air import FILM, LIVE, publishing, stream, until
from tests.flow.whole_site import running

HOOK = Path(__file__).parents[2] / "samples" / "admission.py"
SECRET = "a secret that both sides know"  # noqa: S105 - nobody's


@pytest.fixture
def hook(spawn):
    """Return what starts the sample's receiver and returns its address."""

    async def start(*networks: str, secret: str = SECRET) -> str:
        only = [word for network in networks for word in ("--only", network)]
        env = {"STREAMER_LIVE_ADMISSION_SECRET": secret}
        child = await spawn(sys.executable, HOOK, "--port", "0", *only, env=env)
        return (await child.says("http://")).split()[-1]

    return start


def asking(url: str) -> dict:
    return {
        "live_rtmp_port": 0,
        "live_admission_url": url,
        "live_admission_secret": SECRET,
        "outbound_allow": ("127.0.0.1",),
    }


async def test_whom_the_hook_admits_is_on_air(hook, clips, data_dir):
    async with running(data_dir, **asking(await hook("10.0.0.0/8", "127.0.0.0/8"))) as site:
        made = await stream(site)
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)):
            await until(site, made["id"], "live")


@pytest.mark.parametrize(
    ("secret", "says"),
    [(SECRET, "from 127.0.0.1"), ("another secret, longer", "not signed as it should be")],
)
async def test_whom_the_hook_refuses_is_told_why(hook, clips, data_dir, secret, says):
    async with running(data_dir, **asking(await hook("10.0.0.0/8", secret=secret))) as site:
        made = await stream(site)
        async with publishing(made["ingest"]["rtmp"], made["key"], clips.make(FILM)) as process:
            async with asyncio.timeout(20):
                _, said = await process.communicate()
        assert process.returncode != 0
        assert says in said.decode()
        assert (await site.json("GET", f"{LIVE}/{made['id']}"))["state"] == "idle"
