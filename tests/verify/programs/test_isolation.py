"""Which level holds is tried out, and a weaker one is never taken silently."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import hostile_programs
import psutil
import pytest

from reasoning_jax.verify.programs import (
    IsolationError,
    Limits,
    StdioTest,
    isolation,
    policy,
    run_program,
    selftest,
    warm,
)
from reasoning_jax.verify.programs.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _fresh_memory(monkeypatch):
    monkeypatch.delenv(isolation.VARIABLE, raising=False)
    found = isolation._faults
    found.cache_clear()
    yield
    found.cache_clear()


def test_the_self_test_finds_nothing_at_a_level_that_holds(each_level):
    assert selftest.self_test(each_level) == []


def test_the_self_test_finds_what_limits_alone_let_through(monkeypatch):
    monkeypatch.setattr(selftest, "BY_LIMITS", _Everything())
    found = selftest.self_test("rlimits")
    assert {
        "the network is reachable",
        "sockets may be opened",
        "a secret file is readable",
        "files outside are written",
        "other processes are signalled",
    } <= set(found)
    assert "memory grows beyond its limit" not in found


class _Everything:
    def __contains__(self, item):
        return True


CONTROL = (
    *("tcp", "udp", "listen", "read_secret", "read_users", "list_folder", "link_to_secret"),
    *("append_to_secret", "signal_by_ownership", "watch_folder", "kill_victim"),
)


def test_attacks_succeed_where_nothing_but_limits_stands(tmp_path):
    """Else an attack that fails would show nothing."""
    secret = tmp_path / "secret"
    tmp_path.chmod(0o755)
    victim = subprocess.Popen(["/bin/sleep", "3600"])
    try:
        for name in CONTROL:
            secret.write_text("secret")
            with (
                pytest.warns(RuntimeWarning, match="no security boundary")
                if name == "tcp"
                else (warnings.catch_warnings())
            ):
                result = _attack(name, secret, victim)
            assert result.passed, (name, result)
    finally:
        victim.kill()
        victim.wait()


def _attack(name, secret, victim):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        source = textwrap.dedent(hostile_programs.ATTACKS[name]).format(
            secret=str(secret),
            folder=str(secret.parent),
            port=server.getsockname()[1],
            victim=victim.pid,
            caller=0,
        )
        source += "\nprint('ESCAPED')"
        return run_program(source, [StdioTest("", "ESCAPED")], level="rlimits")


def test_the_strongest_level_that_holds_is_chosen(monkeypatch):
    faults = {"bubblewrap": "", "landlock": ""}
    monkeypatch.setattr(isolation, "_faults", faults.get)
    assert isolation.choose() == "bubblewrap"
    faults["bubblewrap"] = "bwrap is not installed"
    assert isolation.choose() == "landlock"
    with pytest.raises(IsolationError, match=r"bubblewrap.*not installed.*apt install bubblewrap"):
        isolation.choose("bubblewrap")
    faults["landlock"] = "the network is reachable"
    with pytest.raises(IsolationError, match=r"network is reachable.*apt install.*rlimits"):
        isolation.choose()


def test_limits_alone_are_for_those_who_ask(monkeypatch):
    monkeypatch.setenv(isolation.VARIABLE, "rlimits")
    with pytest.warns(RuntimeWarning, match="no security boundary"):
        assert isolation.choose() == "rlimits"


def test_an_unknown_level_is_named(monkeypatch):
    monkeypatch.setenv(isolation.VARIABLE, "docker")
    with pytest.raises(ValueError, match=r"'docker'.*bubblewrap, landlock, rlimits"):
        isolation.choose()


def test_a_missing_bubblewrap_says_how_to_install_it(monkeypatch):
    warm.close_all()
    monkeypatch.setattr(policy.shutil, "which", lambda name: None)
    with pytest.raises(IsolationError, match="apt install bubblewrap"):
        isolation.choose("bubblewrap")


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6, 7])
def test_every_version_of_landlock_confines(abi, tmp_path):
    inside = pathlib.Path(policy.__file__).parent
    script = f"""
