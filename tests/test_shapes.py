"""Length buckets."""

import pytest

from reasoning_jax.shapes import bucket, width


@pytest.mark.parametrize(
    "size, length",
    [(1, 16), (16, 16), (17, 32), (32, 32), (129, 256), (256, 256), (257, 512), (513, 768)],
)
def test_powers_of_two_then_multiples_of_256(size, length):
    assert bucket(size) == length


@pytest.mark.parametrize("size, length", [(1, 1), (2, 2), (3, 4), (5, 8), (200, 256), (300, 512)])
def test_rows_start_from_one(size, length):
    assert bucket(size, 1) == length


def test_a_bucket_holds_its_size_is_its_own_bucket_and_there_are_few():
    buckets = [bucket(size) for size in range(1, 2000)]
    assert all(size <= length for size, length in enumerate(buckets, start=1))
    assert buckets == sorted(buckets)
    assert all(bucket(length) == length for length in buckets)
    assert len(set(buckets)) == 5 + 7  # 16 ... 256, then 512 ... 2048


@pytest.mark.parametrize(
    "size, columns",
    [(1, 16), (16, 16), (17, 24), (25, 32), (33, 48), (129, 192), (193, 256), (257, 512)],
)
def test_widths_have_one_length_between_powers_of_two(size, columns):
    assert width(size) == columns


def test_a_width_holds_its_size_and_is_no_wider_than_its_bucket():
    widths = [width(size) for size in range(1, 2000)]
    assert all(size <= columns <= bucket(size) for size, columns in enumerate(widths, start=1))
    assert widths == sorted(widths)
    assert all(width(columns) == columns for columns in widths)
    assert len(set(widths)) == 9 + 7  # 16, 24, 32 ... 256, then 512 ... 2048
