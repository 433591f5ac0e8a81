"""A self-signed certificate for 127.0.0.1, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.media.clients import need


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of the certificate and of its key; skip the test where openssl is missing."""
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names),
            *("-keyout", made[1], "-out", made[0]),
        ],
        check=True,
        capture_output=True,
    )
    return made
