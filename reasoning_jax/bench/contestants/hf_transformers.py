"""Hugging Face transformers on torch: ``generate`` with sdpa, and a plain training step."""

import functools
from collections.abc import Callable
from typing import Any

from reasoning_jax.bench import works
from reasoning_jax.bench.child import Done, Unavailable
from reasoning_jax.bench.works import Work, prompts, read, update_rows

try:
    import torch
    import transformers
except ImportError as error:
    raise Unavailable("pip install torch transformers (the extra parity has them)") from error


WARM_UPS = 1  # nothing is compiled


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """Sets a `Work` up; see `bench.child`."""
    task = read(work)
    run = _sample(task) if task.task == "sample" else _update(task)
    about = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "device": torch.cuda.get_device_name() if _on_gpu() else f"{torch.get_num_threads()} cpu",
    }
    return run, about


def release() -> None:
    """Gives cached memory back to the card, which others use too."""
    if _on_gpu():
        torch.cuda.empty_cache()


def _on_gpu() -> bool:
    return torch.cuda.is_available()


def _device() -> torch.device:
    return torch.device("cuda" if _on_gpu() else "cpu")


@functools.cache
def _model(folder: str, dtype: str):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), attn_implementation="sdpa"
    ).to(_device())


def _finish() -> None:
    if _on_gpu():
        torch.cuda.synchronize()


def _sample(work: Work) -> Callable[[], Done]:
    model = _model(work.folder, work.dtype).eval()
    rows = [row for row in prompts(work, model.config.vocab_size) for _ in range(work.group)]
    sampling = (
        {"do_sample": False}
        if work.temperature == 0
        else {
            "do_sample": True,
            "temperature": work.temperature,
            "top_k": work.top_k,
            "top_p": work.top_p,
        }
    )
    config = transformers.GenerationConfig(
        max_new_tokens=work.response, eos_token_id=None, pad_token_id=0, **sampling
    )
    ids = torch.tensor(rows, device=_device())
    mask = torch.ones_like(ids)

    @torch.inference_mode()
    def run() -> Done:
        out = model.generate(ids, attention_mask=mask, generation_config=config)
        new = out[:, ids.shape[1] :]
        _finish()
        return Done(new.numel(), float(new.sum()) if work.temperature == 0 else None)

    return run


def _update(work: Work) -> Callable[[], Done]:
    """AdamW on float32 weights; a lower dtype computes under autocast."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        work.folder, dtype=torch.float32, attn_implementation="sdpa"
    ).to(_device())
    model.train()
    ids = torch.tensor(update_rows(work, model.config.vocab_size), device=_device())
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=works.LEARNING_RATE,
        betas=(works.B1, works.B2),
        eps=works.EPS,
        weight_decay=0.0,
        fused=True,
    )
    loss = {"grpo": _grpo, "dpo": _dpo, "sft": _sft}[work.task](work, model, ids)

    def run() -> Done:
        for _ in range(work.rounds):
            with torch.autocast(
                _device().type, getattr(torch, work.dtype), enabled=work.dtype != "float32"
            ):
                value = loss(_response_logprobs(model, ids, work.response))
            value.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), works.CLIP_NORM)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        check = float(norm)
        _finish()
        return Done(ids.numel() * work.rounds, check)

    return run


def _response_logprobs(model, ids: "torch.Tensor", response: int) -> "torch.Tensor":
    """[rows, response] of the tokens; logits of response positions alone."""
    logits = model(ids, logits_to_keep=response + 1).logits[:, :-1].float()
    chosen = ids[:, -response:, None]
    return logits.gather(-1, chosen).squeeze(-1) - logits.logsumexp(-1)


def _grpo(work: Work, model, ids):
    advantages = torch.tensor(works.advantages(work), device=ids.device)[:, None]

    def loss(logprobs):
        ratio = torch.exp(logprobs - logprobs.detach())
        clipped = ratio.clamp(1 - works.CLIP, 1 + works.CLIP)
        return -torch.minimum(ratio * advantages, clipped * advantages).mean()

    return loss


def _dpo(work: Work, model, ids):
    with torch.inference_mode():
        reference = _response_logprobs(model, ids, work.response).sum(-1)
    reference = reference.clone()

    def loss(logprobs):
        ratios = logprobs.sum(-1) - reference
        margin = ratios[::2] - ratios[1::2]
        return -torch.nn.functional.logsigmoid(works.BETA * margin).mean()

    return loss


def _sft(work: Work, model, ids):
    return lambda logprobs: -logprobs.mean()
