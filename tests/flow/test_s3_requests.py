"""What is sent to a storage, seen by a receiver that only notes it: signatures, roles, conditions, lapses."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cdn import s3
from cdn.errors import EndpointAway, StorageRefused
from cdn.places import Access
from cdn.s3 import Stamp
from tests.media.certificate import certificate

STAMP = Stamp(media_type="video/mp4", cache_control="public, max-age=1", metadata={"cache-tag": "asset-a"})
ROLE = "arn:aws:iam::123456789012:role/films"
TAKEN = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>TAKEN</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@dataclass
class Noted:
    """What came, as (method, path, headers, body), and what is answered to PUT: 200 unless listed here."""

    came: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    close: bool = False
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    held: bool = False


@contextmanager
def receiver(*, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, Noted]]:
    noted = Noted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self._note()
            noted.arrived.set()
            if noted.held:
                noted.released.wait(20)
            status = noted.answers.pop(0) if noted.answers else 200
            code = {412: "PreconditionFailed", 501: "NotImplemented", 409: "ConditionalRequestConflict"}
            told = f"<Error><Code>{code.get(status, 'Odd')}</Code><Message>no</Message></Error>"
            self._say(status, told if status >= 300 else "")

        def do_POST(self) -> None:
            self._note()
            self._say(200, TAKEN)

        def _note(self) -> None:
            if self.headers.get("Expect"):
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            noted.came.append(
                (self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            self.close_connection = noted.close

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}", noted
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


async def put(endpoint: str, *names: str, access: Access | None = None) -> None:
    async with s3.bucket(access or Access(endpoint=endpoint), "films") as bucket:
        for name in names:
            await bucket.put(name, b"body", STAMP, instead=None)


async def test_over_http_the_body_is_a_part_of_the_signature():
    with receiver() as (endpoint, noted):
        await put(endpoint, "a b/é/0.m4s")
    ((method, path, headers, body),) = noted.came
    assert (method, path, body) == ("PUT", "/films/a%20b/%C3%A9/0.m4s", b"body")
    assert headers["x-amz-content-sha256"] == hashlib.sha256(b"body").hexdigest()
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    for name in ("cache-control", "content-type", "if-none-match", "x-amz-meta-cache-tag"):
        assert name in headers["authorization"]
    assert headers["if-none-match"] == "*"


async def test_over_https_it_is_not_and_the_certificate_is_checked(tmp_path, monkeypatch):
    trusted, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    with receiver(tls=context) as (endpoint, noted):
        with pytest.raises(EndpointAway):
            await put(endpoint, "0.m4s")
        assert noted.came == []
        monkeypatch.setenv("AWS_CA_BUNDLE", str(trusted))
        await put(endpoint, "0.m4s")
    assert noted.came[0][2]["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


async def test_a_role_is_taken_and_its_keys_are_used(monkeypatch):
    with receiver() as (endpoint, noted):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint)
        await put(endpoint, "0.m4s", access=Access(endpoint=endpoint, role=ROLE))
    (asked, sent) = noted.came
    assert b"Action=AssumeRole" in asked[3]
    assert b"role%2Ffilms" in asked[3]
    assert sent[2]["x-amz-security-token"] == "token"
    assert "Credential=TAKEN/" in sent[2]["authorization"]


@pytest.mark.parametrize("refused", [501, 400])
async def test_an_endpoint_without_conditions_is_written_to_without(refused):
    with receiver() as (endpoint, noted):
        noted.answers = [refused, refused]  # to us, and to boto3's client
        if refused == 400:
            with pytest.raises(StorageRefused):
                await put(endpoint, "0.m4s")
            return
        await put(endpoint, "0.m4s", "1.m4s")
    assert ["if-none-match" in headers for _, _, headers, _ in noted.came] == [True, True, False, False]


async def test_what_fails_for_a_moment_is_tried_again():
    with receiver() as (endpoint, noted):
        noted.answers = [503, 503, 200]
        await put(endpoint, "0.m4s")
    assert [path for _, path, _, _ in noted.came] == ["/films/0.m4s"] * 3


async def test_connections_are_kept_and_renewed_when_they_lapse():
    with receiver() as (endpoint, noted):
        noted.close = True
        await put(endpoint, *(f"{n}.m4s" for n in range(20)))
    assert len(noted.came) == 20


async def test_the_loop_goes_on_while_a_request_that_nobody_waits_for_comes_to_its_end():
    with receiver() as (endpoint, noted):
        noted.held = True
        sending = asyncio.create_task(put(endpoint, "0.m4s"))
        await asyncio.to_thread(noted.arrived.wait, 20)
        began = asyncio.get_running_loop().time()
        asyncio.get_running_loop().call_later(0.1, noted.released.set)  # as only a loop that runs can
        for _ in range(3):
            sending.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(sending, return_exceptions=True)
        assert asyncio.get_running_loop().time() - began < 10
