"""google-tunix: its vanilla sampler and its trainers, on its Qwen2 with the same weights."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

from reasoning_jax.bench import works
from reasoning_jax.bench.child import Done, Unavailable
from reasoning_jax.bench.tokenizer import IdTokenizer
from reasoning_jax.bench.turnstile import TURNSTILE
from reasoning_jax.bench.works import KL_COEF, Work, prompts, read, update_rows

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    from tunix.generate import sampler as sampler_lib
    from tunix.models.qwen2 import model as qwen2
    from tunix.models.qwen2 import params as qwen2_params
    from tunix.rl import function_registry, rl_cluster
    from tunix.rl.grpo import grpo_learner
    from tunix.rl.rollout import base_rollout
    from tunix.sft import peft_trainer
    from tunix.sft.dpo import dpo_trainer
except ImportError as error:
    raise Unavailable(
        f"pip install google-tunix, for the interpreter of --peer_python ({error})"
    ) from error


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """Sets a `Work` up; see `bench.child`."""
    import importlib.metadata

    task = read(work)
    run = {"sample": _sample, "grpo": _grpo, "dpo": _dpo, "rl_step": _rl_step}[task.task](task)
    device = jax.devices()[0]
    about = {
        "versions": {
            "google-tunix": importlib.metadata.version("google-tunix"),
            "jax": jax.__version__,
        },
        "device": f"{len(jax.devices())} x {device.platform} {device.device_kind}",
    }
    return run, about


class TunixTokenizer:
    """`IdTokenizer` with the methods that tunix asks for; 0 is padding and never in a prompt."""

    def __init__(self, vocab_size: int):
        self._ids = IdTokenizer(vocab_size)

    def encode(self, text: str, **_) -> list[int]:
        """Ids of numbers between spaces."""
        return self._ids.encode(text)

    def decode(self, ids, **_) -> str:
        """Numbers between spaces."""
        return self._ids.decode(ids)

    def bos_id(self) -> int:
        """0, which tunix takes for none."""
        return 0

    def eos_id(self) -> int:
        """An id that no row holds: nothing ends early."""
        return -1

    def pad_id(self) -> int:
        """Fills prompts from the left."""
        return 0


def load(folder: str, dtype: str) -> Any:
    """tunix's Qwen2 with the weights of a folder."""
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    sizes = qwen2.ModelConfig(
        num_layers=config["num_hidden_layers"],
        vocab_size=config["vocab_size"],
        embed_dim=config["hidden_size"],
        hidden_dim=config["intermediate_size"],
        num_heads=config["num_attention_heads"],
        num_kv_heads=config["num_key_value_heads"],
        head_dim=config["hidden_size"] // config["num_attention_heads"],
        rope_theta=config.get("rope_theta", 10000.0),
        norm_eps=config["rms_norm_eps"],
        use_tied_embedding=config["tie_word_embeddings"],
        dtype=jnp.dtype(dtype),
    )
    return qwen2_params.create_model_from_safe_tensors(folder, sizes, dtype=jnp.dtype(dtype))


def optimizer() -> optax.GradientTransformation:
    """AdamW as all contestants have it."""
    return optax.chain(
        optax.clip_by_global_norm(works.CLIP_NORM),
        optax.adamw(works.LEARNING_RATE, b1=works.B1, b2=works.B2, eps=works.EPS, weight_decay=0.0),
    )


def _sample(work: Work) -> Callable[[], Done]:
    model = load(work.folder, work.dtype)
    sizes = model.config
    sampler = sampler_lib.Sampler(
        model,
        TunixTokenizer(sizes.vocab_size),
        sampler_lib.CacheConfig(
            work.prompt + work.response, sizes.num_layers, sizes.num_kv_heads, sizes.head_dim
        ),
    )
    rows = [row for row in prompts(work, sizes.vocab_size) for _ in range(work.group)]
    texts = [" ".join(map(str, row)) for row in rows]
    greedy = work.temperature == 0
    rule = {} if greedy else {"top_p": work.top_p, "top_k": work.top_k or None}
    count = [0]

    def run() -> Done:
        count[0] += 1
        out = sampler(
            texts,
            max_generation_steps=work.response,
            max_prompt_length=work.prompt,
            temperature=work.temperature,
            seed=count[0],
            **rule,
        )
        check = float(sum(int(np.sum(row)) for row in out.tokens)) if greedy else None
        return Done(sum(len(row) for row in out.tokens), check)

    return run


def _train(step: Callable[[Any], Any], batch: Callable[[], Any], work: Work) -> Callable[[], Done]:
    def run() -> Done:
        for _ in range(work.rounds):
            _, _, norm = step(batch())
        check = float(norm)
        return Done(work.rows * (work.prompt + work.response) * work.rounds, check)

    return run


