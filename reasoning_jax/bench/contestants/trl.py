"""TRL's DPOTrainer: steps of its own training loop, loss and optimiser included, on torch."""

import importlib
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

from reasoning_jax.bench import works
from reasoning_jax.bench.child import Done, Unavailable
from reasoning_jax.bench.turnstile import Turnstile
from reasoning_jax.bench.works import Work, read, update_rows

try:
    import datasets
    import torch
    import transformers

    # TRL 0.24 takes for yes what transformers 5 answers where a package is missing: (False, ...).
    known = importlib.import_module("trl.import_utils")
    for name, value in list(vars(known).items()):
        if name.endswith("_available") and isinstance(value, tuple):
            setattr(known, name, value[0])
    import trl
    from trl import DPOConfig, DPOTrainer
except ImportError as error:
    raise Unavailable(
        f"pip install 'trl==0.24.0', for the interpreter of --peer_python ({error})"
    ) from error


WARM_UPS = 1  # nothing is compiled


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """Sets a `Work` up; see `bench.child`."""
    task = read(work)
    if task.task != "dpo":
        raise Unavailable(f"TRL takes part in dpo alone, not in {task.task}; leave the peer out")
    run = _dpo(task)
    gpu = torch.cuda.is_available()
    about = {
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
        },
        "device": torch.cuda.get_device_name() if gpu else f"{torch.get_num_threads()} cpu",
    }
    return run, about


def release() -> None:
    """Gives cached memory back to the card, which others use too."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Steps(transformers.TrainerCallback):
    """Stops the loop before every step until it is let on, and keeps the first norm."""

    def __init__(self):
        self.turnstile, self.norm = Turnstile(), None

    def on_step_begin(self, *_, **__) -> None:
        self.turnstile.passing()

    def on_log(self, *_, logs: dict[str, float], **__) -> None:
        if self.norm is None:
            self.norm = float(logs["grad_norm"])


def _dpo(work: Work) -> Callable[[], Done]:
    """Reference scored once, logits of responses alone, nothing computed again, AdamW fused."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        work.folder, dtype=torch.float32, attn_implementation="sdpa"
    )
    model.warnings_issued = {}  # which models of transformers 5 no longer have
    rows = update_rows(work, model.config.vocab_size)
    steps = _Steps()
    trainer = DPOTrainer(
        model,
        args=_settings(work),
        train_dataset=datasets.Dataset.from_list(_texts(work, rows)),
        processing_class=_tokenizer(work.folder),
        callbacks=[steps],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    first, second = rows[0][: work.prompt], rows[0][work.prompt :]
    found = trainer.train_dataset[0]
    if (found["prompt_input_ids"], found["chosen_input_ids"]) != (first, second):
        raise RuntimeError("the tokenizer of the folder gives other ids than the rows of the work")
    steps.turnstile.start(trainer.train)

    def run() -> Done:
        for _ in range(work.rounds):
            steps.turnstile.step()
        return Done(work.rows * (work.prompt + work.response) * work.rounds, steps.norm)

    return run


def _tokenizer(folder: str) -> transformers.PreTrainedTokenizerFast:
    """Numbers between spaces. Its end is a word of its own: 0 would be cut out of every 10."""
    path = str(pathlib.Path(folder) / "tokenizer.json")
    return transformers.PreTrainedTokenizerFast(tokenizer_file=path, eos_token="end")


def _settings(work: Work) -> DPOConfig:
    lower = {"bfloat16": "bf16", "float16": "fp16"}
    return DPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=not torch.cuda.is_available(),
        bf16=lower.get(work.dtype) == "bf16",
        fp16=lower.get(work.dtype) == "fp16",
        per_device_train_batch_size=work.rows // 2,
        max_steps=1 << 30,
        learning_rate=works.LEARNING_RATE,
        lr_scheduler_type="constant",
        warmup_steps=0,
        adam_beta1=works.B1,
        adam_beta2=works.B2,
        adam_epsilon=works.EPS,
        weight_decay=0.0,
        max_grad_norm=works.CLIP_NORM,
        beta=works.BETA,
        precompute_ref_log_probs=True,
        use_logits_to_keep=True,
        gradient_checkpointing=False,
        max_prompt_length=work.prompt,
        max_completion_length=work.response,  # without the end that it adds to responses
        max_length=work.prompt + work.response,
        logging_first_step=True,
        logging_steps=1 << 30,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _texts(work: Work, rows: list[list[int]]) -> list[dict[str, str]]:
    """Pairs as TRL reads them: numbers between spaces, which the folder's tokenizer takes back."""

    def text(ids: list[int]) -> str:
        return " ".join(map(str, ids))

    return [
        {
            "prompt": text(chosen[: work.prompt]),
            "chosen": text(chosen[work.prompt :]),
            "rejected": text(rejected[work.prompt :]),
        }
        for chosen, rejected in zip(rows[::2], rows[1::2])
    ]
