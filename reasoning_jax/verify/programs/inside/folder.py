"""The private folder of a program: how much it holds, and emptying it whatever it holds."""

import itertools
import os

MAX_FILES = 10_000  # files and folders of one program


class TooMuch(Exception):
    """A folder holds more than it may."""


def check(path, max_bytes):
    """Raises TooMuch when files or bytes exceed their bounds, or paths are too long to follow."""
    waiting, files, size = [path], 0, 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    files += 1
                    if files > MAX_FILES:
                        raise TooMuch("too many files")
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue
        except PermissionError:
            continue
        except OSError as error:
            raise TooMuch("paths too long") from error
    if size > max_bytes:
        raise TooMuch("too many bytes")


def empty(path):
    """Removes everything in a folder that no process uses any more; follows no link.

    Folders are taken apart from the top, so no depth of nesting makes a path too long.
    """
    names = itertools.count()
    while waiting := os.listdir(path):
        for name in waiting:
            top = os.path.join(path, name)
            if not _is_folder(top):
                os.unlink(top)
                continue
            os.chmod(top, 0o700)
            for inner in os.listdir(top):
                below = os.path.join(top, inner)
                if _is_folder(below):
                    os.chmod(below, 0o700)  # moving a folder rewrites its ".."
                    os.rename(below, _free(path, names))
                else:
                    os.unlink(below)
            os.rmdir(top)


def _is_folder(path):
    return os.path.isdir(path) and not os.path.islink(path)


def _free(path, names):
    while os.path.lexists(place := os.path.join(path, f".emptied{next(names)}")):
        pass
    return place
