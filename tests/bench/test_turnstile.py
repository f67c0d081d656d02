import pytest

from reasoning_jax.bench.turnstile import Turnstile


def test_a_loop_goes_on_by_one_step_at_a_time():
    turnstile, seen = Turnstile(), []

    def loop():
        for number in range(6):
            turnstile.count(2)  # a step has two numbers
            seen.append(number)

    turnstile.start(loop)
    assert seen == []
    turnstile.step()
    assert seen == [0, 1]
    turnstile.step()
    assert seen == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="the loop has ended; give it more steps"):
        turnstile.step()


def test_what_a_loop_raises_is_told():
    turnstile = Turnstile()

    def loop():
        turnstile.passing()
        raise ValueError("no batch")

    turnstile.start(loop)
    with pytest.raises(RuntimeError, match="no batch"):
        turnstile.step()
