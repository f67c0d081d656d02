"""No hostile program escapes, passes, or leaves anything behind; the next one finds all well."""

import os
import pathlib
import socket
import subprocess
import textwrap
import types

import cheats
import hostile_programs
import psutil
import pytest

from reasoning_jax.verify.programs import AssertTest, CallTest, Limits, StdioTest, run_program, warm

LIMITS = Limits(
    cpu_seconds=1.0,
    wall_seconds=5.0,
    memory_bytes=256 << 20,
    output_bytes=1 << 19,
    file_bytes=8 << 20,
)
HONEST = """
import os
def solve(x):
    return 918273645
if __name__ == "__main__":
    print(input(), sorted(os.listdir(".")))
"""


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """What the attacks are aimed at; nothing but the sandbox guards it."""
    folder = pathlib.Path("/tmp") / f"targets-{os.getpid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    secret = folder / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    victim = subprocess.Popen(["/bin/sleep", "3600"], user=65534 if os.geteuid() == 0 else None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield types.SimpleNamespace(
            folder=str(folder),
            secret=str(secret),
            victim=victim,
            port=server.getsockname()[1],
            before=_state(folder),
        )
    victim.kill()
    victim.wait()
    secret.unlink()
    folder.rmdir()


def _state(folder: pathlib.Path) -> list:
    found = []
    for path in (folder, folder / "secret"):
        status = path.stat()
        found.append((status.st_mode, status.st_mtime_ns, status.st_size, status.st_uid))
    return [sorted(os.listdir(folder)), *found]


def _left_behind() -> list[psutil.Process]:
    """Processes under the warm sandboxes besides the zygotes themselves."""
    left = []
    for sandbox in list(warm._all):
        if sandbox.usable:
            zygote = psutil.Process(sandbox._process.pid)
            if sandbox.level == "bubblewrap":
                (zygote,) = zygote.children()
            left += zygote.children(recursive=True)
    return left


@pytest.mark.parametrize("name", hostile_programs.ATTACKS)
def test_an_attack_fails_and_leaves_nothing(name, level, targets):
    source = textwrap.dedent(hostile_programs.ATTACKS[name]).format(
        secret=targets.secret,
        folder=targets.folder,
        port=targets.port,
        victim=targets.victim.pid,
        caller=os.getpid(),
    )
    attack = source + "\nprint('ESCAPED')"
    outcome = run_program(attack, [StdioTest("", "ESCAPED")], LIMITS, level).outcomes[0]

    assert outcome.passed is False, outcome
    assert "ESCAPED" not in outcome.detail
    assert _left_behind() == []
    assert targets.victim.poll() is None
    assert _state(pathlib.Path(targets.folder)) == targets.before
    after = run_program(HONEST, [StdioTest("hello", "hello []")], level=level)
    assert after.passed, after


@pytest.mark.parametrize("name", cheats.CHEATS)
def test_a_cheat_fails(name, level):
    tests = [
        AssertTest(f"assert solve(3) == {cheats.SECRET}"),
        CallTest.of("solve", [3], cheats.SECRET),
    ]
    result = run_program(cheats.CHEATS[name], tests, LIMITS, level)
    assert [outcome.passed for outcome in result.outcomes] == [False, False], result
    assert _left_behind() == []
    assert run_program(HONEST, tests, level=level).passed


@pytest.mark.parametrize("name", cheats.BENT)
def test_a_test_that_trusts_names_is_not_bent(name, level):
    source, test = cheats.BENT[name]
    result = run_program(source, [AssertTest(test, setup=cheats.BENT_SETUP)], LIMITS, level)
    assert result.passed is False, result
