"""The guarded client: where it goes, and that nothing leads it elsewhere."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from streamer.outbound import (
    REDIRECTS,
    AddressRefused,
    Allowance,
    AnswerLarge,
    AnswerLate,
    NoAnswer,
    Outbound,
    allowance,
)

HOME = allowance(["127.0.0.1"])


class Names(AbstractResolver):
    """Resolves every name to one address after another, and the last one for ever."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}
        return [found]

    async def close(self):
        pass


class Canary:
    """A server on loopback that notes who asks."""

    def __init__(self) -> None:
        self.heard: list[web.Request] = []
        self.sent: list[bytes] = []
        self.answer = web.Response(text="hello")
        self.port = 0

    async def hear(self, request: web.Request) -> web.StreamResponse:
        self.heard.append(request)
        self.sent.append(await request.read())
        if request.path == "/hang":
            await asyncio.Event().wait()
        if request.path.startswith("/again"):
            raise web.HTTPFound(f"/again{len(self.heard)}")
        if request.path == "/away":
            raise web.HTTPFound(request.query["to"])
        return web.Response(body=b"x" * 5000 if request.path == "/large" else b"hello")


@pytest.fixture
async def canary(aiohttp_server):
    made = Canary()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.hear)
    made.port = (await aiohttp_server(app)).port
    return made


def get(outbound: Outbound, url: str, *, seconds: float = 5):
    return outbound.get(url, seconds=seconds, most_bytes=1000)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.53",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "127.1",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "localhost",
        "LOCALHOST",
        "①②⑦.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
    ],
)
async def test_no_form_of_loopback_is_asked(canary, host):
    with pytest.raises(AddressRefused):
        await get(Outbound(), f"http://{host}:{canary.port}/")
    assert canary.heard == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
    ],
)
async def test_no_name_leads_to_what_is_not_public(address):
    with pytest.raises(AddressRefused):
        await get(Outbound(resolver=Names(address)), "http://public.example/")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_what_is_public_is_permitted(address):
    assert Allowance().permits("public.example", address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://public.example/",
        "file:///etc/passwd",
        "//public.example/",
        "http://",
        "http://:80/",
        "http://user@public.example/",
        "http://user:secret@public.example/",
        "http://public.example\\@127.0.0.1/",
        "http://public.example:99999/",
    ],
)
async def test_what_is_no_plain_web_address_is_not_asked(url):
    names = Names("127.0.0.1")
    with pytest.raises(AddressRefused):
        await get(Outbound(HOME, resolver=names), url)
    assert names.asked == 0


async def test_what_is_allowed_is_asked_by_network_or_by_name(canary):
    for entry, host in (("127.0.0.0/8", "127.0.0.1"), ("Hooks.Local", "hooks.local")):
        outbound = Outbound(allowance([entry]), resolver=Names("127.0.0.1"))
        answer = await get(outbound, f"http://{host}:{canary.port}/x?y=1")
        assert (answer.status, answer.body) == (200, b"hello")
    with pytest.raises(AddressRefused):
        await get(Outbound(allowance(["hooks.local"])), f"http://127.0.0.1:{canary.port}/")
    assert [request.path_qs for request in canary.heard] == ["/x?y=1"] * 2


async def test_a_name_that_leads_elsewhere_the_second_time_is_resolved_once_for_each(canary):
    names = Names("127.0.0.1", "127.0.0.2")
    outbound = Outbound(HOME, resolver=names)
    url = f"http://flipping.example:{canary.port}/"
    assert (await get(outbound, url)).status == 200
    assert names.asked == 1
    with pytest.raises(AddressRefused):
        await get(outbound, url)
    assert len(canary.heard) == 1


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:{}/",
        "//127.0.0.1:{}/",
        "http://2130706433:{}/",
        "http://a@hooks.local:{}/",
        "ftp://x/",
    ],
)
async def test_a_redirect_is_judged_like_the_first_address(canary, place):
    outbound = Outbound(allowance(["hooks.local"]), resolver=Names("127.0.0.1"))
    with pytest.raises(AddressRefused):
        await get(outbound, f"http://hooks.local:{canary.port}/away?to={place.format(canary.port)}")
    assert len(canary.heard) == 1


async def test_a_few_redirects_are_followed_and_no_more(canary):
    outbound = Outbound(HOME)
    answer = await get(outbound, f"http://127.0.0.1:{canary.port}/away?to=/there")
    assert (answer.status, canary.heard[-1].path) == (200, "/there")
    with pytest.raises(AddressRefused, match="redirects"):
        await get(outbound, f"http://127.0.0.1:{canary.port}/again")
    assert len(canary.heard) == 2 + REDIRECTS + 1


async def test_a_post_goes_where_it_was_sent_and_nowhere_else(canary):
    answer = await Outbound(HOME).post(
        f"http://127.0.0.1:{canary.port}/away?to=/there",
        b'{"a": 1}',
        headers={"Content-Type": "application/json"},
        seconds=5,
        most_bytes=1000,
    )
    assert answer.status == 302
    assert [(request.method, request.content_type) for request in canary.heard] == [
        ("POST", "application/json")
    ]
    assert canary.sent == [b'{"a": 1}']


async def test_no_proxy_of_the_environment_is_used(canary, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with pytest.raises(AddressRefused):
        await get(Outbound(resolver=Names("10.0.0.1")), "http://public.example/")
    assert canary.heard == []


async def test_a_large_answer_and_a_late_one_are_given_up(canary):
    outbound, base = Outbound(HOME), f"http://127.0.0.1:{canary.port}"
    with pytest.raises(AnswerLarge) as large:
        await get(outbound, f"{base}/large")
    assert large.value.status == 200
    with pytest.raises(AnswerLate):
        await get(outbound, f"{base}/hang", seconds=0.2)


async def test_where_nobody_listens_there_is_no_answer(unused_tcp_port):
    with pytest.raises(NoAnswer):
        await get(Outbound(HOME), f"http://127.0.0.1:{unused_tcp_port}/")


@pytest.mark.parametrize("entry", ["", "http://x", "a b", "x:80", "10.0.0.1/8", "user@x"])
def test_what_is_neither_host_nor_network_cannot_be_allowed(entry):
    with pytest.raises(ValueError, match="neither"):
        allowance([entry])
