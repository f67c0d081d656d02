import datetime
import json
import subprocess
import sys

import pytest

from reasoning_jax.text import (
    CHATML,
    ChatTemplate,
    encode_chat,
    load_chat_template,
    load_tokenizer,
    train_bpe,
    train_sentencepiece,
)

TALK = [
    {"role": "system", "content": "Think."},
    {"role": "user", "content": "1+1? <é>"},
]

# In the manner of Llama 3: BOS first, whitespace control, trimmed content.
HEADERS = """\
{{- bos_token }}
{%- for message in messages %}
    {%- set content = '<|start|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim %}
    {{- content + eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant<|end|>\\n\\n' }}
{%- endif %}
"""

# In the manner of Qwen 3: tools as JSON, a switch for thinking, trim_blocks and lstrip_blocks,
# loop controls, namespaces, generation marks, a refusal.
TOOLS = """\
{% if tools is not none %}
<tools>
{% for tool in tools %}
{{ tool | tojson }}
{% endfor %}
{{ tools[0] | tojson(indent=2) }}
</tools>
{% endif %}
{% set ns = namespace(users=0) %}
{% for message in messages %}
    {% if message.role == 'hidden' %}{% continue %}{% endif %}
    {% if message.role not in ('system', 'user', 'assistant') %}
        {{ raise_exception('no role ' ~ message.role) }}
    {% endif %}
    {% if message.role == 'user' %}{% set ns.users = ns.users + 1 %}{% endif %}
    {% if message.role == 'assistant' %}
    {% generation %}
{{ message.content }}{{ eos_token }}
    {% endgeneration %}
    {% elif message.content is string %}
{{ message.role }}: {{ message.content }}
    {% else %}
{{ message.role }}: {% for part in message.content %}{{ part.text }}{% endfor %}

    {% endif %}
    {% if ns.users == 2 %}{% break %}{% endif %}
{% endfor %}
{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}
{{ strftime_now('%Y') }} {{ undefined_name }}{{ messages[0].name is defined }}
"""
TOOL = {"name": "add", "parameters": {"ü": ["<a>", "b&c"]}}
LONG = [
    {"role": "hidden", "content": "x", "name": None},
    *TALK,
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2?"}]},
    {"role": "user", "content": "never reached"},
]


@pytest.fixture
def folder(tmp_path):
    """write(template, **config): a folder with a tokenizer_config.json."""

    def write(template=None, **config):
        if template is not None:
            config["chat_template"] = template
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return tmp_path

    return write


def test_chatml():
    assert CHATML.render(TALK) == (
        "<|im_start|>system\nThink.<|im_end|>\n"
        "<|im_start|>user\n1+1? <é><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert not CHATML.render(TALK, add_generation_prompt=False).endswith("assistant\n")


def test_special_tokens_and_whitespace_control(folder):
    tokens = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}}
    template = load_chat_template(folder(HEADERS, **tokens))
    assert template.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert template.render(TALK) == (
        "<s><|start|>system<|end|>\n\nThink.</s><|start|>user<|end|>\n\n1+1? <é></s>"
        "<|start|>assistant<|end|>\n\n"
    )


def test_special_tokens_map_of_older_folders(folder):
    path = folder(HEADERS, eos_token="</s>", bos_token=None)
    (path / "special_tokens_map.json").write_text('{"bos_token": "<s>", "eos_token": "<old>"}')
    expected = {"bos_token": "<s>", "eos_token": "</s>"}
    assert load_chat_template(path).special_tokens == expected


def test_tools_switches_and_loop_controls():
    template = ChatTemplate(TOOLS, {"eos_token": "</s>"})
    year = datetime.datetime.now().year
    assert template.render(LONG, tools=[TOOL], enable_thinking=False) == (
        '<tools>\n{"name": "add", "parameters": {"ü": ["<a>", "b&c"]}}\n'
        '{\n  "name": "add",\n  "parameters": {\n    "ü": [\n      "<a>",\n      "b&c"\n'
        "    ]\n  }\n}\n</tools>\n"
        "system: Think.\nuser: 1+1? <é>\n2</s>\nuser: 2+2?\n"
        f"<think></think>{year} False"
    )
    assert template.render(TALK) == f"system: Think.\nuser: 1+1? <é>\n{year} False"


def test_named_templates(folder):
    named = [{"name": name, "template": name} for name in ("default", "tool_use")]
    path = folder(named)
    assert load_chat_template(path).source == "default"
    assert load_chat_template(path, "tool_use").source == "tool_use"
    with pytest.raises(ValueError, match=r"no chat template 'rag'; choose one of default, tool_us"):
        load_chat_template(path, "rag")
    only = folder(named[1:])
    assert load_chat_template(only).source == "tool_use"


def test_template_files_go_before_the_config(folder):
    path = folder("old", bos_token="<s>")
    (path / "chat_template.jinja").write_text("new é", encoding="utf-8")
    template = load_chat_template(path)
    assert (template.source, template.special_tokens) == ("new é", {"bos_token": "<s>"})
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates" / "rag.jinja").write_text("rag")
    assert load_chat_template(path).source == "new é"
    assert load_chat_template(path, "rag").source == "rag"


def test_template_file_moves_along_with_the_tokenizer(tmp_path):
    tokenizer = train_bpe(["abc"] * 3, 270, tmp_path / "first")
    (tmp_path / "first" / "chat_template.jinja").write_text("{{ messages[0].content }}")
    tokenizer = load_tokenizer(tmp_path / "first")
    tokenizer.save(tmp_path / "second")
    assert load_chat_template(tmp_path / "second").render(TALK) == "Think."