import os, sys
sys.path.insert(0, {str(inside)!r})
from inside import kernel, landlock
if landlock.version() < {abi}:
    sys.exit(77)
landlock.version = lambda: {abi}
rules = landlock.ruleset(["/usr", "/nowhere"], [{str(tmp_path)!r}], ["/dev/null"])
kernel.prctl(kernel.SET_NO_NEW_PRIVS, 1)
landlock.restrict(rules)
open({str(tmp_path / "file")!r}, "w").write("x")
open("/dev/null", "w").write("x")
assert os.listdir("/usr")
for attempt in (lambda: open("/etc/passwd"), lambda: open("/usr/x", "w"), lambda: os.listdir("/")):
    try:
        attempt()
    except PermissionError:
        continue
    sys.exit("not confined")
"""
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this kernel's landlock is older")
    assert done.returncode == 0, done.stderr


def test_another_system_is_named(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(IsolationError, match="Linux only, not on darwin"):
        isolation.choose("landlock")


def test_isolation_holds_for_a_user_without_privileges(each_level):
    if os.geteuid() != 0:
        pytest.skip("every other test shows it")
    if not policy._open_to_all(sys.base_prefix) or not policy._open_to_all(policy.__file__):
        pytest.skip("the interpreter is closed to other users")
    script = (
        "from reasoning_jax.verify.programs import selftest\n"
        f"assert selftest.self_test({each_level!r}) == []"
    )
    subprocess.run([sys.executable, "-c", script], user=65534, group=65534, cwd="/", check=True)


def test_a_sandbox_dies_with_its_owner(each_level, tmp_path):
    script = f"""
from reasoning_jax.verify.programs.sandbox import Sandbox
from reasoning_jax.verify.programs import Limits
import os, time
sandbox = Sandbox({each_level!r})
null = os.open(os.devnull, os.O_RDWR)
source = "import time\\nwhile True: time.sleep(1)"
sandbox.start({{"kind": "stdio", "source": source}}, Limits(wall_seconds=1000), [null] * 3)
print(sandbox._process.pid, sandbox._folder, flush=True)
time.sleep(1000)
"""
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid, folder = owner.stdout.readline().split()
    family = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children(recursive=True)]
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    deadline = time.monotonic() + 30
    while folder != "None" and pathlib.Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert folder == "None" or not pathlib.Path(folder).exists()


def test_a_forked_process_takes_no_sandbox_along(level):
    assert run_program("print(1)", [StdioTest("", "1")], level=level).passed
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        known = len(warm._all) + sum(map(len, warm._idle.values()))
        os.write(writer, str(known).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"0"
    os.close(reader)
    os.close(writer)
    assert run_program("print(1)", [StdioTest("", "1")], level=level).passed


def test_a_lost_sandbox_is_replaced(level):
    with warm.borrowed(level) as sandbox:
        assert isinstance(sandbox, Sandbox)
    for idle in warm._idle[level]:
        for process in psutil.Process(idle._process.pid).children(recursive=True):
            process.kill()
        idle._process.kill()
    limits = Limits(wall_seconds=60)
    assert run_program("print(1)", [StdioTest("", "1")] * 3, limits, level).passed


@pytest.mark.parametrize("below", ["/tmp", "/srv"])
def test_the_private_folder_hides_no_packages(below, monkeypatch):
    if shutil.which("bwrap") is None:
        pytest.skip("bwrap is not installed")
    found = f"{below}/checkout/.venv/lib/site-packages"
    monkeypatch.setattr(policy, "_readable", lambda: ["/usr", found])
    argv = policy.plan("bubblewrap", control=3).argv
    folder = argv[argv.index("--tmpfs") + 1]
    assert not found.startswith(f"{folder}/") and found in argv
    assert argv[argv.index("--chdir") + 1] == folder
    assert (folder == "/tmp") == (below != "/tmp")
