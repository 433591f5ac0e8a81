"""Store an index and find closed keyframes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.errors import PackagingError
from packager.index import Index, closed, distinct


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(st.lists(st.integers(-(2**60), 2**60), unique=True).map(sorted), st.booleans())
def test_stored_and_read_back(times: list[int], complete: bool):  # noqa: FBT001
    index = Index(
        time_base=Fraction(1, 90000), times=array(*times), keyframes=array(*times[::3]), complete=complete
    )
    assert Index.from_bytes(index.to_bytes()) == index


@pytest.mark.parametrize("raw", [b"", b"no archive", b"PK\x03\x04 and no more"])
def test_damaged(raw: bytes):
    with pytest.raises(PackagingError):
        Index.from_bytes(raw)


def test_closed_keyframes():
    key = np.array([True, False, False, True, False, True, False])
    # The second key has a leading picture behind it; the third is clean.
    assert closed(array(0, 2, 1, 5, 4, 6, 7), key).tolist() == [True, *[False] * 4, True, False]
    # What came before is shown after the key.
    assert closed(array(0, 9, 5, 6), np.array([True, False, True, False])).tolist() == [True, *[False] * 3]
    assert closed(array(), np.array([], dtype=np.bool_)).tolist() == []


@given(st.lists(st.integers(-50, 50)))
def test_distinct(values: list[int]):
    assert distinct(array(*values)).tolist() == sorted(set(values))
