"""Makes Step-DPO's pairs (arXiv 2406.18629) in four steps, each of which goes on where it stopped.

python -m launch.pairs --out=DIR --model=FOLDER --task=modchain --problems=1000 --n=8 \
    --max_tokens=16 --separator=,

  collect   the model's responses with wrong answers             DIR/collected.jsonl
  locate    their first wrong step, by a judge                   DIR/located.jsonl
  rectify   corrections from the steps before that reach the
            right answer, of the model or of another one         DIR/rectified.jsonl
  pairs     steps against corrections, filtered, each once       DIR/pairs.jsonl
            the same as whole responses                          DIR/whole_pairs.jsonl

--step runs one of them. A writer (--model, --corrector, --judge_model) is a model folder, the
workdir of a finished run, or an endpoint of OpenAI's API: http://HOST/v1#MODEL for /completions,
chat+https://HOST/v1#MODEL for /chat/completions, with the key in OPENAI_API_KEY; answers are kept
in DIR/answers and not asked for again. Judges: exact (the task's own truth of steps), prm (a
reward model's folder), majority (a writer, asked --votes times).
"""

from launch import environment  # isort: skip  (before jax starts)

import dataclasses
import json
import os
import pathlib

from absl import flags

from launch.free_overrides import options
from launch.sampler_flags import load_parts, sampling_params

STEPS = ("collect", "locate", "rectify", "pairs")
OUT = flags.DEFINE_string("out", None, "Folder of the files.", required=True)
STEP = flags.DEFINE_enum("step", "all", [*STEPS, "all"], "What to do.")
MODEL = flags.DEFINE_string("model", None, "Writer of the responses.", required=True)
CORRECTOR = flags.DEFINE_string("corrector", None, "Writer of the corrections; default: --model.")
TASK = flags.DEFINE_string("task", None, "Embedded task or package.module:Class.", required=True)
DATA = flags.DEFINE_string("data", "", "Folder of a file-backed task.")
TASK_OPTION = flags.DEFINE_multi_string("task_option", [], "Option of the task, as key=value.")
SPLIT = flags.DEFINE_string("split", "train", "Split of the problems.")
PROBLEMS = flags.DEFINE_integer("problems", 1000, "The first so many problems.", lower_bound=1)
CORRECTIONS = flags.DEFINE_integer("corrections", 20, "Samples for each wrong step.", lower_bound=1)
MISTAKES = flags.DEFINE_integer("mistakes", 1, "Wrong responses of a problem.", lower_bound=1)
MOST = flags.DEFINE_integer("most", 0, "Pairs of a problem; 0 is all.", lower_bound=0)
SEPARATOR = flags.DEFINE_string("separator", "\n", "Ends a step.")
STEP_WORD = flags.DEFINE_string("step_word", "", "Steps begin with it and a number: Step 1:")
JUDGE = flags.DEFINE_enum("judge", "exact", ["exact", "prm", "majority"], "Who locates errors.")
JUDGE_MODEL = flags.DEFINE_string("judge_model", None, "Writer, or folder of the reward model.")
VOTES = flags.DEFINE_integer("votes", 5, "Judgements of a response.", lower_bound=1)
JUDGE_TOKENS = flags.DEFINE_integer("judge_tokens", 512, "Length limit of a judgement.")
THRESHOLD = flags.DEFINE_float("threshold", 0.5, "Reward below which a step is wrong.")
CHECK = flags.DEFINE_enum(
    "check", "outcome", ["outcome", "judge"], "What a correction must pass: see arXiv 2406.18629."
)
AT_ONCE = flags.DEFINE_integer("at_once", 256, "Problems between writes.", lower_bound=1)
PER_MINUTE = flags.DEFINE_float("per_minute", 0, "Most requests to an endpoint; 0 is no limit.")
PARALLEL = flags.DEFINE_integer("parallel", 8, "Requests at once.", lower_bound=1)
PRICES = flags.DEFINE_list("prices", ["0", "0"], "Of 10^6 prompt tokens, of 10^6 written ones.")