def _halves(work: Work, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.asarray(update_rows(work, vocab_size), np.int32)
    return rows[:, : work.prompt], rows[:, work.prompt :]


def _grpo(work: Work) -> Callable[[], Done]:
    """The step that its GRPOLearner makes, without a KL term."""
    model = load(work.folder, work.dtype)
    prompt, response = _halves(work, model.config.vocab_size)
    config = grpo_learner.GRPOConfig(
        num_generations=max(work.group, 2), beta=0.0, epsilon=works.CLIP
    )
    config.temperature = 1.0
    policy_loss = function_registry.get_policy_loss_fn(config.policy_loss_fn)

    def loss(model, train_example, algo_config):
        return policy_loss(model, train_example, algo_config=config, pad_id=0, eos_id=-1)

    trainer = peft_trainer.PeftTrainer(
        model, optimizer(), peft_trainer.TrainingConfig(eval_every_n_steps=1 << 30)
    )
    trainer.with_loss_fn(loss, has_aux=True)
    trainer.with_gen_model_input_fn(lambda x: {"train_example": x, "algo_config": config})
    example = grpo_learner.TrainExample(
        prompt_ids=jnp.asarray(prompt),
        prompt_mask=jnp.ones(prompt.shape, bool),
        completion_ids=jnp.asarray(response),
        completion_mask=jnp.ones(response.shape, bool),
        advantages=jnp.asarray(works.advantages(work), jnp.float32),
        ref_per_token_logps=None,
        old_per_token_logps=None,
    )
    step, _ = trainer.jit_train_and_eval_step()
    return _train(step, lambda: example, work)


def _dpo(work: Work) -> Callable[[], Done]:
    """The step of its DPOTrainer, which scores with the reference at every step."""
    trainer = dpo_trainer.DPOTrainer(
        load(work.folder, work.dtype),
        load(work.folder, work.dtype),
        optimizer(),
        dpo_trainer.DPOTrainingConfig(eval_every_n_steps=1 << 30, beta=works.BETA),
    )
    prompt, response = _halves(work, trainer.model.config.vocab_size)
    pairs = dpo_trainer.TrainingInput(
        prompt_ids=prompt[::2],
        prompt_mask=np.ones(prompt[::2].shape, bool),
        chosen_ids=response[::2],
        chosen_mask=np.ones(response[::2].shape, bool),
        rejected_ids=response[1::2],
        rejected_mask=np.ones(response[1::2].shape, bool),
    )
    step, _ = trainer.jit_train_and_eval_step()
    return _train(step, lambda: trainer._prepare_inputs(pairs), work)


def _rl_step(work: Work) -> Callable[[], Done]:
    """Whole steps of its GRPOLearner, all roles on one mesh of one device, with a KL term."""
    actor, reference = load(work.folder, work.dtype), load(work.folder, work.dtype)
    vocab_size = actor.config.vocab_size
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]).reshape(1, 1), ("fsdp", "tp"))
    roles = (rl_cluster.Role.ACTOR, rl_cluster.Role.REFERENCE, rl_cluster.Role.ROLLOUT)
    cluster = rl_cluster.RLCluster(
        actor=actor,
        reference=reference,
        tokenizer=TunixTokenizer(vocab_size),
        cluster_config=rl_cluster.ClusterConfig(
            role_to_mesh=dict.fromkeys(roles, mesh),
            training_config=rl_cluster.RLTrainingConfig(
                actor_optimizer=optimizer(), eval_every_n_steps=1 << 30, max_steps=1 << 30
            ),
            rollout_config=base_rollout.RolloutConfig(
                max_tokens_to_generate=work.response,
                max_prompt_length=work.prompt,
                kv_cache_size=work.prompt + work.response,
                temperature=work.temperature,
                top_p=1.0,
            ),
        ),
    )
    learner = grpo_learner.GRPOLearner(
        rl_cluster=cluster,
        reward_fns=lambda prompts, completions, **_: [
            float(int(text.split()[-1]) % 2 == 0) if text else 0.0 for text in completions
        ],
        algo_config=grpo_learner.GRPOConfig(
            num_generations=work.group, beta=KL_COEF, epsilon=works.CLIP
        ),
    )
    texts = [" ".join(map(str, row)) for row in prompts(work, vocab_size)]

    def batches():
        while True:
            TURNSTILE.passing()
            yield {"prompts": np.asarray(texts)}

    TURNSTILE.start(lambda: learner.train(batches()))

    def run() -> Done:
        for _ in range(work.rounds):
            TURNSTILE.step()
        return Done(work.rows * work.response * work.rounds)

    return run
