"""JSON messages over a stream, each behind its length."""

import json
import os
import struct

_LENGTH = struct.Struct("!I")


class Closed(Exception):
    """The other side has gone."""


def send(fd, message):
    """Writes a message; Closed when nobody reads any more."""
    data = json.dumps(message, allow_nan=False).encode()
    data = memoryview(_LENGTH.pack(len(data)) + data)
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as error:
        raise Closed from error


def receive(fd, limit):
    """Reads a message.

    Raises:
      Closed: when the other side has gone.
      ValueError: for one longer than `limit` bytes, or that is no JSON.
    """
    (length,) = _LENGTH.unpack(_exactly(fd, _LENGTH.size))
    if length > limit:
        raise ValueError(f"a message of {length} bytes exceeds {limit}")
    return parse(_exactly(fd, length))


def parse(data):
    """The message in `data`; ValueError when there is none."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _exactly(fd, size):
    parts = []
    while size:
        try:
            part = os.read(fd, min(size, 1 << 20))
        except OSError as error:
            raise Closed from error
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