def test_no_template(folder):
    with pytest.raises(ValueError, match=r"has no chat template, neither .* built-in CHATML"):
        load_chat_template(folder())
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        load_chat_template(folder() / "absent")


@pytest.mark.parametrize("entry", [7, {"default": "a"}, ["a"], [{"name": "default"}]])
def test_template_of_another_form(folder, entry):
    with pytest.raises(ValueError, match=r"is neither a string nor a list of"):
        load_chat_template(folder(entry))


def test_template_that_is_not_jinja(folder):
    path = folder("{% for message in messages %}\n{{ message. }}{% endfor %}")
    with pytest.raises(ValueError, match=rf"{path}: the chat template is not valid Jinja, line 2"):
        load_chat_template(path)


@pytest.mark.parametrize(
    "source, problem",
    [
        ("{{ raise_exception('only one system message') }}", "only one system message"),
        ("{{ absent.key }}", "'absent' is undefined"),
        ("{{ messages[0].content + 1 }}", "can only concatenate str"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
    ],
)
def test_template_that_refuses(source, problem):
    with pytest.raises(ValueError, match=rf"template does not accept these messages: .*{problem}"):
        ChatTemplate(source).render(TALK)


@pytest.mark.parametrize(
    "messages, problem",
    [
        ([], "messages are []"),
        ("hello", "messages are 'hello'"),
        (TALK[0], "messages are {"),
        ([*TALK, "hello"], r"messages[2] is 'hello'"),
        ([{"content": "a"}], "messages[0] has role None"),
        ([{"role": 3, "content": "a"}], "messages[0] has role 3"),
        ([TALK[0], {"role": "user"}], "messages[1] (user) has content None"),
        ([{"role": "user", "content": 7}], "messages[0] (user) has content 7"),
        ([{"role": "user", "content": ["a"]}], "messages[0] (user) has content ['a']"),
    ],
)
def test_malformed_messages(messages, problem):
    with pytest.raises(ValueError) as error:
        CHATML.render(messages)
    assert str(error.value).startswith(problem)


def test_a_tool_call_needs_no_content():
    call = {"role": "assistant", "content": None, "tool_calls": [{"name": "add"}]}
    source = "{{ messages[0].content is defined }} {{ messages[0].tool_calls[0].name }}"
    assert ChatTemplate(source).render([call]) == "False add"


def test_special_tokens_in_the_text_are_single_ids(tmp_path):
    tokenizer = train_bpe(["user assistant\n"] * 3, 300, tmp_path)
    start, end = (tokenizer.encode(token) for token in ("<|im_start|>", "<|im_end|>"))
    assert len(start) == len(end) == 1
    ids = encode_chat(tokenizer, CHATML, [{"role": "user", "content": "hi"}])
    middle = [*start, *tokenizer.encode("user\nhi"), *end, *tokenizer.encode("\n")]
    assert ids == [*middle, *start, *tokenizer.encode("assistant\n")]


@pytest.fixture
def with_bos(tmp_path):
    """A tokenizer.json whose post-processor starts every prompt with <s>."""
    import tokenizers
    from tokenizers import processors

    folder = tmp_path / "with_bos"
    train_bpe(["user assistant\n"] * 3, 300, folder)
    model = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    model.add_special_tokens(["<s>", "</s>", "<|start|>", "<|end|>"])
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", model.token_to_id("<s>"))]
    )
    model.save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": HEADERS}
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_bos_is_written_by_the_template_alone(with_bos):
    tokenizer = load_tokenizer(with_bos)
    assert tokenizer.bos_id is not None
    ids = encode_chat(tokenizer, load_chat_template(with_bos), TALK)
    assert ids[0] == tokenizer.bos_id
    assert ids.count(tokenizer.bos_id) == 1
    assert ids.count(tokenizer.eos_id) == 2
    # a template that writes none has none
    assert tokenizer.bos_id not in encode_chat(tokenizer, ChatTemplate("a"), TALK)


def test_control_tokens_of_sentencepiece(tmp_path):
    train_sentencepiece(["some text of words\n"] * 3, 290, tmp_path / "tokenizer.model")
    config = {"eos_token": "</s>", "chat_template": "a{{ eos_token }}b{{ eos_token }}"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = load_tokenizer(tmp_path)
    assert len(tokenizer.encode("</s>")) > 1  # the library sees text
    ids = encode_chat(tokenizer, load_chat_template(tmp_path), TALK)
    assert ids == [*tokenizer.encode("a"), 1, *tokenizer.encode("b"), 1]
    template = ChatTemplate("{{ bos_token }}a", {"bos_token": "<s>"})
    with pytest.raises(ValueError, match=r"writes '<s>', which the tokenizer is told not to use"):
        encode_chat(tokenizer, template, TALK)


def test_jinja_is_imported_only_when_used():
    code = "import sys, reasoning_jax.text; print('jinja2' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parity
@pytest.mark.parametrize("source", [CHATML.source, HEADERS, TOOLS])
@pytest.mark.parametrize("extra", [{}, {"tools": [TOOL], "enable_thinking": False}])
@pytest.mark.parametrize("prompt", [True, False])
def test_transformers_renders_and_encodes_the_same(with_bos, source, extra, prompt):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(with_bos)
    theirs.chat_template = source
    tokenizer, tokens = load_tokenizer(with_bos), load_chat_template(with_bos).special_tokens
    ours = ChatTemplate(source, tokens)
    messages = LONG if source == TOOLS else TALK
    options = {"add_generation_prompt": prompt, **extra}
    text = theirs.apply_chat_template(messages, tokenize=False, **options)
    assert ours.render(messages, **options) == text
    ids = theirs.apply_chat_template(messages, return_dict=False, **options)
    assert encode_chat(tokenizer, ours, messages, **options) == ids
