"""Read the bits of codec headers: fixed widths and Exp-Golomb codes (H.264 §9.1)."""

from __future__ import annotations

from packager.errors import BadBoxes

_LONGEST_CODE = 32


class Bits:
    """Reads bits from the most significant on. Every method raises BadBoxes behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    @property
    def left(self) -> int:
        """Return how many bits have not been read."""
        return self._left

    def take(self, count: int) -> int:
        """Read an unsigned number of `count` bits."""
        if count > self._left:
            raise BadBoxes("a codec header is too short")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """Read one bit."""
        return bool(self.take(1))

    def unsigned(self) -> int:
        """Read ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _LONGEST_CODE:
                raise BadBoxes("a codec header has a number that is too long")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Read se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)
