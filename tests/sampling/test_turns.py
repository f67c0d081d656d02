"""Rows that call tools: against the trainer, in other company, and by script."""

import collections
import dataclasses
from concurrent.futures import Future

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, param_shardings, token_logprobs
from reasoning_jax.parallel import make_mesh
from reasoning_jax.rl import k3, policy_losses, token_mean
from reasoning_jax.rl.objective import Objective, PolicyBatch
from reasoning_jax.sampling import Sampler, SamplingParams, TurnSampler, decode, turns
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.tools import QuickTool, Syntax, Toolbox, ToolResult
from reasoning_jax.types import Completion, ToolCall, Verdict

PROMPTS = ["7", "1+2=", "abcabc", "12*3= 4-5", "0123456789abc"]
SAMPLED = SamplingParams(max_tokens=40, n=3, seed=5)
# Of an untrained model: frequent enough that rows call several times.
SYNTAX = Syntax("3", "b", "", "=", error="-")


def reverse(text: str) -> str:
    if not text:
        raise ValueError("nothing to reverse")
    return text[::-1]


def with_turns(sampler, tool=None, max_turns=4, max_result_tokens=3, syntax=SYNTAX, **options):
    tool = tool or QuickTool("reverse", reverse)
    return TurnSampler(sampler, Toolbox([tool], syntax, **options), max_turns, max_result_tokens)


@pytest.fixture(scope="module")
def outs(sampler):
    return with_turns(sampler).generate(PROMPTS, SAMPLED)


@pytest.fixture(scope="module")
def compilations():
    """A list that grows by one with every program XLA compiles."""
    events = []

    def listen(event: str, duration: float, **_) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


def flat(outs):
    return [out for samples in outs for out in samples]


def equal(first, second):
    """The same completions, log-probabilities to 1e-5."""
    assert len(flat(first)) == len(flat(second)) > 0
    for a, b in zip(flat(first), flat(second)):
        assert dataclasses.replace(a, logprobs=()) == dataclasses.replace(b, logprobs=())
        np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-5)


def rollouts_of(sampler, outs):
    prompts = [sampler.tokenizer.encode_prompt(prompt) for prompt in PROMPTS]
    verdicts = [[Verdict(True, "exact")] * len(samples) for samples in outs]
    rewards = [[float(j) for j in range(len(samples))] for samples in outs]
    return collate(prompts, outs, verdicts, rewards)


def test_rows_of_these_tests_call_in_several_turns(outs):
    counts = [len(out.calls) for out in flat(outs)]
    assert min(counts) == 0 and max(counts) >= 3
    assert {call.error for out in flat(outs) for call in out.calls} == {True, False}
    assert {out.finish_reason for out in flat(outs)} == {"stop", "length"}


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_trainer_scores_the_row_the_policy_saw(config, sampler, temperature):
    sampling = dataclasses.replace(SAMPLED, temperature=temperature)
    outs = with_turns(sampler).generate(PROMPTS, sampling)
    assert sum(len(out.calls) for out in flat(outs)) > 5
    rollouts = rollouts_of(sampler, outs)
    scores = token_logprobs(
        Transformer(config), sampler.params, jnp.asarray(rollouts.tokens), temperature=temperature
    )
    gap = np.abs(np.asarray(scores.logprobs) - rollouts.sampler_logprobs)
    assert gap[rollouts.mask].max() < 1e-5
    assert (rollouts.sampler_logprobs[~rollouts.mask] == 0).all()


