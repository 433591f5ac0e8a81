"""What the admission hook is asked, and what becomes of its answers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from streamer.ingest.errors import KeyUnknown, NotAdmitted, Undecided
from streamer.live.admission import SIGNATURE, Everybody, Hook
from streamer.live.streams import Settings, Stream
from streamer.live.studio import Studio
from streamer.outbound import Outbound, allowance
from streamer.rows import StreamState

STREAM = Stream(
    id="abcdefgh0123",
    title="Evening",
    state=StreamState.IDLE,
    created=0,
    updated=0,
    settings=Settings(),
    asset=None,
)
SECRET = "a secret of some length"  # noqa: S105 - nobody's
NOW = 1_800_000_000_999


@dataclass
class Publisher:
    protocol: str = "rtmps"
    address: str = "203.0.113.7"
    session: str = "9f0c"
    ended: list = field(default_factory=list)

    def close(self, ending):
        self.ended.append(ending)


@dataclass
class Receiver:
    """A hook that answers as the test says."""

    url: str = ""
    status: int = 204
    body: bytes = b""
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((dict(request.headers), await request.read()))
        if self.status == 0:
            await asyncio.Event().wait()
        return web.Response(status=self.status, body=self.body, headers={"Location": "/elsewhere"})

    def hook(self, *, secret: str | None = None, fails_open: bool = False) -> Hook:
        outbound = Outbound(allowance(["127.0.0.1"]))
        return Hook(outbound, self.url, secret=secret, fails_open=fails_open, clock=lambda: NOW)


@pytest.fixture
async def receiver(aiohttp_server):
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{rest:.*}", made.answer)
    made.url = str((await aiohttp_server(app)).make_url("/hook?a=1"))
    return made


async def test_without_a_hook_everybody_comes_in():
    await Everybody().admit(STREAM, Publisher())


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_rule_a_question_names_the_session_and_who_is_admitted_comes_in(receiver, status):
    receiver.status = status
    await receiver.hook().admit(STREAM, Publisher())
    ((headers, body),) = receiver.asked
    assert json.loads(body) == {
        "stream": "abcdefgh0123",
        "title": "Evening",
        "protocol": "rtmps",
        "address": "203.0.113.7",
        "session": "9f0c",
    }
    assert headers["Content-Type"] == "application/json"
    assert SIGNATURE not in headers


async def test_a_request_is_signed_together_with_its_time(receiver):
    await receiver.hook(secret=SECRET).admit(STREAM, Publisher())
    ((headers, body),) = receiver.asked
    expected = hmac.new(SECRET.encode(), b"1800000000." + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"t=1800000000,v1={expected}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 499])
async def test_who_is_not_admitted_hears_why(receiver, status):
    receiver.status, receiver.body = status, json.dumps({"reason": "Only on Sundays."}).encode()
    for fails_open in (False, True):
        with pytest.raises(NotAdmitted, match=r"^Only on Sundays\.$"):
            await receiver.hook(fails_open=fails_open).admit(STREAM, Publisher())


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b"{}", b'{"reason": 7}', b'{"reason": " \\n "}', b"[" * 9000, b"\xff", b"x" * 20_000],
    ids=range(9),
)
async def test_a_refusal_without_a_reason_is_one_too(receiver, body):
    receiver.status, receiver.body = 403, body
    with pytest.raises(NotAdmitted, match="does not admit"):
        await receiver.hook(fails_open=True).admit(STREAM, Publisher())


async def test_a_reason_is_one_short_line(receiver):
    receiver.status = 403
    receiver.body = json.dumps({"reason": "a\r\n\x1b[31mb\x00\u202ec " + "d" * 500}).encode()
    with pytest.raises(NotAdmitted) as refused:
        await receiver.hook().admit(STREAM, Publisher())
    assert refused.value.message == ("a [31mb c " + "d" * 500)[:200]


@pytest.mark.parametrize("status", [302, 500, 503, 0])
async def test_what_is_no_decision_refuses_unless_it_is_to_admit(receiver, status):
    receiver.status = status
    with pytest.raises(Undecided, match="try again"):
        await receiver.hook().admit(STREAM, Publisher())
    await receiver.hook(fails_open=True).admit(STREAM, Publisher())
    assert len(receiver.asked) == 2


@pytest.mark.parametrize("known", [True, False])
async def test_who_is_refused_waits_for_it_whether_the_key_is_known_or_not(known):
    class Keys:
        async def by_key(self, key):
            return STREAM if known else None

    class Nobody:
        async def admit(self, stream, publisher):
            raise NotAdmitted("Not today.")

    delays = []
    rest = dict.fromkeys(
        ("means", "recovery", "succession", "recordings", "markers", "slates", "stills", "vitals")
    )
    delay = lambda: delays.append(1) or 0  # noqa: E731
    studio = Studio(Keys(), None, None, admission=Nobody(), delay=delay, **rest)
    with pytest.raises(NotAdmitted if known else KeyUnknown):
        await studio.admit("key", Publisher())
    assert delays == [1]


async def test_a_hook_that_may_not_be_asked_decides_nothing(receiver, caplog):
    hook = Hook(Outbound(), receiver.url, secret=SECRET, fails_open=False, clock=lambda: NOW)
    with pytest.raises(Undecided):
        await hook.admit(STREAM, Publisher())
    assert receiver.asked == []
    assert "outbound_allow" in caplog.text
    assert SECRET not in caplog.text
