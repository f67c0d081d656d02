"""Evaluates a model: sampled, greedy and voted accuracy with intervals.

python -m launch.evaluate --workdir=runs/quickstart --n=8
python -m launch.evaluate --model=HF_FOLDER --task=gsm8k --data=DIR --n=8 --max_tokens=512
"""

from launch import environment  # isort: skip  (before jax starts)

import json

from absl import flags
from ml_collections import config_flags

from launch.free_overrides import options
from launch.sampler_flags import load_sampler, sampling_params

CONFIG = config_flags.DEFINE_config_file("config", help_string="Config file, to check a workdir.")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a finished run.")
MODEL = flags.DEFINE_string("model", None, "Model folder in Hugging Face format.")
TASK = flags.DEFINE_string("task", None, "Embedded task or package.module:Class.")
DATA = flags.DEFINE_string("data", "", "Folder of a file-backed task.")
TASK_OPTION = flags.DEFINE_multi_string("task_option", [], "Option of the task, as key=value.")
SPLIT = flags.DEFINE_string("split", "test", "Split to evaluate on.")
PROBLEMS = flags.DEFINE_integer("problems", 0, "The first so many problems; 0 is all.")
OUT = flags.DEFINE_string("out", None, "File for the metrics as JSON.")


def main(_: list[str]) -> None:
    """Loads, evaluates, prints."""
    from reasoning_jax.evals.console import evaluation_table
    from reasoning_jax.evals.run import evaluate
    from reasoning_jax.parallel import is_main_process
    from reasoning_jax.stages.exported import model_folder, task_of_run
    from reasoning_jax.stages.verification import build_verifier, verify_block

    source = MODEL.value or WORKDIR.value
    if source is None:
        raise ValueError("nothing to evaluate: give --model=FOLDER or --workdir=DIR")
    model_folder(source)  # an unfinished run is named before anything is read
    task = task_of_run(
        WORKDIR.value, TASK.value, DATA.value, CONFIG.value, options(TASK_OPTION.value)
    )
    size = task.size(SPLIT.value)
    count = PROBLEMS.value or size
    if not 1 <= count <= size:
        raise ValueError(f"--problems={count}: {task.name} has {size} in {SPLIT.value!r}; 0 is all")
    problems = [task.problem(SPLIT.value, index) for index in range(count)]
    verify = verify_block()
    verify.max_failures = 1.0  # failed checks are shown with the rest: nothing trains on them
    verifier = build_verifier(verify)
    evaluation = evaluate(load_sampler(source), task, problems, sampling_params(), verifier)
    verifier.close()
    if is_main_process():
        evaluation_table(f"{source} on {task.name} ({SPLIT.value})", evaluation.metrics)
        if OUT.value:
            with open(OUT.value, "w") as file:
                json.dump(evaluation.metrics, file, indent=2)


if __name__ == "__main__":
    environment.run(main)