def test_results_are_holes_in_the_mask(sampler, outs):
    rollouts = rollouts_of(sampler, outs)
    assert rollouts.mask.sum() == sum(
        len(out.tokens) if out.sampled is None else sum(out.sampled) for out in flat(outs)
    )
    prompts = [len(PROMPTS[i]) for i in range(len(PROMPTS)) for _ in range(SAMPLED.n)]
    holes = 0
    for row, (out, prompt) in enumerate(zip(flat(outs), prompts)):
        response = slice(prompt, rollouts.lengths[row])
        assert tuple(rollouts.tokens[row, response]) == out.tokens
        if out.sampled is not None:
            assert tuple(rollouts.mask[row, response]) == out.sampled
            hidden = [t for t, sampled in zip(out.tokens, out.sampled) if not sampled]
            known = sampler.tokenizer.alphabet
            bodies = ["".join(c for c in call.result if c in known) for call in out.calls]
            shown = "".join(body[:3] + "=" for body in bodies)
            # A last result that found no room is noted but not in the row.
            assert shown.startswith(sampler.tokenizer.decode(hidden))
            holes += len(hidden)
    assert holes > 20


def test_text_is_the_policys_own_and_the_transcript_shows_all(sampler, outs):
    decode = sampler.tokenizer.decode
    for out in flat(outs):
        if out.calls:
            own = [token for token, sampled in zip(out.tokens, out.sampled) if sampled]
            assert out.text == decode(own) and out.transcript == decode(out.tokens)
        else:
            assert out.sampled is None and out.transcript is None


def loss_and_gradient(config, params, rollouts):
    objective = Objective(policy_losses.clip, k3)
    weights = token_mean(jnp.asarray(rollouts.loss_mask))
    advantages = jnp.where(rollouts.mask, rollouts.rewards[:, None] - 1.0, 0)

    def loss(params):
        scores = token_logprobs(Transformer(config), params, jnp.asarray(rollouts.tokens))
        rows = len(rollouts.tokens)
        batch = PolicyBatch(
            rollouts,
            advantages,
            weights,
            kl_coef=jnp.full(rows, 0.1),
            entropy_coef=jnp.full(rows, 0.01),
        )
        return jnp.sum(objective(scores.logprobs, scores.entropy, batch))

    return jax.value_and_grad(loss)(params)


def test_nothing_in_holes_or_padding_reaches_the_loss(config, params, sampler, outs):
    rollouts = rollouts_of(sampler, outs)
    mask = rollouts.mask
    old = np.where(mask, rollouts.sampler_logprobs - 0.01, 0).astype(np.float32)
    clean = rollouts.replace(old_logprobs=old, ref_logprobs=old)
    beyond = np.arange(mask.shape[1]) >= rollouts.lengths[:, None]
    poisoned = rollouts.replace(
        tokens=np.where(beyond, 9, rollouts.tokens),
        sampler_logprobs=np.where(mask, rollouts.sampler_logprobs, np.nan),
        old_logprobs=np.where(mask, old, np.nan),
        ref_logprobs=np.where(mask, old, -np.inf),
    )
    expected, found = (loss_and_gradient(config, params, r) for r in (clean, poisoned))
    assert np.isfinite(expected[0]) and expected[0] == found[0]
    jax.tree.map(np.testing.assert_array_equal, expected[1], found[1])


