"""The page says what the lines say, needs nothing outside itself, and survives what is absent."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from reasoning_jax.evals import plots
from reasoning_jax.evals.report import write_report
from reasoning_jax.training.metrics import RunLog, read_metrics

VOID = {"meta", "br", "link", "img"}


class Checker(HTMLParser):
    """Checks that elements close in order; gathers headings, texts of table cells, addresses."""

    def __init__(self, page):
        super().__init__()
        self.open, self.headings, self.captions, self.cells, self.addresses = [], [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")
        self.addresses += [
            value for key, value in attributes if key in ("src", "href", "xlink:href")
        ]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if self.open[-2:] == ["figcaption", "b"]:
            self.captions.append(data)
        if "td" in self.open:
            self.cells[-1] += data


def evaluation(accuracy):
    return {
        "eval/pass@1": accuracy,
        "eval/pass@1_interval": 0.02,
        "eval/greedy": accuracy + 0.05,
        "eval/maj@8": accuracy + 0.1,
        "eval/length": 50.0 + 40 * accuracy,
    }


def supervised(log):
    log.log("sft", 0, evaluation(0.125))
    for step in range(1, 101):
        log.log("sft", step, {"train/loss": 2.0 / step, "train/grad_norm": 1.0 / step})
    log.log("sft", 100, evaluation(0.375))


def reinforced(log):
    for step in range(1, 6):
        rl = {"rl/reward": 0.1 * step, "rl/reward_sd": 0.3, "rl/entropy": 1.0 / step}
        rl |= {"rl/verdict/exact": 4 + step, "rl/verdict/no_answer": 4}
        rl |= {"rl/logprob_gap_mean": 0.0, "rl/logprob_gap_max": 0.0}
        rl |= {"time/sample": 1.0, "time/verify": 0.5, "time/update": 2.0}
        log.log("rl", step, rl)
        rows = [
            {
                "problem": f"chain/train/{step}",
                "prompt": "What is 1 < 2 & 3?",
                "completion": f"step {step} <script>alert({i})</script>",
                "verdict": verdict,
                "reason": "exact" if verdict else "no_answer",
                "reward": float(bool(verdict)),
                "advantage": 0.75 if verdict else -0.25,
                "gold": "yes",
                "finish_reason": "stop",
            }
            for i, verdict in enumerate([True, False, True, None, True])
        ]
        log.samples("rl", step, rows)
    log.log("rl", 5, evaluation(0.625))


@pytest.fixture
def workdir(tmp_path):
    config = {"header": "Chains & <rl>\n\nExpected: 0.6", "command": "python -m launch.train"}
    (tmp_path / "config.json").write_text(json.dumps({**config, "seed": 17}))
    with RunLog(tmp_path) as log:
        supervised(log)
        reinforced(log)
    return tmp_path


def test_page_is_well_formed_and_needs_nothing_outside(workdir):
    path = write_report(workdir)
    assert path == workdir / "report.html"
    page = path.read_text()
    checked = Checker(page)
    assert checked.addresses and all(address.startswith("#") for address in checked.addresses)
    assert not re.search(r"url\((?!#)|@import|<script", page)
    assert checked.headings == [
        *("Results", "Learning", "Policy", "Responses", "Speed", "Samples of rl")
    ]
    assert "<h1>Chains &amp; &lt;rl&gt;</h1>" in page
    assert "Expected: 0.6" in page and "python -m launch.train" in page
    assert "&quot;seed&quot;: 17" in page


def test_results_compare_the_last_evaluation_of_a_stage_with_its_first(workdir):
    cells = Checker(write_report(workdir).read_text()).cells
    assert cells == [
        *("37.5% ± 2.012.5% ± 2.0 +25.0", "42.5%17.5% +25.0", "47.5%22.5% +25.0"),
        "6555 +10",  # 50 + 40 * 0.375, and 50 + 40 * 0.125
        *("62.5% ± 2.0", "67.5%", "72.5%", "75"),
    ]


def test_charts_are_those_of_the_logged_metrics(workdir):
    captions = Checker(write_report(workdir).read_text()).captions
    assert captions == [
        *("Accuracy", "Reward", "Supervised loss", "Gradient norm", "Entropy"),
        *("Sampler and trainer log-probability gap", "Verdicts", "Time of a step"),
    ]


def test_samples_of_each_verdict_at_first_middle_and_last_step(workdir):
    page = write_report(workdir).read_text()
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Step 1", "Step 3", "Step 5"]
    shown = re.findall(r"step (\d) &lt;script&gt;alert\((\d)\)&lt;/script&gt;", page)
    # Two right, one wrong, one not judged; the third right one (4) is left out.
    assert shown == [(step, sample) for step in "135" for sample in "0213"]
    assert page.count("What is 1 &lt; 2 &amp; 3?") == 12
    assert "not judged · no_answer" in page
    assert "advantage <b>−0.25</b>" in page


def test_metrics_that_were_not_finite_are_named(workdir):
    with RunLog(workdir) as log:
        log.log("rl", 6, {"rl/kl": float("nan")})
        log.log("rl", 7, {"rl/kl": float("inf")})
    page = write_report(workdir).read_text()
    assert "<code>rl/kl</code> was not finite at 2 steps, first at rl 6" in page


def test_a_run_without_rl_samples_or_config(tmp_path):
    with RunLog(tmp_path) as log:
        supervised(log)
    checked = Checker(write_report(tmp_path).read_text())
    assert checked.headings == ["Results", "Learning"]
    assert checked.captions == ["Accuracy", "Supervised loss", "Gradient norm"]


def test_a_lone_evaluation_is_a_table_without_charts(tmp_path):
    with RunLog(tmp_path) as log:
        log.log("evaluate", 0, evaluation(0.5))
    checked = Checker(write_report(tmp_path).read_text())
    assert checked.headings == ["Results"]
    assert checked.cells == ["50.0% ± 2.0", "55.0%", "60.0%", "70"]
    assert checked.captions == []


def test_missing_and_empty_metrics_are_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no metrics\.jsonl in .*: no stage has run"):
        write_report(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"metrics\.jsonl is empty"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_stages_share_an_axis_in_equal_widths(workdir):
    axes = plots.accuracy(read_metrics(workdir)).axes[0]
    sampled = axes.get_lines()[0]
    # sft at steps 0 and 100 of 100, then rl at step 5 of 5.
    assert list(sampled.get_xdata()) == [0.0, 1.0, 2.0]
    assert list(sampled.get_ydata()) == [12.5, 37.5, 62.5]
    assert [text.get_text() for text in axes.texts] == ["sft step", "rl step"]


def test_reward_band_is_one_standard_deviation(workdir):
    axes = plots.mean_and_sd(read_metrics(workdir), "rl/reward", "rl/reward_sd").axes[0]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.1 - 0.3, 0.5 + 0.3))


def test_long_series_are_smoothed_over_their_faint_raw_values():
    # Alternating 0 and 2 has mean 1; 200 values are averaged over 2 * (200 // 40) - 1 = 9,
    # centred: five of one kind and four of the other, 8 / 9 or 10 / 9.
    lines = [{"stage": "rl", "step": s, "rl/kl": 2.0 * (s % 2)} for s in range(200)]
    raw, smooth = plots.curves(lines, {"kl": "rl/kl"}).axes[0].get_lines()
    assert list(raw.get_ydata()) == [2.0 * (s % 2) for s in range(200)]
    assert smooth.get_ydata()[100] == pytest.approx(8 / 9)
    assert smooth.get_ydata()[101] == pytest.approx(10 / 9)


def test_a_log_axis_falls_back_to_a_linear_one_when_nothing_is_positive():
    lines = [{"stage": "rl", "step": s, "gap": 0.0} for s in (1, 2)]
    assert plots.curves(lines, {"gap": "gap"}, scale="log").axes[0].get_yscale() == "linear"
    lines = [{"stage": "rl", "step": s, "gap": 10.0**-s} for s in (1, 2)]
    assert plots.curves(lines, {"gap": "gap"}, scale="log").axes[0].get_yscale() == "log"


def test_verdicts_are_shares_of_a_step(workdir):
    areas = plots.verdicts(read_metrics(workdir)).axes[0].collections
    # Most at step 5: nine exact of thirteen; the areas together always fill 100 per cent.
    first = [area.get_paths()[0].vertices[:, 1] for area in areas]
    assert len(first) == 2
    assert first[0].max() == pytest.approx(100 * 9 / 13)
    assert first[1].max() == pytest.approx(100.0)


def test_a_single_point_is_no_chart():
    assert plots.curves([{"stage": "rl", "step": 1, "rl/kl": 0.5}], {"kl": "rl/kl"}) is None
    assert all(chart.draw([{"stage": "rl", "step": 1}]) is None for chart in plots.CHARTS)


def test_svg_is_xml_in_the_colour_of_the_page(workdir):
    figure = plots.accuracy(read_metrics(workdir))
    svg = plots.to_svg(figure)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "currentColor" in svg and plots.INK not in svg
    assert svg == plots.to_svg(plots.accuracy(read_metrics(workdir)))
