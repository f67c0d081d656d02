"""Makes a model folder in Hugging Face format with fresh weights and a tokenizer of a task.

python -m launch.init_model --preset=mini --task=gsm8k --data=DIR --vocab_size=2048 --to=FOLDER
"""

from launch import environment  # isort: skip  (before jax starts)

from absl import flags

from launch.free_overrides import options

PRESET = flags.DEFINE_string("preset", "mini", "Size, a name in reasoning_jax.models.PRESETS.")
TASK = flags.DEFINE_string("task", None, "Task whose texts train the tokenizer.", required=True)
DATA = flags.DEFINE_string("data", "", "Folder of a file-backed task.")
TASK_OPTION = flags.DEFINE_multi_string("task_option", [], "Option of the task, as key=value.")
SPLIT = flags.DEFINE_string("split", "train", "Split of the texts; a benchmark may have only test.")
VOCAB_SIZE = flags.DEFINE_integer("vocab_size", 2048, "Tokens of the byte-level BPE.")
PROBLEMS = flags.DEFINE_integer(
    "problems", 10_000, "The first so many problems, which the tokenizer reads."
)
SEED = flags.DEFINE_integer("seed", 0, "Of the weights.")
TO = flags.DEFINE_string("to", None, "Folder to write.", required=True)


def main(_: list[str]) -> None:
    """Trains the tokenizer, draws the weights, writes both."""
    import jax

    from reasoning_jax.models import count_params, init_params, preset, save_hf
    from reasoning_jax.tasks import load_task
    from reasoning_jax.text import train_bpe

    task = load_task(TASK.value, DATA.value, **options(TASK_OPTION.value))
    count = min(PROBLEMS.value, task.size(SPLIT.value))
    problems = (task.problem(SPLIT.value, index) for index in range(count))
    texts = [problem.prompt + (problem.solution or "") for problem in problems]
    tokenizer = train_bpe(texts, VOCAB_SIZE.value, TO.value)
    config = preset(PRESET.value, tokenizer.vocab_size, {"architecture": "qwen2", "qkv_bias": True})
    params = init_params(config, jax.random.key(SEED.value))
    save_hf(TO.value, config, params)
    tokenizer.save(TO.value)
    print(f"{TO.value}: {count_params(params):,} parameters, {tokenizer.vocab_size} tokens")


if __name__ == "__main__":
    environment.run(main)
