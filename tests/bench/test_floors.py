import pytest

from reasoning_jax.bench import floors
from reasoning_jax.bench.shapes import SHAPES, Shape
from reasoning_jax.models import ModelConfig, abstract_params, count_params

# 2 layers of width 4: q and o 4x4 each, k and v 4x2 each, three 4x6 of the MLP; vocabulary 10.
SMALL = Shape(4, 2, 2, 1, 2, 6, 10)
MACHINE = floors.Machine(flops=1000.0, bandwidth=100.0)


def test_weights_by_hand():
    assert SMALL.layer_weights == 2 * (16 + 16 + 8 + 8 + 72)
    assert SMALL.head_weights == 40


@pytest.mark.parametrize("name", SHAPES)
def test_weights_are_those_of_the_model(name):
    shape = SHAPES[name]
    params = abstract_params(ModelConfig(**shape.model_fields()))
    # norms: two a layer and the last; biases of q, k, v
    vectors = (2 * shape.n_layers + 1) * shape.d_model
    vectors += shape.n_layers * (shape.n_heads + 2 * shape.n_kv_heads) * shape.head_dim
    assert count_params(params) == shape.layer_weights + shape.head_weights + vectors


def test_forward_by_hand():
    # 3 tokens: 2 * 240 each; logits of one position 80; 6 causal pairs of 32
    assert floors.forward_flops(SMALL, rows=1, length=3, logits=1) == 1440 + 80 + 6 * 32
    assert floors.forward_flops(SMALL, rows=5, length=3, logits=1) == 5 * 1712
    assert floors.decode_flops(SMALL, visible=4) == 2 * (240 + 40) + 4 * 32


def test_sampling_by_hand():
    # One prompt of 3 for 2 rows of 2 new tokens: prefill, then one step that sees 4, of which
    # the rows have 1 of their own.
    floor = floors.sampling(SMALL, MACHINE, rows=2, prompt=3, response=2, distinct=1)
    assert floors.cache_bytes(SMALL) == 2 * 2 * 1 * 2 * 4
    step = 2 * (560 + 128)
    assert floor.flops == 1712 + step
    weights = 280 * 4
    assert floor.bytes == weights + weights + (3 + 2) * 32
    assert floor.seconds == max(1.712, weights / 100) + max(step / 1000, (weights + 160) / 100)


def test_update_by_hand():
    floor = floors.update(SMALL, MACHINE, rows=2, prompt=1, response=2)
    assert floor.flops == 3 * 2 * (1440 + 2 * 80 + 6 * 32)
    assert floor.seconds == floor.flops / 1000 + 28 * 280 / 100
