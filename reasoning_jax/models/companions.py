"""What a model folder holds beside config and weights."""

import pathlib
import shutil

# Tokenizer, chat templates, generation defaults.
COMPANIONS = (
    "*tokenizer*",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template.*",
    "additional_chat_templates",
    "generation_config.json",
)


def copy_companions(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies them from one model folder into another."""
    for companion in {path for pattern in COMPANIONS for path in source.glob(pattern)}:
        copy = shutil.copytree if companion.is_dir() else shutil.copy
        copy(companion, target / companion.name)
