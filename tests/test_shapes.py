"""Length buckets."""

import pytest

from reasoning_jax.shapes import bucket


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
