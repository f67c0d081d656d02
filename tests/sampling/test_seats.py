"""Who sits where, by hand."""

import dataclasses

import numpy as np

from reasoning_jax.sampling.seats import Seats, pages_needed


@dataclasses.dataclass(eq=False)
class Reader:
    """What seats want to know of a row."""

    shared: int = 5


FIRST, SECOND = object(), object()  # caches of prompts that were read together


def test_rows_of_a_prompt_fill_its_page_before_another():
    seats = Seats(ways=1, pages=2, each=2, columns=8)
    a, b, c, d, e = (Reader() for _ in range(5))
    assert seats.seat(0, FIRST, 3, a) and seats.seat(0, SECOND, 3, b) and seats.seat(0, FIRST, 3, c)
    assert not seats.seat(0, FIRST, 3, d)  # its page is full, the other is another prompt's
    seats.leave(0, b)
    assert seats.seat(0, FIRST, 1, e)  # a page without rows is free
    assert not seats.seat(0, SECOND, 3, b)
    assert [(source, row) for _, _, source, row in seats.seated()] == [(3, a), (3, c), (1, e)]
    assert not Seats(1, 1, 2, 4).seat(0, FIRST, 0, a)  # longer than its columns


def test_pages_are_loaded_once():
    seats = Seats(ways=2, pages=2, each=2, columns=8)
    rows = [Reader() for _ in range(4)]
    seats.seat(0, FIRST, 4, rows[0])
    seats.seat(1, FIRST, 6, rows[1])
    seats.seat(1, SECOND, 0, rows[2])
    (saved, targets, sources), (other, more, _) = seats.new_pages()
    assert saved is FIRST and other is SECOND
    # Of each device; 2 stands for none.
    assert targets.tolist() == [0, 2, 0, 2] and sources.tolist() == [4, 0, 6, 0]
    assert more.tolist() == [2, 2, 2, 1]
    seats.leave(0, rows[0])
    assert seats.seat(0, FIRST, 4, rows[3]) and seats.new_pages() == []


def test_arrays_of_two_devices():
    seats = Seats(ways=2, pages=2, each=2, columns=8)
    a, b, c, d = Reader(5), Reader(5), Reader(7), Reader(0)
    for way, source, row in ((0, 0, a), (0, 0, b), (1, 2, c)):
        seats.seat(way, FIRST, source, row)
    found = seats.seating([[None, b, a], [d, c, None]])
    np.testing.assert_array_equal(found.seats, [[2, 1], [3, 3], [1, 3], [3, 3]])
    np.testing.assert_array_equal(found.places, [4, 1, 0, 4, 0, 4])
    np.testing.assert_array_equal(found.shared, [0, 5, 5, 0, 7, 0])
    np.testing.assert_array_equal(found.lengths, [5, 0, 7, 0])


def test_pages_needed_are_those_of_the_fullest_device():
    rows = [(0, FIRST, 0, None)] * 5 + [(0, FIRST, 1, None)] + [(1, SECOND, 0, None)] * 2
    assert pages_needed(rows, each=2) == 4 and pages_needed([], each=2) == 0
