"""Limits around every child, put on in the forked child before it runs anything of its own.

Three means, none of which needs root: resource limits, landlock (files, TCP), seccomp (calls). What the
kernel lacks is left out; `tier` tells which means work here.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from packager import landlock, seccomp

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_AUTOGROUP_TRIES = 3
_AUTOGROUP_PAUSE = 0.1

# What a dynamically linked program opens before its main(), on the distributions we know.
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one child may use. `memory` is bytes of address space, `file_size` bytes of one written file.

    `wall_seconds` is kept by the parent, all else by the kernel; None is no limit.
    """

    memory: int = 1 << 30
    cpu_seconds: int | None = 10
    wall_seconds: float | None = 10
    file_size: int = 0
    open_files: int = 128
    nice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The walls of one child: limits, readable files and folders, one writable folder, what may be run.

    Without `program` the child may start no program at all: it is a function of ours. With `datagrams` it
    may receive and send over UDP, which is what listening for SRT takes.
    """

    limits: Limits
    readable: tuple[Path, ...] = ()
    writable: Path | None = None
    program: Path | None = None
    datagrams: bool = False


def tier() -> str:
    """Name the means that work here: "landlock+seccomp", "landlock", "seccomp", or "rlimit" alone."""
    names = ["landlock"] * bool(landlock.version(_LIBC)) + ["seccomp"] * seccomp.available(_LIBC)
    return "+".join(names) or "rlimit"


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end at once where it has ended already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def enter(box: Box) -> None:
    """Put the walls around this process for good; call it in a single-threaded child. Raise OSError."""
    # Where memory runs out, a child goes before the server does.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
        score.write("500")
    _limit(box.limits)
    if landlock.version(_LIBC):
        landlock.apply(_LIBC, _rules(box))
    if seccomp.available(_LIBC):
        seccomp.apply(_LIBC, seccomp.assemble(may_exec=box.program is not None, datagrams=box.datagrams))


def _limit(limits: Limits) -> None:
    """Set the resource limits. Soft CPU limit first: SIGXCPU tells a time-out from other deaths."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_AS, limits.memory)
    _set(resource.RLIMIT_FSIZE, limits.file_size)
    _set(resource.RLIMIT_NOFILE, limits.open_files)
    if limits.cpu_seconds is not None:
        _set(resource.RLIMIT_CPU, limits.cpu_seconds, grace=1)
    if limits.nice:
        os.nice(limits.nice)
        _give_way(limits.nice)


def _give_way(nice: int) -> None:
    """Make the niceness count towards other sessions too: every child has one of its own.

    With autogroups (sched(7)) the kernel shares the processor between sessions first and looks at niceness
    inside them only. Without privileges it takes one change in a tenth of a second and refuses the others.
    """
    with contextlib.suppress(OSError):  # no such file, or not ours to write
        for _ in range(_AUTOGROUP_TRIES):
            with contextlib.suppress(BlockingIOError):
                Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")
                return
            time.sleep(_AUTOGROUP_PAUSE)


def _set(which: int, soft: int, *, grace: int = 0) -> None:
    """Lower one limit, never above the hard limit that is in force."""
    hard = resource.getrlimit(which)[1]
    top = soft + grace if hard == resource.RLIM_INFINITY else min(soft + grace, hard)
    resource.setrlimit(which, (min(soft, top), top))


def _rules(box: Box) -> list[tuple[Path, int, bool]]:
    """Return landlock's allow-list for a box."""
    rules = [(Path(name), landlock.RUN, False) for name in _SYSTEM]
    rules += [(Path(name), landlock.READ, False) for name in _DEVICES]
    rules[-len(_DEVICES)] = (Path(_DEVICES[0]), landlock.WRITE, False)
    rules += [(path, landlock.READ, True) for path in box.readable]
    if box.writable is not None:
        rules.append((box.writable, landlock.WRITE, True))
    if box.program is not None:
        rules.append((box.program, landlock.RUN, True))
    return rules


def attempt(arguments: Sequence[str], outputs: Sequence[BinaryIO]) -> None:
    """Try what no child may do and write the names of what succeeded, as JSON, to the first output.

    Arguments: a TCP port that listens on the loopback, and a folder to write in.
    """
    port, folder = int(arguments[0]), Path(arguments[1])
    tries: dict[str, Callable[[], object]] = {
        "read /etc/passwd": Path("/etc/passwd").read_bytes,
        "connect": lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close(),
        "open a datagram socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "write a file": lambda: (folder / "escaped").write_bytes(b""),
        "list a folder": lambda: list(folder.iterdir()),
        "run a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - the point of the attempt
    }
    outputs[0].write(json.dumps([name for name, action in tries.items() if _succeeds(action)]).encode())


def _succeeds(action: Callable[[], object]) -> bool:
    """Say whether an action was allowed."""
    try:
        action()
    except OSError:
        return False
    return True
