"""Runs whose problems are put as messages of a conversation."""

import json

import job
import pytest

from reasoning_jax.stages.chat import build_chat, chat_block
from reasoning_jax.stages.exported import saved_block
from reasoning_jax.text import CharTokenizer, ChatTokenizer, load_tokenizer, train_bpe

LETTERS = CharTokenizer("0123456789+-*=,")
# Within the alphabet of the task, so that its char tokenizer can encode a turn.
TURNS = (
    "{% for m in messages %}={{ m.content }}{% endfor %}{% if add_generation_prompt %}*{% endif %}"
)


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "turns.jinja"
    path.write_text(TURNS)
    return str(path)


def block(**changes) -> dict:
    return chat_block().to_dict() | changes


def test_without_a_template_prompts_are_plain():
    assert build_chat(block(), LETTERS, ".") is LETTERS


def test_templates_by_file_by_name_and_of_the_model(template, tmp_path):
    tokenizer = build_chat(block(template=template, system="12"), LETTERS, ".")
    assert LETTERS.decode(tokenizer.encode_prompt("3+4")) == "=12=3+4*"
    own = train_bpe(["user 1+1"] * 3, 300, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages[0].content }} 1+")
    of_model = build_chat(block(template="model"), own, tmp_path / "model")
    assert own.decode(of_model.encode_prompt("1")) == "1 1+"
    of_file = build_chat(block(template="model"), own, tmp_path / "model" / "tokenizer.json")
    assert of_file.encode_prompt("1") == of_model.encode_prompt("1")
    assert isinstance(build_chat(block(template="chatml"), own, "."), ChatTokenizer)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"system": "12"}, ValueError, "has no template"),
        ({"template": "nowhere.jinja"}, FileNotFoundError, "neither model, chatml nor a file"),
        ({"template": "chatml"}, ValueError, "config.chat: .*'<'"),
        ({"template": "model"}, ValueError, "config.chat: .* has no chat template"),
    ],
)
def test_what_cannot_work_is_refused_at_the_door(changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        build_chat(block(**changes), LETTERS, tmp_path)


@pytest.mark.slow
def test_a_run_and_what_follows_it_speak_in_turns(template, tmp_path):
    workdir = tmp_path / "run"
    flags = (f"--config.chat.template={template}", "--config.chat.system=7")
    job.finish(job.start(workdir, *flags, "--config.stages=('sft','rl')"))
    saved = saved_block(workdir, "chat", chat_block())
    assert (saved["template"], saved["system"]) == (template, "7")
    tokenizer = build_chat(saved, load_tokenizer(workdir / "model"), workdir / "model")

    def sampled(prompt: str, *flags: str) -> tuple[list[int], list[float]]:
        flags = (f"--model={workdir}", "--json", *flags, f"--prompt={prompt}")
        done = job.command("sample", *flags, "--max_tokens=3", "--seed=1")
        out = json.loads(done.stdout.splitlines()[-1])
        return out["tokens"], out["logprobs"]

    # The same ids give the same draws: put as the run put them, and written out by hand.
    assert tokenizer.decode(tokenizer.encode_prompt("1+2=")) == "=7=1+2=*"
    in_turns = sampled("1+2=")
    assert in_turns == sampled("=7=1+2=*", "--chat=", "--system=")
    assert in_turns != sampled("1+2=", "--chat=", "--system=")
