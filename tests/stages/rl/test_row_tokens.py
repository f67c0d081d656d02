"""Completions that share rows are learnt from as those in rows of their own."""

import pytest

from reasoning_jax.stages.run import run


@pytest.mark.slow
def test_shared_rows_change_nothing_that_is_logged(tiny, tmp_path, steps_of):
    lines = {}
    for row_tokens in (0, 48):
        config = tiny(row_tokens=row_tokens, micro_batches=2, kl_coef=0.1, entropy_coef=0.01)
        run(config, tmp_path / str(row_tokens))
        lines[row_tokens] = [
            {name: value for name, value in line.items() if name != "stage"}
            for line in steps_of(tmp_path / str(row_tokens))
        ]
    assert len(lines[0]) == 2
    for alone, shared in zip(lines[0], lines[48], strict=True):
        assert shared == pytest.approx(alone, abs=1e-5, rel=1e-4)


def test_negative_row_tokens_are_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match="row_tokens -1"):
        run(tiny(row_tokens=-1), tmp_path)
