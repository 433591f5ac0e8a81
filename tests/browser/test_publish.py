"""Chromium's camera and microphone, which are fakes, published over the WebSocket and over WebRTC."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from aiohttp import web

from streamer.ingest.browser import PATH
from tests.encoder import Lobby
from tests.flow import test_whip as whip
from tests.flow.test_browser_publish import receiving
from tests.media.browser import chromium
from tests.media.reader import read_sound_file
from tests.tagged import Judged, pictures

pytestmark = pytest.mark.browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SECONDS = 4


async def page(_request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>Publish</title>", content_type="text/html")


PAGE = web.get("/", page)
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

CALL = """async ([path, seconds, trickle]) => {
  const media = await navigator.mediaDevices.getUserMedia({
    video: { width: 640, height: 360, frameRate: 20 }, audio: true,
  });
  const peer = new RTCPeerConnection();
  for (const track of media.getTracks()) peer.addTransceiver(track, { direction: "sendonly" });
  const late = [];
  const gathered = new Promise((done) => {
    peer.onicecandidate = (event) => event.candidate ? late.push(event.candidate) : done();
  });
  await peer.setLocalDescription();
  const early = peer.localDescription.sdp;
  await gathered;
  const connected = new Promise((done) => {
    peer.onconnectionstatechange = () => { if (peer.connectionState === "connected") done(); };
  });
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Authorization: "Bearer KEY" },
    body: trickle ? early : peer.localDescription.sdp,
  });
  const session = answer.headers.get("Location");
  const sdp = await answer.text();
  await peer.setRemoteDescription({ type: "answer", sdp });
  const statuses = [answer.status];
  if (trickle) {
    const head = early.match(/a=ice-ufrag:.*\\r\\na=ice-pwd:.*\\r\\n/)[0];
    const lines = late.filter((one) => one.sdpMid === "0").map((one) => `a=${one.candidate}\\r\\n`);
    const patched = await fetch(session, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag" },
      body: `${head}a=mid:0\\r\\n${lines.join("")}a=end-of-candidates\\r\\n`,
    });
    statuses.push(patched.status);
    const restarted = await fetch(session, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag" },
      body: "a=ice-ufrag:another\\r\\na=ice-pwd:anotheranotheranotheran\\r\\n",
    });
    statuses.push(restarted.status);
  }
  await connected;
  await new Promise((done) => setTimeout(done, seconds * 1000));
  statuses.push((await fetch(session, { method: "DELETE" })).status);
  statuses.push((await fetch(session, { method: "DELETE" })).status);
  peer.close();
  return [statuses, sdp];
}"""


@pytest.mark.parametrize("mime", ["video/webm;codecs=h264,opus", "video/webm;codecs=vp8,opus"])
async def test_what_mediarecorder_makes_is_published(mime, tmp_path):
    lobby = Lobby("KEY")

    async with receiving(lobby, more=[PAGE]) as client, chromium(*CAMERA) as browser:
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
    assert [(a, b) for a, b in pairwise(times) if a >= b] == []
    heard = read_sound_file(judged.path)
    assert abs(len(heard.sound) / heard.rate - SECONDS) < 0.5
    assert abs(float(heard.start) - float(times[0])) < 0.2


@pytest.mark.parametrize(
    "trickle", [False, True], ids=["all candidates in the offer", "candidates that come later"]
)
async def test_what_webrtc_sends_is_published(trickle, tmp_path):
    lobby = Lobby("KEY")
    async with whip.receiving(lobby, more=[PAGE]) as (client, _), chromium(*CAMERA) as browser:
        tab = await browser.new_page()
        await tab.goto(str(client._base_url))
        statuses, answer = await tab.evaluate(CALL, [whip.PATH, SECONDS, trickle])
        broadcast = await lobby.entered("KEY")
        async with asyncio.timeout(10):
            await broadcast.ended.wait()
    assert "H264/90000" in answer.partition("m=video")[2].partition("a=rtpmap:")[2].splitlines()[0]
    assert statuses == [201, *([204, 422] if trickle else []), 200, 404]
    judged = Judged(broadcast.tags, tmp_path)
    assert len(judged.shown) == len(pictures(broadcast.tags))
    assert 20 * (SECONDS - 1.5) < len(judged.shown) <= 20 * SECONDS + 10
    times = [time for time, _ in judged.shown]
    assert [(a, b) for a, b in pairwise(times) if a >= b] == []
    heard = read_sound_file(judged.path)
    assert abs(len(heard.sound) / heard.rate - float(times[-1] - times[0])) < 0.5