def main(_: list[str]) -> None:
    """Runs the steps asked for, in order."""
    from reasoning_jax.preference.pairs import Numbered, Separated
    from reasoning_jax.stages.verification import build_verifier, verify_block
    from reasoning_jax.tasks import load_task

    task = load_task(TASK.value, DATA.value, **options(TASK_OPTION.value))
    size = task.size(SPLIT.value)
    if PROBLEMS.value > size:
        raise ValueError(f"--problems={PROBLEMS.value}: {task.name} has {size} in {SPLIT.value!r}")
    if CHECK.value == "judge" and JUDGE.value == "majority":
        raise ValueError("--check=judge needs a judge of whole responses: exact or prm")
    steps = Numbered(STEP_WORD.value) if STEP_WORD.value else Separated(SEPARATOR.value)
    verify = verify_block()
    verify.max_failures = 1.0  # what cannot be judged makes no pair
    work = Work(pathlib.Path(OUT.value), task, steps, build_verifier(verify), {})
    try:
        for step in STEPS:
            if STEP.value in (step, "all"):
                getattr(work, step)()
    finally:
        work.verifier.close()
    work.tell_usage()


@dataclasses.dataclass(frozen=True)
class Work:
    """The steps over one folder.

    Attributes:
      folder: of the files.
      task, steps, verifier: of the problems, of their responses, of their answers.
      writers: generators by what the flags call them, once each.
    """

    folder: pathlib.Path
    task: object
    steps: object
    verifier: object
    writers: dict

    def collect(self) -> None:
        """Wrong responses."""
        from reasoning_jax.preference.pipeline import collect, grader

        grade, sampling = grader(self.verifier, self.task), sampling_params()
        problems = [self.task.problem(SPLIT.value, index) for index in range(PROBLEMS.value)]
        self._run(
            "collected",
            problems,
            lambda part: collect(self._writer(MODEL.value), grade, part, sampling),
            {"model": MODEL.value, "sampling": dataclasses.asdict(sampling)},
        )

    def locate(self) -> None:
        """First wrong steps."""
        from reasoning_jax.preference.pipeline import locate

        self._run(
            "located",
            self._traces("collected"),
            lambda part: locate(
                self._judge(), self.steps, self._problems(part), part, MISTAKES.value
            ),
            {"judge": self._judge_settings(), "mistakes": MISTAKES.value},
        )

    def rectify(self) -> None:
        """Corrections."""
        from reasoning_jax.preference.pipeline import grader, rectify

        sampling = sampling_params()
        # Another seed than that of the responses: the same draws would make the same mistake.
        sampling = dataclasses.replace(sampling, n=CORRECTIONS.value, seed=sampling.seed + 1)
        grade, corrector = grader(self.verifier, self.task), CORRECTOR.value or MODEL.value
        self._run(
            "rectified",
            self._traces("located"),
            lambda part: rectify(
                self._writer(corrector), grade, self.steps, self._problems(part), part, sampling
            ),
            {"corrector": corrector, "sampling": dataclasses.asdict(sampling)},
        )

    def pairs(self) -> None:
        """Pairs with where they come from."""
        from reasoning_jax.preference.pairs import write_pairs
        from reasoning_jax.preference.pipeline import assemble, checked, whole_pairs

        traces = self._traces("rectified")
        if CHECK.value == "judge":
            traces = checked(self._judge(), self._problems(traces), traces)
        by_id = {trace.id: dict(trace.made_by) for trace in traces}
        for name, pairs in (
            ("pairs", assemble(traces, MOST.value)),
            ("whole_pairs", whole_pairs(traces, MOST.value)),
        ):
            made_by = [{**by_id[pair.source], "check": CHECK.value} for pair in pairs]
            write_pairs(self.folder / f"{name}.jsonl", pairs, made_by)
            print(f"{len(pairs)} pairs in {self.folder / name}.jsonl")

    def tell_usage(self) -> None:
        """What endpoints were asked, and the price."""
        prompt_price, written_price = map(float, PRICES.value)
        for name, writer in self.writers.items():
            if hasattr(writer, "client"):
                usage = writer.client.usage
                cost = usage.cost(prompt_price, written_price)
                print(f"{name}: {json.dumps(dataclasses.asdict(usage))}, cost {cost:.4f}")

    def _run(self, name: str, source, work, settings: dict) -> None:
        from reasoning_jax.preference.pipeline import run_lines

        common = {"task": TASK.value, "task_options": sorted(TASK_OPTION.value)}
        common |= {"split": SPLIT.value, "steps": repr(self.steps)}
        path = self.folder / f"{name}.jsonl"

        def told(done: int, total: int) -> None:
            print(f"{path}: {done} of {total}", flush=True)

        run_lines(source, path, work, AT_ONCE.value, common | settings, told)

    def _traces(self, name: str):
        from reasoning_jax.preference.pipeline import read_traces

        path = self.folder / f"{name}.jsonl"
        if not path.exists():
            raise FileNotFoundError(f"no {path}; run the step before this one first")
        return read_traces(path)

    def _problems(self, traces):
        from reasoning_jax.preference.pipeline import problem_of

        return [problem_of(self.task, trace.id) for trace in traces]

    def _judge_settings(self) -> dict:
        settings = {"exact": {}, "prm": {"threshold": THRESHOLD.value}}
        settings["majority"] = {"votes": VOTES.value, "tokens": JUDGE_TOKENS.value}
        chosen = {"name": JUDGE.value, **settings[JUDGE.value]}
        return chosen if JUDGE.value == "exact" else chosen | {"model": JUDGE_MODEL.value}

    def _judge(self):
        from reasoning_jax.preference.pipeline import ExactJudge, MajorityJudge, ScoreJudge
        from reasoning_jax.stages.process_scores import load_process_scores

        if JUDGE.value == "exact":
            return ExactJudge(self.task)
        if JUDGE_MODEL.value is None:
            raise ValueError(f"--judge={JUDGE.value} needs --judge_model")
        if JUDGE.value == "prm":
            if JUDGE_MODEL.value not in self.writers:
                scores = load_process_scores(JUDGE_MODEL.value, SEPARATOR.value)
                self.writers[JUDGE_MODEL.value] = scores
            return ScoreJudge(self.writers[JUDGE_MODEL.value], THRESHOLD.value)
        sampling = dataclasses.replace(
            sampling_params(), n=VOTES.value, max_tokens=JUDGE_TOKENS.value, stop=()
        )
        return MajorityJudge(self._writer(JUDGE_MODEL.value), sampling)

    def _writer(self, name: str):
        if name not in self.writers:
            self.writers[name] = _endpoint(name, self.folder) or _local(name)
        return self.writers[name]


def _endpoint(name: str, folder: pathlib.Path):
    """The generator of an endpoint, or None for the name of a folder."""
    from reasoning_jax.generators import ChatEndpoint, Client, CompletionEndpoint

    kind, url = (ChatEndpoint, name[5:]) if name.startswith("chat+") else (CompletionEndpoint, name)
    if not url.startswith(("http://", "https://")):
        return None
    url, _, model = url.partition("#")
    if not model:
        raise ValueError(f"{name} names no model: write its name after #")
    client = Client(
        url,
        os.environ.get("OPENAI_API_KEY", ""),
        cache=folder / "answers",
        per_minute=PER_MINUTE.value,
    )
    return kind(client, model, PARALLEL.value)


def _local(folder: str):
    from reasoning_jax.generators import LocalGenerator

    parts = load_parts(folder)
    if parts.tooling.toolbox is not None:
        raise ValueError(f"{folder} calls tools, whose results make no pairs; give --tool=")
    return LocalGenerator(parts.sampler, parts.sampler.tokenizer, folder)


if __name__ == "__main__":
    environment.run(main)
