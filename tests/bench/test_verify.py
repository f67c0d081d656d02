import json

import pytest

from reasoning_jax.bench import gate, table, verify
from reasoning_jax.bench.settings import Settings


def test_drawn_pairs_are_labelled_rightly():
    pairs = verify.numeric_pairs(200, seed=1)
    assert [verify._ours(pair) for pair in pairs] == [pair.equal for pair in pairs]
    assert 60 < sum(pair.equal for pair in pairs) < 140
    assert pairs == verify.numeric_pairs(200, seed=1)


def test_the_suite_compares_both_graders(monkeypatch, capsys, tmp_path):
    pytest.importorskip("math_verify")
    monkeypatch.delenv(verify.VARIABLE, raising=False)
    monkeypatch.setattr(verify, "PAIRS", 20)
    rows, about = verify.run(Settings("tiny", tmp_path))
    assert [row["who"] for row in rows] == ["reasoning_jax", "math-verify"]
    assert rows[0]["agreement"] == 1 and about["versions"]["math-verify"]
    json.dumps([rows, about])
    table.show(rows)
    assert "numeric answers" in capsys.readouterr().out
    ratios = gate.ratios("verify", "tiny", rows)
    assert ratios == {"verify/tiny/numeric answers/math-verify": rows[1]["times"]}


def test_a_folder_without_the_cases_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(verify.VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        verify._sets()
