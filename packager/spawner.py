"""A small single-threaded process that starts every child: `python -m packager.spawner DESCRIPTOR`.

A server with threads must neither fork nor run code between fork and exec. This process may: it has one
thread, and little memory, so that a fork is cheap. Functions of ours are called in forks of a second such
process, which has PyAV and numpy loaded and gets its requests from the first. Both speak JSON over a Unix
SEQPACKET socket; pipes come along as SCM_RIGHTS, `targets` are their numbers in the child:

    -> {"id", "function", "argv", "targets", "box", "env"}
    <- {"id", "pid"} or {"id", "error"}
    -> {"id", "signal"}                                to the child's process group
    -> {"id", "nice"}                                  for the child's process group
    <- {"id", "status", "cpu_seconds", "max_rss"}      a negative status is a signal

When the other end closes, every child is killed and this process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from packager.sandbox import Box, Limits, die_with, enter

MESSAGE = 128 * 1024
CANNOT_START = 126

_PRELOADED = ("packager.inspection", "packager.tracking")
_PIPES = 64


def box_to_json(box: Box) -> dict[str, Any]:
    """Return a box as JSON values."""
    limits = box.limits
    return {
        "limits": {name: getattr(limits, name) for name in Limits.__slots__},
        "readable": [str(path) for path in box.readable],
        "writable": None if box.writable is None else str(box.writable),
        "program": None if box.program is None else str(box.program),
        "datagrams": box.datagrams,
    }


def _box_from_json(value: Mapping[str, Any]) -> Box:
    """Return the box that `box_to_json` wrote."""
    return Box(
        limits=Limits(**value["limits"]),
        readable=tuple(Path(name) for name in value["readable"]),
        writable=None if value["writable"] is None else Path(value["writable"]),
        program=None if value["program"] is None else Path(value["program"]),
        datagrams=value["datagrams"],
    )


class Spawning:
    """The loop of the process: requests in, children out, exits reported.

    Requests for functions go on to `loaded` where there is such a process.
    """

    def __init__(self, wire: socket.socket, loaded: socket.socket | None = None) -> None:
        self._wire = wire
        self._loaded = loaded
        self._passed_on: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, int] = {}
        self._paused: set[int] = set()

    def run(self) -> None:
        """Serve until the other end closes, then kill what is left."""
        ours, wakeup = socket.socketpair()
        for end in (ours, wakeup):
            end.setblocking(False)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._selector.register(self._wire, selectors.EVENT_READ)
        self._selector.register(ours, selectors.EVENT_READ)
        if self._loaded is not None:
            self._selector.register(self._loaded, selectors.EVENT_READ)
        self._send({"ready": os.getpid()})
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is ours:
                    with contextlib.suppress(BlockingIOError):
                        ours.recv(4096)
                    self._reap()
                elif not (self._pass_back() if key.fileobj is self._loaded else self._receive()):
                    self._kill_all()
                    return

    def _receive(self) -> bool:
        """Take one request; return False at the end of the wire."""
        try:
            raw, descriptors, _, _ = socket.recv_fds(self._wire, MESSAGE, _PIPES)
        except OSError:
            return False
        if not raw:
            return False
        request = json.loads(raw)
        try:
            if self._loaded is not None and (request.get("function") or request["id"] in self._passed_on):
                self._passed_on.add(request["id"])
                socket.send_fds(self._loaded, [raw], descriptors)
            elif "signal" in request:
                self._signal(request["id"], request["signal"])
            elif "nice" in request:
                self._renice(request["id"], request["nice"])
            else:
                self._start(request, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _pass_back(self) -> bool:
        """Hand an answer of the loaded process on; return False at its end."""
        raw = self._loaded.recv(MESSAGE) if self._loaded is not None else b""
        answer = json.loads(raw or "{}")
        if "status" in answer or "error" in answer:
            self._passed_on.discard(answer["id"])
        if "id" in answer:
            self._send(answer)
        return bool(raw)

    def _start(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Fork one child and report its pid."""
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._send({"id": request["id"], "error": str(error)})
            return
        if pid == 0:
            _become(request, descriptors, parent)
        self._children[pid] = request["id"]
        self._send({"id": request["id"], "pid": pid})

    def _signal(self, name: int, number: int) -> None:
        """Signal a child's process group where the child still runs."""
        for pid, owner in self._children.items():
            if owner == name and self._ours(pid, number):
                # Before the child's setsid there is no group yet: signal the child itself too.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _renice(self, name: int, nice: int) -> None:
        """Change a child's niceness, towards others in its session and towards other sessions."""
        for pid, owner in self._children.items():
            if owner == name:
                with contextlib.suppress(OSError):  # less takes a privilege
                    os.setpriority(os.PRIO_PGRP, pid, nice)
                with contextlib.suppress(OSError):  # see packager.sandbox
                    Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")

    def _ours(self, pid: int, number: int) -> bool:
        """Say whether a signal is ours to send: what somebody else has stopped, they have to continue."""
        if number == signal.SIGCONT:
            return pid in self._paused
        if number == signal.SIGSTOP:
            if _stopped(pid):
                return False
            self._paused.add(pid)
        return True

    def _reap(self) -> None:
        """Report every child that has ended, and end what it left behind in its group."""
        while self._children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._paused.discard(pid)
            if pid in self._children:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                self._report(self._children.pop(pid), status, usage)

    def _report(self, name: int, status: int, usage: resource.struct_rusage) -> None:
        """Send how a child ended."""
        self._send(
            {
                "id": name,
                "status": os.waitstatus_to_exitcode(status),
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "max_rss": usage.ru_maxrss * 1024,
            }
        )

    def _kill_all(self) -> None:
        """Kill every child's group."""
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _send(self, message: dict[str, Any]) -> None:
        """Send one message; a closed wire is noticed by the reading side."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._wire.sendall(json.dumps(message).encode())


def _stopped(pid: int) -> bool:
    """Say whether a child does not go on because of a signal."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"
    return False


