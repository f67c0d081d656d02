"""The private folder of a program: how much it holds, and emptying it whatever it holds."""

import os

MAX_FILES = 2_000  # files and folders of one program
MAX_DEPTH = 64  # folders in folders


class TooMuch(Exception):
    """A folder holds more than it may."""


def check(path, max_bytes):
    """Raises TooMuch when files, bytes or depth exceed their bounds."""
    waiting, files, size = [(path, 0)], 0, 0
    while waiting:
        folder, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise TooMuch("folders too deep")
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    files += 1
                    if files > MAX_FILES:
                        raise TooMuch("too many files")
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except (FileNotFoundError, PermissionError):
            continue  # removed meanwhile, or closed by a program of the same user
    if size > max_bytes:
        raise TooMuch("too many bytes")


def empty(path):
    """Removes everything in a folder that no process uses any more; follows no link.

    The working directory wanders, so that no depth of nesting makes a path too long, and ends up
    in the folder itself.
    """
    os.chdir(path)
    waiting, way = [_remove_files()], []
    while waiting[-1] or way:
        if waiting[-1]:
            name = waiting[-1].pop()
            os.chmod(name, 0o700)
            os.chdir(name)
            way.append(name)
            waiting.append(_remove_files())
        else:
            os.chdir("..")
            os.rmdir(way.pop())
            waiting.pop()


def _remove_files():
    """Removes what is no folder from the working directory; returns the names of its folders."""
    folders = []
    with os.scandir() as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                os.unlink(entry.name)
    return folders
