"""The seccomp filter of a child, in hand-assembled BPF: what a media tool never needs answers EPERM."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import socket
import struct

# Number on x86_64, number on aarch64 (asm-generic table); None where the architecture lacks the call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept4": (288, 242),
    "kill": (62, 129),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "syslog": (103, 116),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
_EXEC = {"execve": (59, 221), "execveat": (322, 281)}
_CLONE = (56, 220)
_CLONE3 = 435
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # AUDIT_ARCH_* of linux/audit.h

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: a namespace widens the kernel's surface.
_NAMESPACES = 0x7E020000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_GET_SECCOMP, _MODE_FILTER = 38, 22, 21, 2


class _Program(ctypes.Structure):
    """Mirror struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def available(libc: ctypes.CDLL) -> bool:
    """Say whether this kernel and architecture take the filter."""
    return platform.machine() in _ARCHITECTURES and libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


@functools.cache
def assemble(*, may_exec: bool, datagrams: bool = False) -> bytes:
    """Return the filter for this architecture; without `may_exec` the child cannot start a program either.

    With `datagrams` it may open UDP sockets and bind them, and still neither connect nor open others.
    """
    column, architecture = _ARCHITECTURES[platform.machine()]
    table = _DENIED if may_exec else _DENIED | _EXEC
    gate = _datagram_gate(column) if datagrams else []
    if datagrams:
        table = {name: pair for name, pair in table.items() if name not in {"socket", "bind"}}
    numbers = sorted(number for pair in table.values() if (number := pair[column]) is not None)
    tests = [_instruction(_EQUAL, number) for number in numbers]
    head = [
        _instruction(_LOAD, 4),  # seccomp_data.arch
        _instruction(_EQUAL, architecture, yes=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, 0),  # seccomp_data.nr
    ]
    body = [
        # x32 calls carry bit 30: the table below would not see them.
        _instruction(_AT_LEAST, 0x40000000),
        *tests,
        # clone3's flags lie in memory, out of BPF's sight; ENOSYS makes the C library fall back to clone.
        _instruction(_EQUAL, _CLONE3),
        _instruction(_EQUAL, _CLONE[column], no=2),
        _instruction(_LOAD, 16),  # low half of the first argument
        _instruction(_ANY_BIT, _NAMESPACES),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ERROR | errno.ENOSYS),
        _instruction(_RETURN, _ERROR | errno.EPERM),
    ]
    last = len(body) - 1
    for place in (*range(len(tests) + 1), last - 3):
        code, _, no, value = struct.unpack("HBBI", body[place])
        body[place] = struct.pack("HBBI", code, last - place - 1, no, value)
    place = len(tests) + 1
    body[place] = _instruction(_EQUAL, _CLONE3, yes=last - place - 2)
    return b"".join((*head, *gate, *body))


def _datagram_gate(column: int) -> list[bytes]:
    """Return what allows socket() for UDP over IPv4 and IPv6, and denies it for all else.

    It stands behind the load of the call's number, which it leaves in place for other calls.
    """
    number = _DENIED["socket"][column]
    return [
        _instruction(_EQUAL, number or 0, no=8),
        _instruction(_LOAD, 24),  # low half of the second argument
        _instruction(_AND, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
        _instruction(_EQUAL, socket.SOCK_DGRAM, no=3),
        _instruction(_LOAD, 16),
        _instruction(_EQUAL, socket.AF_INET, yes=2),
        _instruction(_EQUAL, socket.AF_INET6, yes=1),
        _instruction(_RETURN, _ERROR | errno.EPERM),
        _instruction(_RETURN, _ALLOW),
    ]


def apply(libc: ctypes.CDLL, program: bytes) -> None:
    """Put the filter on this thread for good. Raise OSError where the kernel refuses it."""
    bpf = _Program(len(program) // 8, program)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(bpf), 0, 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """Return one struct sock_filter; `yes` and `no` are relative jumps."""
    return struct.pack("HBBI", code, yes, no, value)
