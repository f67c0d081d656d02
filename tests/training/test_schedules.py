import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.training import schedules

PEAK = 1e-3


def rates(schedule, steps):
    return [float(jax.jit(schedule)(step)) for step in steps]


@pytest.mark.parametrize(
    "name, schedule",
    [
        ("wsd", schedules.wsd(PEAK, 100, 10, 10)),
        ("cosine", schedules.cosine(PEAK, 100, 10)),
    ],
)
def test_worked_cases(cases, name, schedule):
    steps, expected = zip(*cases("schedules")[name])
    np.testing.assert_allclose(rates(schedule, steps), expected, atol=1e-9)


def test_wsd_by_hand():
    # half way up at 5; half way down from 1 to 0.1 at 95: 0.55; flat after the end
    schedule = schedules.wsd(PEAK, 100, 10, 10)
    expected = [0, 0.5e-3, 1e-3, 1e-3, 1e-3, 0.55e-3, 0.1e-3, 0.1e-3]
    np.testing.assert_allclose(
        rates(schedule, [0, 5, 10, 50, 90, 95, 100, 999]), expected, rtol=1e-6
    )


def test_cosine_by_hand():
    # between warm-up and end: 0.1 + 0.9 (1 + cos(pi x)) / 2 of the peak, x = 1/3, 1/2, 1
    schedule = schedules.cosine(PEAK, 100, 10)
    expected = [0, 0.5e-3, 1e-3, 0.775e-3, 0.55e-3, 0.1e-3, 0.1e-3]
    np.testing.assert_allclose(rates(schedule, [0, 5, 10, 40, 55, 100, 999]), expected, rtol=1e-6)


def test_linear_by_hand():
    schedule = schedules.linear(PEAK, 110, 10)
    np.testing.assert_allclose(
        rates(schedule, [0, 5, 10, 60, 110, 999]), [0, 0.5e-3, 1e-3, 0.5e-3, 0, 0], atol=1e-10
    )
    floored = schedules.linear(PEAK, 110, 10, floor=0.2)
    np.testing.assert_allclose(rates(floored, [60, 110, 999]), [0.6e-3, 0.2e-3, 0.2e-3], rtol=1e-6)


def test_constant_by_hand():
    np.testing.assert_allclose(
        rates(schedules.constant(PEAK, 4), [0, 1, 4, 99]), [0, 0.25e-3, 1e-3, 1e-3], rtol=1e-6
    )


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.constant(PEAK),
        schedules.linear(PEAK, 10),
        schedules.cosine(PEAK, 10),
        schedules.wsd(PEAK, 10, 0, 5),
    ],
)
def test_without_warm_up_the_first_step_has_the_peak(schedule):
    np.testing.assert_allclose(schedule(0), PEAK, rtol=1e-6)


@pytest.mark.parametrize("step, rate", [(928_000, 6.14988e-5), (928_646, 6.13511e-5)])
def test_olmo_2_stage_1(step, rate):
    # 5e12 tokens, 8388608000 of warm-up, 4194304 a step: 1192092.9 steps, 2000 of warm-up;
    # the rate stage 2 of the released config starts from, 6.1499e-5, is that of step 928000
    schedule = schedules.cosine(3e-4, 5e12 / 4194304, 8388608000 / 4194304)
    np.testing.assert_allclose(schedule(step), rate, atol=5e-10)


def test_ema_by_hand():
    # m: 0.1, 0.29, 0.561; divided by 1 - 0.9^t: 0.1, 0.19, 0.271
    average = schedules.ema(0.9)
    state = average.init({"w": jnp.zeros(2)})
    for value, expected in [(1.0, 1.0), (2.0, 0.29 / 0.19), (3.0, 0.561 / 0.271)]:
        found, state = average.update({"w": jnp.full(2, value)}, state)
        np.testing.assert_allclose(found["w"], [expected] * 2, rtol=1e-6)


def test_ema_case(cases):
    case = cases("schedules")["ema"]
    average = schedules.ema(case["decay"])
    state = average.init(jnp.zeros(()))
    for value, expected in zip(case["xs"], case["zero_init_debiased"]):
        found, state = average.update(jnp.asarray(value), state)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_ema_of_bfloat16_is_kept_in_float32():
    # the products with 0.001 would each lose all but 8 bits
    average = schedules.ema(0.999)
    state = average.init(jnp.ones((), jnp.bfloat16))
    for value in (1.0, 2.0):
        found, state = average.update(jnp.asarray(value, jnp.bfloat16), state)
    assert found.dtype == jnp.float32
    # (0.999 * 0.001 + 0.001 * 2) / (1 - 0.999^2)
    np.testing.assert_allclose(found, 0.002999 / 0.001999, rtol=1e-4)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: schedules.constant(-1.0), r"peak is -1\.0"),
        (lambda: schedules.constant(1.0, -1), "warmup_steps is -1"),
        (lambda: schedules.linear(1.0, 10, 10), "warmup_steps is 10"),
        (lambda: schedules.cosine(1.0, 10, 2, floor=1.5), r"floor is 1\.5"),
        (lambda: schedules.wsd(1.0, 10, 5, 6), "decay_steps is 6"),
        (lambda: schedules.wsd(1.0, 10, 5, 0), "decay_steps is 0"),
        (lambda: schedules.ema(1.0), r"decay is 1\.0"),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
