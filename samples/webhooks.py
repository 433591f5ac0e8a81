"""Receive what streamer posts to a webhook: check the signature, drop repetitions, print one line for each.

    STREAMER_OUTBOUND_ALLOW=127.0.0.1 streamer serve
    curl -X POST http://127.0.0.1:8080/api/v1/webhooks -H "Content-Type: application/json" \
        -d '{"url": "http://127.0.0.1:9001/", "events": ["asset.*"]}'
    WEBHOOK_SECRET=whs_… python samples/webhooks.py --port 9001

The secret is in the answer to the second line. This needs aiohttp.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import time
from collections import OrderedDict

from aiohttp import web

OLD_SECONDS = 300
REMEMBERED = 10_000
"""Deliveries that are remembered, so that one that comes again is not taken twice."""


def genuine(header: str, body: bytes, secret: str) -> bool:
    """Say whether a request was signed with the secret, and lately: `t=SECONDS,v1=HEX`, or two of these."""
    fields = [part.partition("=")[::2] for part in header.split(",")]
    moment = dict(fields).get("t", "")
    if not (moment.isdecimal() and abs(time.time() - int(moment)) <= OLD_SECONDS):
        return False
    expected = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    told = [value for name, value in fields if name == "v1"]
    return any(hmac.compare_digest(one.encode(), expected.encode()) for one in told)


class Receiver:
    """Takes deliveries."""

    def __init__(self, secret: str) -> None:
        """Take the webhook's secret."""
        self._secret = secret
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def receive(self, request: web.Request) -> web.Response:
        """Take one delivery: 204 where it is taken, or was before."""
        body = await request.read()
        if not genuine(request.headers.get("Streamer-Signature", ""), body, self._secret):
            return web.Response(status=401, text="This request is not signed as it should be.")
        delivery = request.headers.get("Streamer-Delivery", "")
        if delivery not in self._seen:
            self._seen[delivery] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            print(delivery, body.decode(), flush=True)
        return web.Response(status=204)


def main() -> None:
    """Receive until interrupted."""
    parser = argparse.ArgumentParser(description="Receive what is posted to a webhook.")
    parser.add_argument("--port", type=int, default=9001)
    options = parser.parse_args()
    app = web.Application(client_max_size=1 << 20)
    app.add_routes([web.post("/", Receiver(os.environ["WEBHOOK_SECRET"]).receive)])
    web.run_app(app, host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()
