"""Which objects make up an upload, whoever wrote them and whatever a crash has left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.uploads.pieces import Piece, end_of, laid, piece_of


def p(term, start, stop):
    return Piece(term=term, start=start, stop=stop)


def spans(*pieces):
    return [(one.piece.term, one.piece.start, one.stop) for one in laid(pieces)]


def test_names_are_read_as_they_are_written():
    assert piece_of(p(3, 8 << 20, 16 << 20).name) == p(3, 8 << 20, 16 << 20)
    assert piece_of("record") is None


def test_pieces_follow_each_other_up_to_the_first_hole():
    assert spans(p(1, 0, 4), p(1, 4, 6), p(1, 7, 9)) == [(1, 0, 4), (1, 4, 6)]
    assert spans(p(1, 1, 4)) == []
    assert spans() == []


def test_a_piece_that_holds_others_takes_their_place():
    assert spans(p(1, 0, 2), p(1, 2, 5), p(1, 0, 8), p(1, 8, 9)) == [(1, 0, 8), (1, 8, 9)]


def test_what_was_written_after_the_upload_was_lost_does_not_count():
    late = p(1, 4, 9)
    assert spans(p(1, 0, 4), late) == [(1, 0, 4), (1, 4, 9)]
    assert spans(p(1, 0, 4), late, p(2, 4, 5)) == [(1, 0, 4), (2, 4, 5)]
    assert spans(p(1, 0, 9), p(2, 6, 7), p(3, 6, 8)) == [(1, 0, 6), (3, 6, 8)]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=12))
def test_of_one_term_every_byte_counts_that_is_reached_without_a_hole(given_):
    pieces = [p(1, start, start + size) for start, size in given_]
    there = {at for piece in pieces for at in range(piece.start, piece.stop)}
    reached = 0
    while reached in there:
        reached += 1
    found = laid(pieces)
    assert end_of(found) == reached
    at = 0
    for span in found:
        assert span.piece.start <= at < span.stop <= span.piece.stop
        at = span.stop
