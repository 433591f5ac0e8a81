"""Tables of samples: mapped, read where it is asked for, and let go of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from packager.tables import ROW, Tables, TrackTable, describe, footer


def stored(file: Path, samples: int) -> Tables:
    """Return the tables of a track of so many samples, mapped from this file."""
    rows = np.zeros(samples, ROW)
    rows["pts"] = np.arange(samples)
    table = TrackTable(
        track=0, timescale=24, end=samples, file_type=b"ftyp", header=b"tkhd", stsd=b"stsd", rows=rows
    )
    file.write_bytes(rows.tobytes() + footer([describe(table)]))
    return Tables.open(file)


def resident(file: Path) -> int:
    """Return how many kB of a mapped file are in this process's memory."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line[0] in "0123456789abcdef" and "-" in line.split()[0]:
            inside = line.endswith(str(file))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


def test_what_was_read_is_given_back_and_can_be_read_again(tmp_path):
    file = tmp_path / "tables"
    tables = stored(file, 100_000)
    table = tables.of(0)
    assert table.rows["pts"].sum() == sum(range(100_000))
    assert resident(file) > 1000
    tables.let_go()
    assert resident(file) == 0
    assert table.rows["pts"][-1] == 99_999


def test_a_table_in_memory_has_nothing_to_give_back():
    rows = np.zeros(3, ROW)
    table = TrackTable(track=1, timescale=1, end=3, file_type=b"", header=b"", stsd=b"", rows=rows)
    tables = Tables({1: table})
    tables.let_go()
    assert len(tables.of(1).rows) == 3
