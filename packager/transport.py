"""MPEG transport streams before any demuxer sees them (ISO/IEC 13818-1 §2.4)."""

from __future__ import annotations

from packager.errors import Encrypted, OverLimit

_PACKET = 188
_PROGRAMS = 64
_ENTRY = 4


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
