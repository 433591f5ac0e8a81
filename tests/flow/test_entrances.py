"""Cookies that let viewers in at CloudFront: over the API, and with the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from streamer.destinations import Destination
from tests.flow.published import FILM
from tests.flow.whole_site import API, running
from tests.unit.test_cloudfront import pem

ROOT = Path(__file__).parents[2]


async def test_cookies_are_signed_over_the_api_and_with_the_command(clips, tmp_path):
    key = tmp_path / "key.pem"
    key.write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    entrance = {"url": "https://media.example.org/vod", "key_pair": "K2JCJM", "key_file": str(key)}
    table = {"url": "s3://films/vod", "cloudfront": entrance}
    places = {"cdn": Destination.model_validate(table), "bare": Destination(url="s3://films/bare")}
    async with running(tmp_path / "data", destinations=places) as site:
        asset = (await site.post(clips.make(FILM)))["id"]
        path = f"{API}/{asset}/playback-cookies"
        shown = await site.json("POST", path, json={"destination": "cdn"}, status=201)
        assert shown["playback"]["dash"] == f"https://media.example.org/vod/{asset}/main.mpd"
        await site.json("POST", path, json={"destination": "bare"}, status=404)
        await site.json("POST", path, json={}, status=400)
        await site.json(
            "POST", f"{API}/zzzzzzzzzzzz/playback-cookies", json={"destination": "cdn"}, status=404
        )
        key.unlink()
        failed = await site.json("POST", path, json={"destination": "cdn"}, status=500)
        assert str(key) not in json.dumps(failed)
    key.write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    said = subprocess.run(
        [sys.executable, "-m", "streamer", "token", "cookies", asset, "cdn", "--expires", "30m"],
        env={"STREAMER_DESTINATIONS": json.dumps({"cdn": table}), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.partition("=")[0] for line in said.stdout.splitlines()]
    assert names == [f"Set-Cookie: CloudFront-{name}" for name in ("Policy", "Signature", "Key-Pair-Id")]
    assert f"https://media.example.org/vod/{asset}/main.m3u8" in said.stderr
