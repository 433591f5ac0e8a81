"""Decide who may publish: a web hook that admits publishers from some networks, and tells others why not.

    python samples/admission.py --port 9000 --only 192.168.0.0/16
    STREAMER_LIVE_ADMISSION_URL=http://127.0.0.1:9000/ STREAMER_OUTBOUND_ALLOW=127.0.0.1 streamer serve

Where both sides know a secret, in STREAMER_LIVE_ADMISSION_SECRET, nobody else can ask.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from typing import Any

OLD_SECONDS = 300
BODY_MOST = 1 << 16


def genuine(header: str, body: bytes, secret: str) -> bool:
    """Say whether a request was signed with the secret, and lately: `t=SECONDS,v1=HEX`."""
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    moment, told = fields.get("t", ""), fields.get("v1", "")
    if not (moment.isdecimal() and abs(time.time() - int(moment)) <= OLD_SECONDS):
        return False
    expected = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(told.encode(), expected.encode())


class Decide(BaseHTTPRequestHandler):
    """Answers one request: 204 admits, 403 refuses with a reason that the encoder shows."""

    def __init__(self, networks: list[str], *given: Any) -> None:
        """Take from where publishers may come."""
        self.networks = [ip_network(network) for network in networks]
        super().__init__(*given)

    def do_POST(self) -> None:
        """Decide about the publisher in the body."""
        body = self.rfile.read(min(int(self.headers["Content-Length"] or 0), BODY_MOST))
        secret = os.environ.get("STREAMER_LIVE_ADMISSION_SECRET")
        if secret and not genuine(self.headers["Streamer-Signature"] or "", body, secret):
            self.say(401, "This request is not signed as it should be.")
            return
        asked = json.loads(body)
        if any(ip_address(asked["address"]) in network for network in self.networks):
            self.say(204)
        else:
            self.say(403, f"Nobody publishes “{asked['title']}” from {asked['address']}.")

    def say(self, status: int, reason: str = "") -> None:
        """Answer with a status, and a reason where there is one."""
        body = json.dumps({"reason": reason}).encode() if reason else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Decide until interrupted."""
    parser = argparse.ArgumentParser(description="Admit publishers from some networks.")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    parser.add_argument("--only", action="append", default=[], metavar="NETWORK")
    options = parser.parse_args()
    with HTTPServer(("127.0.0.1", options.port), partial(Decide, options.only)) as server:
        print(f"deciding at http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
