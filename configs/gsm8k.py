"""GSM8K from its official files, on any model folder in Hugging Face format.

Imitation of the 7,473 training solutions, then GRPO with the final number as reward, then
accuracy on test problems. Sizes here suit a small model on a laptop; for a real one give its
folder, a mesh, and lengths:

  python -m launch.train --config=configs/gsm8k.py --workdir=runs/gsm8k \\
    --config.model=FOLDER --config.data=FOLDER_OF_GSM8K

A folder with a fresh small model and a tokenizer trained on the solutions comes from

  python -m launch.init_model --preset=mini --task=gsm8k --data=FOLDER_OF_GSM8K --to=FOLDER
"""

from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe


def get_config() -> ConfigDict:
    config = recipe("gsm8k", __doc__)
    config.task = "gsm8k"
    config.model = ""
    config.sampler_rows = 64

    sft = add_stage(config, "sft", "reasoning_jax.stages.sft")
    sft.row_tokens = 512
    sft.drop_longer = True  # a few of the solutions
    sft.rows = 16
    sft.steps = 400
    sft.optimizer.schedule = named(
        "reasoning_jax.training.schedules.cosine", peak=2e-3, total_steps=400, warmup_steps=20
    )
    sft.evaluate_every = 0
    sft.checkpoint_every = 100

    rl = add_stage(config, "rl", "reasoning_jax.stages.rl")
    rl.prompts = 8
    rl.group_size = 8
    rl.max_tokens = 256
    rl.micro_batches = 2
    rl.steps = 10
    rl.optimizer.schedule.peak = 1e-5
    rl.evaluate_every = 10
    # The guard watches training problems: the test set is for the end alone.
    rl.evaluation.split = "train"
    rl.evaluation.problems = 32
    rl.evaluation.n = 2
    rl.evaluation.max_tokens = 256

    test = add_stage(config, "evaluate", "reasoning_jax.stages.evaluate")
    test.problems = 64
    test.n = 4
    test.max_tokens = 256
    config.lock()
    return config
