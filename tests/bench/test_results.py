import json
import pathlib

import pytest

from reasoning_jax.bench import gate, plot, results
from reasoning_jax.bench.arena import Measurement
from reasoning_jax.bench.floors import Floor
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import PEERS
from reasoning_jax.bench.shapes import SHAPES
from reasoning_jax.bench.table import markdown


@pytest.fixture
def rows():
    own = [Measurement(wall, 1.5, 100, 1000, check=2.0) for wall in (1.0, 1.0)]
    peer = [Measurement(wall, 3.0, 200, 1000, check=2.0001) for wall in (2.0, 3.0)]
    other = [Measurement(1.0, 3.0, 200, 1000, check=2.1) for _ in range(2)]
    floor = Floor(flops=1e12, bytes=0, seconds=0.5)
    return comparison(Case("sft", floor=floor), {OURS: own, "peer": peer, "other": other})


def test_rows_hold_figures_floors_and_ratios(rows):
    own, peer, other = rows
    assert own["tokens/s"] == 1000 and own["of_floor"] == 0.5 and own["tflops"] == 1.0
    assert "times" not in own
    assert (peer["times"], peer["low"], peer["high"], peer["cpu_times"]) == (2.5, 2.0, 3.0, 2.0)
    assert peer["agrees"] is True and other["agrees"] is False


def test_the_table_is_markdown(rows):
    lines = markdown(rows).splitlines()
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1
    assert lines[1].startswith("|---|---|---:|")
    assert (
        "| sft | peer | 400 | 2.5 | 3 | 200 | 0.5 | 20.0 % | 0.4 | 2.5 | 2 | 3 | 2 | yes |" in lines
    )
    assert lines[-1].endswith("| NO |")


def test_files_of_a_suite(rows, tmp_path):
    about = {"versions": {"peer": "1.0"}, "roofline": {"flops": 2e11, "bandwidth": 3e10}}
    for _ in range(2):
        paths = results.write(tmp_path / "out", "update", "tiny", rows, about)
    assert [path.name for path in paths] == ["update.jsonl", "update-tiny.md", "update-tiny.svg"]
    lines = [json.loads(line) for line in paths[0].read_text().splitlines()]
    assert len(lines) == 6 and lines[1]["times"] == 2.5 and lines[1]["versions"] == {"peer": "1.0"}
    assert {"load", "processor", "cores", "time"} <= lines[0].keys()
    text = paths[1].read_text()
    assert "peer 1.0, roofline 200 GFLOP/s, 30 GB/s" in text
    assert paths[2].read_text().rstrip().endswith("</svg>")


def test_the_gate_compares_ratios_with_stored_ones(rows, tmp_path):
    measured = gate.ratios("update", "tiny", rows)
    assert measured == {"update/tiny/sft/peer": 2.5, "update/tiny/sft/other": 1.0}
    path = tmp_path / "ratios.json"
    path.write_text('{"update/M/sft/peer": 9}')
    gate.save(path, measured)
    stored = gate.read(path)
    assert stored == {"update/M/sft/peer": 9} | measured
    assert gate.falls(measured, stored) == []
    (fall,) = gate.falls(measured | {"update/tiny/sft/peer": 2.24, "new": 0.1}, stored)
    assert str(fall) == "update/tiny/sft/peer: 2.24 times, 2.50 stored"
    assert gate.falls({"update/tiny/sft/peer": 2.26}, stored) == []


def test_a_file_without_ratios_is_refused(tmp_path):
    path = tmp_path / "ratios.json"
    path.write_text('{"a": "b"}')
    with pytest.raises(ValueError, match="write one with --save"):
        gate.read(path)


def test_curves_and_bars_are_drawn_and_nothing_of_nothing(rows):
    curve = [
        {"case": f"sample, rows={n}", "who": OURS, "tokens/s": 10.0 * n, "x": n}
        | {"over": "rows", "of": "sample"}
        for n in (2, 8)
    ]
    figure = plot.draw(rows + curve, "title")
    ratios, floors, lines = figure.axes
    assert [text.get_text().strip() for text in ratios.texts] == ["2.50", "1.00"]
    assert [text.get_text().strip() for text in floors.texts] == ["50", "20", "50"]
    assert list(lines.get_lines()[0].get_xdata()) == [2, 8]
    assert plot.draw([{"case": "canary", "who": OURS}], "title") is None


def test_the_stored_ratios_are_of_cases_there_are():
    stored = gate.read(pathlib.Path(gate.__file__).with_name("baseline.json"))
    for key in stored:
        suite, shape, _, who = key.split("/")
        assert suite in ("rl_step", "sample", "update") and shape in SHAPES and who in PEERS
