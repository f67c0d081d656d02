"""Messages over a stream socket, file descriptors included."""

import collections
import contextlib
import os
import socket
import struct
from collections.abc import Sequence

_HEAD = struct.Struct("!Q")
_READ = 1 << 16  # bytes
_DESCRIPTORS = 64  # most that one read may carry


class Channel:
    """Whole messages in order: bytes behind their length.

    Attributes:
      descriptors: file descriptors that came with the messages, oldest first.
    """

    def __init__(self, end: socket.socket):
        self._socket = end
        self._buffer = bytearray()
        self.descriptors: collections.deque[int] = collections.deque()

    def fileno(self) -> int:
        """The socket's descriptor, for a selector."""
        return self._socket.fileno()

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Sends one message; OSError when the other end is gone or its buffer stays full."""
        data = memoryview(_HEAD.pack(len(message)) + message)
        sent = socket.send_fds(self._socket, [data], descriptors) if descriptors else 0
        self._socket.sendall(data[sent:])

    def receive(self) -> list[bytes]:
        """Reads once, waiting for the first byte; the messages that are whole by now.

        Raises:
          EOFError: the other end is closed.
        """
        try:
            data, descriptors, *_ = socket.recv_fds(self._socket, _READ, _DESCRIPTORS)
        except ConnectionError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # not for programs that this process starts
        self.descriptors.extend(descriptors)
        if not data:
            raise EOFError
        self._buffer += data
        messages = []
        while len(self._buffer) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[_HEAD.size : end]))
            del self._buffer[:end]
        return messages

    def finish(self) -> None:
        """Lets the other end know that nothing more is sent; it may still answer."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends for two channels."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
