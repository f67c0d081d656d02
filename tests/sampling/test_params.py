"""What may be asked of the sampler, and what is refused."""

import dataclasses

import pytest

from reasoning_jax.sampling import SamplingParams


def test_a_lone_stop_string_is_one_stop_not_its_letters():
    assert SamplingParams(stop="end").stop == ("end",)
    assert SamplingParams(stop=("a", "b")).stop == ("a", "b")


@pytest.mark.parametrize(
    "field, value",
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_k", -1),
        ("n", 0),
        ("stop", ("",)),
        ("stop", ""),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=rf"^{field} is .*; it must be"):
        SamplingParams(**{field: value})


def test_the_ends_of_the_ranges_are_allowed():
    params = SamplingParams(max_tokens=1, temperature=0.0, top_p=1.0, top_k=0, n=1, stop=())
    assert dataclasses.replace(params, top_p=1e-6).top_p == 1e-6