def _become(request: dict[str, Any], descriptors: list[int], parent: int) -> NoReturn:
    """Turn this forked child into what was asked for; never return."""
    status = CANNOT_START
    try:
        os.setsid()
        die_with(parent)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        top = _arrange(descriptors, request["targets"])
        os.chdir("/")
        if request["function"]:
            status = _call(request, top)
        else:
            enter(_box_from_json(request["box"]))
            os.execve(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - no shell is the point
    except BaseException:  # noqa: BLE001 - nothing may escape into the parent's loop
        with contextlib.suppress(OSError):
            os.write(2, traceback.format_exc().encode())
    os._exit(status)


def _call(request: dict[str, Any], top: int) -> int:
    """Run a function of this package, `module:name`, with the arguments and the output pipes."""
    module, _, name = request["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    outputs = [os.fdopen(number, "wb") for number in range(3, top)]
    enter(_box_from_json(request["box"]))
    try:
        function(request["argv"], outputs)
        for output in outputs:
            output.close()
    except BaseException:  # noqa: BLE001 - told apart from a child that cannot be started
        os.write(2, traceback.format_exc().encode())
        return 1
    return 0


def _arrange(descriptors: list[int], targets: list[int]) -> int:
    """Move the descriptors to their numbers, /dev/null to the rest of 0, 1 and 2, and close all others."""
    # Out of the way first: a received number may be another's target.
    aside = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 1024) for one in descriptors]
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number, inheritable=True)
    for one, target in zip(aside, targets, strict=True):
        os.dup2(one, target, inheritable=True)
    top = max([2, *targets]) + 1
    os.closerange(top, os.sysconf("SC_OPEN_MAX"))
    return top


def main() -> None:
    """Serve the socket whose descriptor number is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = socket.socket(fileno=int(sys.argv[1]))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    if os.fork() == 0:
        wire.close()
        ours.close()
        die_with(parent)
        _load()
        Spawning(theirs).run()
        os._exit(0)
    theirs.close()
    gc.collect()
    gc.freeze()
    Spawning(wire, ours).run()


def _load() -> None:
    """Import what functions need, once, and keep the collector from touching it in every fork."""
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
