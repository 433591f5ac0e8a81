"""MPEG transport streams before any demuxer sees them (ISO/IEC 13818-1 §2.4)."""

from __future__ import annotations

from packager.errors import Encrypted, OverLimit

_PACKET = 188
_PROGRAMS = 64
_ENTRY = 4
_SYNC = 0x47
_STRIDES = (_PACKET, 192, 204)
"""Plain packets; with an arrival time before each (BDAV); with Reed-Solomon bytes behind each."""


def refuse(head: bytes) -> None:
    """Look at the first bytes of a file; raise Encrypted or OverLimit where they are a stream of that sort.

    Thousands of programs cost a demuxer many seconds of search for each one's tables.
    """
    packets = [head[place : place + _PACKET] for place in range(0, len(head) - _PACKET + 1, _PACKET)]
    if len(packets) < 3 or any(packet[0] != 0x47 for packet in packets[:3]):
        return
    if 2 * sum(packet[3] >> 6 >= 2 for packet in packets) > len(packets):
        raise Encrypted("The transport stream is scrambled.")
    programs = _programs(packets)
    if programs > _PROGRAMS:
        raise OverLimit(f"The transport stream announces {programs} programs; the limit is {_PROGRAMS}.")


def tables(head: bytes) -> bytes | None:
    """Return the packets of the first program association and of the maps it names (§2.4.4); None if not all.

    What follows each packet in streams with packets of 192 or 204 bytes is kept with it.
    """
    found = stride(head)
    if found is None:
        return None
    start, step = found
    packets = [head[place : place + step] for place in range(start, len(head) - step + 1, step)]
    kept, section = _section(packets, 0)
    maps = {
        int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF
        for at in range(8, len(section) - 4 - _ENTRY + 1, _ENTRY)
        if section[at : at + 2] != b"\0\0"  # the network's own table
    }
    for number in sorted(maps)[:_PROGRAMS]:
        more, section = _section(packets, number)
        if not section:
            return None
        kept += more
    return b"".join(kept) if maps else None


def stride(head: bytes) -> tuple[int, int] | None:
    """Return where the first packet begins, and how far it is from one to the next."""
    for step in _STRIDES:
        for start in range(step):
            if len(head) > start + 3 * step and all(head[start + n * step] == _SYNC for n in range(4)):
                return start, step
    return None


def _section(packets: list[bytes], number: int) -> tuple[list[bytes], bytes]:
    """Return the packets of the first whole section of a PID, and the section; empty where there is none."""
    kept: list[bytes] = []
    section = b""
    for packet in packets:
        if (
            packet[0] != _SYNC
            or int.from_bytes(packet[1:3], "big") & 0x1FFF != number
            or not packet[3] & 0x10
        ):
            continue
        payload = packet[5 + packet[4] : _PACKET] if packet[3] & 0x20 else packet[4:_PACKET]
        if packet[1] & 0x40:
            kept, section = [], payload[1 + payload[0] :] if payload else b""
        elif not kept:
            continue
        else:
            section += payload
        kept.append(packet)
        length = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)
        if len(section) >= max(length, 8):
            return kept, section[:length]
    return [], b""


def _programs(packets: list[bytes]) -> int:
    """Count the distinct programs in the association tables (§2.4.4.3)."""
    numbers: set[bytes] = set()
    section = b""
    for packet in packets:
        if packet[0] != 0x47 or int.from_bytes(packet[1:3], "big") & 0x1FFF or not packet[3] & 0x10:
            continue
        payload = packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]
        if packet[1] & 0x40 and payload:
            section = payload[1 + payload[0] :]
        else:
            section += payload
        length = int.from_bytes(section[1:3], "big") & 0xFFF
        # The table's own head is 8 bytes, the checksum behind the entries 4.
        entries = section[8 : min(3 + length - 4, len(section))]
        numbers.update(entries[at : at + 2] for at in range(0, len(entries) - _ENTRY + 1, _ENTRY))
    return len(numbers)
