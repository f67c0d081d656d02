"""Files of our own."""

import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any


def write_records(path: str | os.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON lines; the file appears whole."""
    path = pathlib.Path(path)
    unfinished = path.with_name(path.name + ".tmp")
    with open(unfinished, "w", encoding="utf-8") as lines:
        for record in records:
            lines.write(json.dumps(record) + "\n")
    unfinished.replace(path)
