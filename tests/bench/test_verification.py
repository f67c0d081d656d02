import json

import pytest

from launch import bench
from reasoning_jax.bench import verification


def test_drawn_pairs_are_labelled_rightly():
    pairs = verification.numeric_pairs(200, seed=1)
    assert [verification._ours(pair) for pair in pairs] == [pair.equal for pair in pairs]
    assert 60 < sum(pair.equal for pair in pairs) < 140
    assert pairs == verification.numeric_pairs(200, seed=1)


def test_the_suite_compares_both_graders(monkeypatch, capsys):
    pytest.importorskip("math_verify")
    monkeypatch.delenv(verification.VARIABLE, raising=False)
    monkeypatch.setattr(verification, "PAIRS", 20)
    rows = verification.run()
    assert [row["grader"] for row in rows] == ["reasoning_jax", "math-verify"]
    assert rows[0]["agreement"] == 1 and rows[1]["speedup"] == 1
    json.dumps(rows)
    bench.show(rows)
    assert "numeric answers" in capsys.readouterr().out


def test_a_folder_without_the_cases_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(verification.VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        verification._sets()