def test_what_a_result_says_is_read(config, params, sampler, outs):
    rollouts = rollouts_of(sampler, outs)
    row = next(i for i, out in enumerate(flat(outs)) if out.calls and sum(out.sampled[-3:]))
    hole = len(PROMPTS[row // SAMPLED.n]) + flat(outs)[row].sampled.index(False)
    changed = np.array(rollouts.tokens)
    changed[row, hole] = (changed[row, hole] + 1) % 27
    before, after = (
        token_logprobs(Transformer(config), params, jnp.asarray(tokens)).logprobs[row]
        for tokens in (rollouts.tokens, changed)
    )
    later = slice(hole + 1, rollouts.lengths[row])
    assert np.abs(before[later] - after[later]).max() > 1e-3


def test_company_and_order_do_not_matter(sampler, outs):
    ours = with_turns(sampler)
    equal(ours.generate(PROMPTS[1:2], SAMPLED, prompt_ids=[1]), outs[1:2])
    order = [3, 0, 4, 2, 1]
    shuffled = ours.generate([PROMPTS[i] for i in order], SAMPLED, prompt_ids=order)
    equal(shuffled, [outs[i] for i in order])


@pytest.mark.parametrize("max_rows", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_rows_decoded_at_once_do_not_matter(config, params, make_tokenizer, outs, max_rows):
    few = with_turns(Sampler(config, params, make_tokenizer(), max_rows=max_rows))
    streamed = list(few.stream(PROMPTS, SAMPLED))
    assert [i for i, _ in streamed] == sorted(range(len(PROMPTS)), key=lambda i: len(PROMPTS[i]))
    equal([samples for _, samples in sorted(streamed)], outs)


def test_later_turns_read_only_what_is_new(sampler, monkeypatch):
    def calls(name: str, max_turns: int) -> int:
        made, function = [], getattr(decode, name)
        with monkeypatch.context() as patch:
            patch.setattr(decode, name, lambda *args: made.append(args) or function(*args))
            with_turns(sampler, max_turns=max_turns).generate(PROMPTS, SAMPLED)
        return len(made)

    assert calls("prefill", 4) == calls("prefill", 1) > 0
    assert calls("resume", 4) > calls("resume", 1) == 0


def test_number_of_samples_does_not_matter(sampler, outs):
    one = with_turns(sampler).generate(PROMPTS, dataclasses.replace(SAMPLED, n=1))
    equal(one, [samples[:1] for samples in outs])


@pytest.mark.slow
def test_mesh_does_not_matter(config, params, make_tokenizer, outs):
    mesh = make_mesh(2, 2, 2)
    spread = Sampler(
        config, jax.device_put(params, param_shardings(config, mesh)), make_tokenizer(), mesh
    )
    equal(with_turns(spread).generate(PROMPTS, SAMPLED), outs)


def test_a_result_without_ids_changes_no_draw(sampler, monkeypatch):
    monkeypatch.setattr(turns, "encode_result", lambda *_: [])
    interrupted = with_turns(sampler, max_turns=40).generate(PROMPTS, SAMPLED)
    assert max(len(out.calls) for out in flat(interrupted)) >= 2
    for ours, free in zip(flat(interrupted), flat(sampler.generate(PROMPTS, SAMPLED))):
        assert (ours.tokens, ours.text) == (free.tokens, free.text)
        np.testing.assert_allclose(ours.logprobs, free.logprobs, atol=1e-5)


def test_a_second_call_of_the_same_shapes_compiles_nothing(sampler, outs, compilations):
    with_turns(sampler).generate(PROMPTS, SAMPLED)  # whichever test came first
    doubled = sampler.with_params(jax.tree.map(lambda p: 2 * p, sampler.params))
    programs, compiled = decode.advance._cache_size(), len(compilations)
    equal(with_turns(sampler).generate(PROMPTS, SAMPLED), outs)
    assert decode.advance._cache_size() == programs
    assert len(compilations) == compiled
    # Other parameters make other rows: shapes are coarse, so hardly one of them is new.
    with_turns(doubled).generate(PROMPTS, SAMPLED)
    assert decode.advance._cache_size() <= programs + 1


@pytest.mark.parametrize("max_tokens", [4, 15])
def test_the_budget_holds_results_and_all(sampler, max_tokens):
    sampling = dataclasses.replace(SAMPLED, max_tokens=max_tokens)
    for out in flat(with_turns(sampler).generate(PROMPTS, sampling)):
        assert len(out.tokens) == len(out.logprobs) <= max_tokens
        if out.sampled is not None:
            assert len(out.sampled) == len(out.tokens)
            assert out.sampled[-1]  # nothing is read that nothing could follow
        if out.finish_reason == "stop":
            assert out.tokens[-1] in sampler.tokenizer.eos_ids


def test_a_row_may_fill_the_context_exactly(sampler):
    prompt = "ab" * 12
    sampling = SamplingParams(max_tokens=40, n=4)
    outs = flat(with_turns(sampler).generate([prompt], sampling))
    assert any(out.calls for out in outs)
    with pytest.raises(ValueError, match=r"prompt 0 has 25 tokens.*exceeds the context"):
        with_turns(sampler).generate([prompt + "a"], sampling)


def test_bad_arguments_are_refused(sampler):
    with pytest.raises(ValueError, match="max_turns is 0"):
        with_turns(sampler, max_turns=0)
    with pytest.raises(ValueError, match="max_result_tokens is 0"):
        with_turns(sampler, max_result_tokens=0)
    with pytest.raises(ValueError, match="one string"):
        with_turns(sampler).generate("12", SAMPLED)


# By script: a sampler that writes what it is told.


class Scripted:
    """A sampler whose row (prompt, sample) writes the turns of ``script[prompt][sample]``."""

    def __init__(self, tokenizer, script):
        self.tokenizer, self.script = tokenizer, script
        self.asked = []  # the rows of every later turn
        self.turns = collections.Counter()

    def encode(self, index, prompt, sampling):
        return tuple(self.tokenizer.encode(prompt))

    def prompts_at_once(self, n):
        return 8

    def grow(self, rows, sampling, of):
        assert of >= len(rows)
        if rows[0].step:
            self.asked.append(rows)
        outs = [
            self._out(
                self.script[row.prompt_id][row.sample][self.turns[row.prompt_id, row.sample]],
                sampling,
                row.limit,
            )
            for row in rows
        ]
        self.turns.update((row.prompt_id, row.sample) for row in rows)
        return [(out, None) for out in outs]

    def _out(self, text, sampling, limit):
        ends = text.endswith("$")
        ids = self.tokenizer.encode(text.removesuffix("$")) + [1] * ends
        ids = ids[:limit]
        whole = self.tokenizer.decode(ids)
        found = [whole.index(stop) for stop in sampling.stop if stop in whole]
        reason = "stop" if found or (ids and ids[-1] == 1) else "length"
        return Completion(
            whole[: min(found)] if found else whole, tuple(ids), (-0.5,) * len(ids), reason
        )


BRACES = Syntax("a", "b", "c", "d", error="ee")


def play(make_tokenizer, script, tools=None, max_turns=4, max_result_tokens=8, **sampling):
    """The completions of scripted rows, and what each later turn was asked to continue."""
    sampler = Scripted(make_tokenizer(), script)
    toolbox = Toolbox(tools or [QuickTool("reverse", reverse)], BRACES, wall_seconds=0.3)
    n = len(script[0])
    params = SamplingParams(**{"max_tokens": 40, "n": n, **sampling})
    ours = TurnSampler(sampler, toolbox, max_turns, max_result_tokens)
    return ours.generate(["9"] * len(script), params), sampler


def test_a_dialogue_by_hand(make_tokenizer):
    (samples,), sampler = play(make_tokenizer, [[("1a23b", "=5$"), ("7$",)]])
    called, plain = samples
    assert called.transcript == "1a23bc32d=5" and called.text == "1a23b=5"
    assert called.calls == (ToolCall("23", "32"),)
    assert called.sampled == (True,) * 5 + (False,) * 4 + (True,) * 3
    assert called.logprobs == (-0.5,) * 5 + (0.0,) * 4 + (-0.5,) * 3
    assert called.finish_reason == "stop"
    assert plain == Completion("7", plain.tokens, (-0.5, -0.5), "stop")
    # The later turn continues the prompt, the call and the result; the other row is at its end.
    ((row,),) = sampler.asked
    assert row.tokens == tuple(make_tokenizer().encode("91a23bc32d"))
    assert (row.prompt_id, row.sample, row.step, row.limit) == (0, 0, 9, 31)


def test_calls_go_on_for_max_turns(make_tokenizer):
    script = [[("a1b", "a2b", "a3b", "a4b$")]]
    ((out,),), sampler = play(make_tokenizer, script, max_turns=3)
    assert out.transcript == "a1bc1da2bc2da3b" and out.finish_reason == "length"
    assert len(out.calls) == 2 and len(sampler.asked) == 2
    ((out,),), sampler = play(make_tokenizer, script, max_turns=1)
    assert (out.text, out.calls, out.finish_reason) == ("a1b", (), "length")
    assert not sampler.asked


def test_malformed_and_failing_calls_are_results_to_read(make_tokenizer):
    script = [[("12b", "$")], [("ab", "$")]]
    (first,), (second,) = play(make_tokenizer, script, max_result_tokens=30)[0]
    assert first.calls == (ToolCall("", "eemalformed call: b without a before it", True),)
    assert second.calls == (ToolCall("", "eenothing to reverse", True),)
    # Of the message, what the alphabet has.
    assert second.transcript == "abceehig  eeed"


def test_a_result_is_cut_at_max_result_tokens(make_tokenizer):
    ((out,),), _ = play(make_tokenizer, [[("a12345b", "6$")]], max_result_tokens=2)
    assert out.transcript == "a12345bc54d6" and out.calls[0].result == "54321"


def test_a_result_that_leaves_no_room_ends_the_row(make_tokenizer):
    for max_tokens, text, reason in ((10, "a123b", "length"), (11, "a123bc321d6", "length")):
        script = [[("a123b", "6$")]]
        ((out,),), _ = play(make_tokenizer, script, max_tokens=max_tokens)
        assert (out.transcript, out.finish_reason) == (text, reason)
        assert len(out.calls) == 1 and out.sampled[-1]


def test_stop_strings_still_end_a_row_and_are_cut_from_it(make_tokenizer):
    script = [[("a1b", "2gg"), ("3gga1b",)]]
    ((first, second),), _ = play(make_tokenizer, script, stop=("gg",))
    assert (first.text, first.transcript) == ("a1b2", "a1bc1d2")
    assert first.finish_reason == second.finish_reason == "stop"
    assert second.text == "3" and not second.calls


def test_an_end_of_sequence_in_a_result_is_left_out(make_tokenizer):
    tokenizer = make_tokenizer((1, 9))
    nine = tokenizer.decode([9])
    sampler = Scripted(tokenizer, [[(f"a1{nine}2b", "3")]])
    ours = TurnSampler(sampler, Toolbox([QuickTool("reverse", reverse)], BRACES), 4, 8)
    ((out,),) = ours.generate(["0"], SamplingParams(max_tokens=30))
    hidden = [token for token, sampled in zip(out.tokens, out.sampled) if not sampled]
    assert 9 not in hidden and tokenizer.decode(hidden) == "c21d"


class Moody:
    """A tool that hangs, fails at once or fails later, as it is asked to."""

    name = "moody"

    def __init__(self):
        self.opened, self.closed = 0, 0

    def open(self):
        self.opened += 1
        return self

    def submit(self, argument):
        future = Future()
        match argument:
            case "1":  # never answers
                return future
            case "2":
                raise RuntimeError("broke")
            case "3":
                future.set_exception(KeyError("lost"))
            case _:
                future.set_result(ToolResult("8"))
        return future

    def close(self):
        self.closed += 1


def test_a_tool_that_hangs_or_fails_costs_its_row_the_answer_and_nothing_else(make_tokenizer):
    tool = Moody()
    script = [[(f"a{k}b", "5$")] for k in "1234"]
    outs, _ = play(make_tokenizer, script, [tool], max_turns=4)
    assert [out.calls[0] for (out,) in outs] == [
        ToolCall("1", "eeno answer within 0.3 seconds", True),
        ToolCall("2", "eemoody failed: RuntimeError: broke", True),
        ToolCall("3", "eeKeyError: 'lost'", True),
        ToolCall("4", "8"),
    ]
    assert all(out.finish_reason == "stop" and out.text.endswith("b5") for (out,) in outs)
    assert tool.opened == 4 and tool.closed >= 4


def test_sessions_end_with_their_batch_even_when_sampling_fails(make_tokenizer):
    tool = Moody()
    with pytest.raises(IndexError):  # the script has no second turn
        play(make_tokenizer, [[("a4b",)]], [tool])
    assert tool.opened == tool.closed == 1
