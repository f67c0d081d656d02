"""Calls between a program and its examiner, each in its own process; both ends run this file.

Plain data crosses by value. Other objects stay where they are and are known to the other side by
a `Handle`. While one side waits for a reply it serves the calls that come back.
"""

import builtins
import contextlib
import operator
import sys

from inside import codec, frames

DEEP = 10_000  # nested calls while a value crosses; about 2,000 nodes of a linked list
_TOO_DEEP = "a value nested too deeply, or holding itself"
_OPERATIONS = {
    "call": lambda target, /, *args, **kwargs: target(*args, **kwargs),
    "get": getattr,
    "iter": iter,
    "next": next,
    "len": len,
    "truth": bool,
    "item": operator.getitem,
}
# The program may be asked for anything; of the examiner it may only call what it was handed.
OF_PROGRAM, OF_EXAMINER = frozenset(_OPERATIONS), frozenset(("call",))


@contextlib.contextmanager
def _deep():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class RemoteError(Exception):
    """An exception of the other side that has no builtin type."""


class TooDeep(codec.Unsupported):
    """A value is nested beyond what crosses: of a program's making, for tests hold no such."""


class Opaque(TypeError):
    """Something was asked of a handle that only the other side could answer."""


class Peer:
    """One end of the line.

    Attributes:
      fd: the stream.
      limit: bytes of the longest message taken.
      operations: what the other side may ask of the objects it knows.
      exports: whether a value that is not plain may be known to the other side.
      records: classes by name whose instances cross by value.
    """

    def __init__(self, fd, limit, operations, exports, records):
        self.fd, self.limit, self.operations, self.exports = fd, limit, operations, exports
        self.records = records
        self._objects = []

    def request(self, operation, target, args=(), kwargs=None):
        """Asks the other side, serves it meanwhile, and returns or raises what it answers."""
        kwargs = kwargs or {}
        packed = self.pack([list(args), kwargs])
        self._send({"op": operation, "id": target, "args": packed})
        while "op" in (reply := self._receive()):
            self._serve(reply)
        if "raise" in reply:
            raise _exception(str(reply["raise"]), str(reply.get("text", "")))
        if "args" in reply:
            self._take_over([*args, *kwargs.values()], self.unpack(reply["args"]))
        return self.unpack(reply.get("value"))

    def serve(self):
        """Answers the other side until it goes."""
        while True:
            self._serve(self._receive())

    def pack(self, value):
        """As `codec.pack`, with records and handles."""
        with _deep():
            try:
                return codec.pack(value, self._pack_other)
            except RecursionError as error:
                raise TooDeep(_TOO_DEEP) from error

    def unpack(self, data):
        """As `codec.unpack`, with records and handles."""
        with _deep():
            try:
                return codec.unpack(data, self._unpack_other)
            except RecursionError as error:
                raise ValueError(_TOO_DEEP) from error

    def _send(self, message):
        with _deep():
            try:
                frames.send(self.fd, message)
            except RecursionError as error:
                raise TooDeep(_TOO_DEEP) from error

    def _receive(self):
        with _deep():
            message = frames.receive(self.fd, self.limit)
        if not isinstance(message, dict):
            raise ValueError("not a message")
        return message

    def _serve(self, message):
        try:
            reply = self._answer(message)
        except frames.Closed:
            raise
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
                raise
            reply = {"raise": type(error).__name__[:80], "text": text_of(error)}
        try:
            self._send(reply)
        except codec.Unsupported as error:
            self._send({"raise": "Unsupported", "text": str(error)})

    def _answer(self, message):
        operation = message["op"]
        if operation not in self.operations:
            raise ValueError(f"no operation {operation!r:.40}")
        args, kwargs = self.unpack(message["args"])
        result = _OPERATIONS[operation](self._object(message["id"]), *args, **kwargs)
        reply = {"value": self.pack(result)}
        if operation == "call" and result is None:
            reply["args"] = self.pack([*args, *kwargs.values()])
        return reply

    def _object(self, target):
        if isinstance(target, int) and 0 <= target < len(self._objects):
            return self._objects[target]
        raise ValueError("no such object")

    def export(self, value):
        """The number by which the other side may know an object."""
        self._objects.append(value)
        return len(self._objects) - 1

    def _pack_other(self, value):
        kind = type(value)
        if kind is Handle:
            return {"yours": object.__getattribute__(value, "_id")}
        name = kind.__name__
        if self.records.get(name) is kind and hasattr(value, "__dict__"):
            return {"record": [name, [[k, self.pack(v)] for k, v in vars(value).items()]]}
        if self.exports or callable(value):
            return {"mine": self.export(value)}
        raise codec.Unsupported(f"{name} is not plain data")

    def _unpack_other(self, key, content):
        if key == "mine" and isinstance(content, int):
            return Handle(self, content)
        if key == "yours":
            return self._object(content)
        if key == "record":
            return self._record(*content)
        raise ValueError(f"not a packed value: {key!r:.40}")

    def _record(self, name, attributes):
        kind = self.records[name]
        record = object.__new__(kind)
        for attribute, value in attributes:
            # Else an attribute could stand in for a method of the class.
            if callable(getattr(kind, str(attribute), None)):
                raise ValueError(f"attribute {attribute!r:.40} hides a method")
            record.__dict__[str(attribute)] = self.unpack(value)
        return record

    def _take_over(self, arguments, after):
        """Changes made in place by a function that returned None."""
        if not isinstance(after, list) or len(after) != len(arguments):
            raise ValueError("not the arguments")
        for old, new in zip(arguments, after, strict=True):
            if type(old) is not type(new):
                continue
            if isinstance(old, (list, bytearray)):
                old[:] = new
            elif isinstance(old, (dict, set)):
                old.clear()
                old.update(new)
            elif self.records.get(type(old).__name__) is type(old):
                old.__dict__ = new.__dict__


class Handle:
    """An object of the other side. Never equal to anything: equality belongs to the examiner."""

    __slots__ = ("_id", "_peer")

    def __init__(self, peer, number):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_id", number)

    def _ask(self, operation, *args, **kwargs):
        return self._peer.request(operation, self._id, args, kwargs)

    def __call__(self, *args, **kwargs):
        return self._peer.request("call", self._id, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask("get", name)

    def __setattr__(self, name, value):
        raise Opaque("attributes of the program's objects cannot be set")

    def __iter__(self):
        iterator = self._ask("iter")
        while True:
            try:
                item = iterator._ask("next") if type(iterator) is Handle else None
            except StopIteration:
                return
            yield item

    def __len__(self):
        length = self._ask("len")
        if type(length) is not int:
            raise Opaque("the length is no number")
        return length

    def __getitem__(self, key):
        return self._ask("item", key)

    def __eq__(self, other):
        raise Opaque("an object of the program is not plain data and cannot be compared")

    def __bool__(self):
        # An object that is true when asked gains a program nothing: it may as well return True.
        truth = self._ask("truth")
        if type(truth) is not bool:
            raise Opaque("the truth value is no bool")
        return truth

    __ne__ = __eq__
    __hash__ = object.__hash__


def text_of(error):
    """The message of an exception, cut; "" when it cannot be had."""
    try:
        return str(error)[:300]
    except BaseException:
        return ""


def _exception(name, text):
    kind = getattr(builtins, name, None)
    try:
        error = kind(text) if issubclass(kind, Exception) else None
    except TypeError:
        error = None
    error = error or RemoteError(f"{name[:80]}: {text[:300]}")
    error.remote = name[:80]
    return error
