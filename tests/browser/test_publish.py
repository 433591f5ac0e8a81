"""Chromium's camera and microphone, which are fakes, published over the WebSocket."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from aiohttp import web

from streamer.ingest.browser import PATH
from tests.encoder import Lobby
from tests.flow.test_browser_publish import receiving
from tests.media.browser import chromium
from tests.media.reader import read_sound_file
from tests.tagged import Judged, pictures

pytestmark = pytest.mark.browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SECONDS = 4
RECORD = """async ([path, mime, seconds]) => {
  const media = await navigator.mediaDevices.getUserMedia({
    video: { width: 640, height: 360, frameRate: 20 }, audio: true,
  });
  const socket = new WebSocket(path);
  const heard = [];
  await new Promise((done) => { socket.onopen = done; });
  const admitted = new Promise((done) => {
    socket.onmessage = (event) => { heard.push(JSON.parse(event.data).type); done(); };
  });
  socket.send(JSON.stringify({ type: "publish", key: "KEY" }));
  await admitted;
  const recorder = new MediaRecorder(media, { mimeType: mime, videoBitsPerSecond: 1500000 });
  recorder.ondataavailable = (event) => socket.send(event.data);
  const stopped = new Promise((done) => { recorder.onstop = done; });
  recorder.start(100);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  recorder.stop();
  await stopped;
  const closed = new Promise((done) => { socket.onclose = (event) => done(event.code); });
  socket.close();
  return [heard, await closed];
}"""


@pytest.mark.parametrize("mime", ["video/webm;codecs=h264,opus", "video/webm;codecs=vp8,opus"])
async def test_what_mediarecorder_makes_is_published(mime, tmp_path):
    lobby = Lobby("KEY")

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Publish</title>", content_type="text/html")

    async with receiving(lobby, more=[web.get("/", page)]) as client, chromium(*CAMERA) as browser:
        tab = await browser.new_page()
        await tab.goto(str(client._base_url))
        heard, code = await tab.evaluate(RECORD, [PATH, mime, SECONDS])
        broadcast = await lobby.entered("KEY")
        async with asyncio.timeout(10):
            await broadcast.ended.wait()
    assert (heard, code) == (["admitted"], 1000)
    judged = Judged(broadcast.tags, tmp_path)
    assert len(judged.shown) == len(pictures(broadcast.tags))
    assert 20 * (SECONDS - 1) < len(judged.shown) <= 20 * SECONDS + 5
    times = [time for time, _ in judged.shown]
    assert all(a < b for a, b in pairwise(times))
    heard = read_sound_file(judged.path)
    assert abs(len(heard.sound) / heard.rate - SECONDS) < 0.5
    assert abs(float(heard.start) - float(times[0])) < 0.2
