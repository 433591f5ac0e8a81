"""A Ceph of the tests' own: one monitor, one disk in a file, and radosgw before them, all on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.ports import free_port
from tests.storage import BUCKET, KEY, SECRET, Storage

_PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_CONFIG = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = {root}/keyring
run_dir = {root}
admin_socket = {root}/$name.asok
log_file = {root}/$name.log
pid_file = {root}/$name.pid
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_max_object_name_len = 256
osd_max_object_namespace_len = 64
mon_data_avail_crit = 1
[mon.a]
mon_data = {root}/mon
[osd.0]
osd_data = {root}/osd
osd_objectstore = bluestore
bluestore_block_size = 8589934592
osd_memory_target = 939524096
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{rgw}
rgw_data = {root}/rgw
"""


@contextlib.contextmanager
def radosgw(root: Path) -> Iterator[Storage]:
    """Run Ceph in an empty folder; skip where it is not installed, or fail under CI=true."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"not installed: {', '.join(missing)}")
        pytest.skip(f"not installed: {', '.join(missing)}")
    port, v1 = free_port(), free_port()
    fsid, disk = str(uuid.uuid4()), str(uuid.uuid4())
    text = _CONFIG.format(root=root, fsid=fsid, v1=v1, v2=free_port(), rgw=port)
    config = root / "ceph.conf"
    config.write_text(text)
    for name in ("mon", "osd", "rgw"):
        (root / name).mkdir()
    ceph = _Ceph(root, config)
    with contextlib.ExitStack() as running:
        ceph.keys()
        ceph.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", _monitors(text), root / "monmap")
        ceph.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", root / "monmap")
        running.enter_context(ceph.daemon("ceph-mon", "-i", "a", "-f"))
        ceph.run("ceph", "osd", "new", disk, "0")
        ceph.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        running.enter_context(ceph.daemon("ceph-osd", "-i", "0", "-f"))
        running.enter_context(ceph.daemon("radosgw", "-n", "client.rgw", "-f"))
        endpoint = f"http://127.0.0.1:{port}"
        _wait(endpoint)
        owner = ("--uid", "tests", "--display-name", "tests", "--access-key", KEY, "--secret-key", SECRET)
        ceph.run("radosgw-admin", "user", "create", *owner)
        _bucket(endpoint)
        yield Storage(endpoint=endpoint, conditional=True)


class _Ceph:
    """Its programs, all with the same configuration."""

    def __init__(self, root: Path, config: Path) -> None:
        self._root = root
        self._config = config

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a program to its end."""
        argv = [program, *arguments]
        if program not in {"ceph-authtool", "monmaptool"}:
            argv[1:1] = ["-c", self._config]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (argv, done.stderr[-2000:])

    def keys(self) -> None:
        """Make one keyring with the keys of all."""
        caps = {
            "mon.": ["mon", "allow *"],
            "client.admin": ["mon", "allow *", "osd", "allow *", "mgr", "allow *"],
            "osd.0": ["mon", "allow profile osd", "osd", "allow *"],
            "client.rgw": ["mon", "allow rw", "osd", "allow rwx"],
        }
        ring = self._root / "keyring"
        self.run("ceph-authtool", "--create-keyring", ring)
        for name, allowed in caps.items():
            pairs = zip(allowed[::2], allowed[1::2], strict=True)
            given = [word for pair in pairs for word in ("--cap", *pair)]
            self.run("ceph-authtool", ring, "--gen-key", "-n", name, *given)

    @contextlib.contextmanager
    def daemon(self, program: str, *arguments: str) -> Iterator[None]:
        """Run a daemon that ends with the block, or with this process."""
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", program, "-c", str(self._config), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            child.kill()
            child.wait()


def _monitors(text: str) -> str:
    return next(line.partition(" = ")[2] for line in text.splitlines() if line.startswith("mon_host"))


def _wait(endpoint: str) -> None:
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(endpoint, timeout=2):
            return
        assert time.monotonic() < until, "radosgw does not come up"
        time.sleep(0.1)


def _bucket(endpoint: str) -> None:
    """Make the bucket; the first one takes seconds, as its pools are made with it."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
