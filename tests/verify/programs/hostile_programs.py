"""Programs that attack: each prints ESCAPED only if its attack succeeds.

`{secret}`, `{folder}`, `{port}`, `{victim}` and `{caller}` stand for a file and a folder that only
the sandbox guards, a port that listens, and two processes outside.
"""

ATTACKS = {
    # network
    "tcp": """
        import socket
        socket.create_connection(("127.0.0.1", {port}), timeout=2).sendall(b"x")
    """,
    "udp": """
        import socket
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port}))
    """,
    "listen": "import socket; socket.create_server(('127.0.0.1', 0))",
    "raw_socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    "abstract_socket": """
        import socket
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind("\\0mark")
    """,
    "io_uring": """
        import ctypes
        assert ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(256)) >= 0
    """,
    # files outside
    "read_secret": "assert open({secret!r}).read() == 'secret'",
    "read_users": "assert open('/etc/passwd').read()",
    "list_folder": "import os; assert os.listdir({folder!r})",
    "link_to_secret": """
        import os
        os.symlink({secret!r}, "link"); assert open("link").read()
    """,
    "hard_link_to_secret": """
        import os
        os.link({secret!r}, "link"); assert open("link").read()
    """,
    "write_outside": "open({folder!r} + '/mark', 'w').write('x')",
    "append_to_secret": "open({secret!r}, 'a').write('x')",
    "truncate_secret": "import os; os.truncate({secret!r}, 0)",
    "chmod_secret": "import os; os.chmod({secret!r}, 0)",
    "touch_secret": "import os; os.utime({secret!r}, (1, 1))",
    "remove_secret": "import os; os.remove({secret!r})",
    "rename_secret": "import os; os.rename({secret!r}, {folder!r} + '/mark')",
    "write_system": "open('/usr/mark', 'w').write('x')",
    "write_shared_memory": "open('/dev/shm/mark', 'w').write('x')",
    "write_interpreter": "import json; open(json.__file__, 'a').write('x')",
    "write_harness": """
        import sys
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) and "inside" in module.__file__:
                open(module.__file__, "a").write("x"); break
        else:
            raise OSError
    """,
    "make_device": "import os; os.mknod('device', 0o60666, os.makedev(254, 0))",
    "change_root": "import os; os.chroot('.')",
    "mount": """
        import ctypes
        assert ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
    """,
    # other processes and the caller
    "kill_victim": "import os; os.kill({victim}, 9)",
    "kill_caller": "import os; os.kill({caller}, 9)",
    "signal_by_ownership": """
        import fcntl, os, signal
        reader, writer = os.pipe()
        fcntl.fcntl(reader, 10, signal.SIGKILL)
        fcntl.fcntl(reader, fcntl.F_SETOWN, {victim})
    """,
    "watch_folder": """
        import ctypes
        libc = ctypes.CDLL(None)
        assert libc.inotify_add_watch(libc.inotify_init(), {folder!r}.encode(), 0xfff) >= 0
    """,
    "stop_zygote": """
        import os, signal
        os.kill(os.getppid() or 1, signal.SIGSTOP)
        os.kill(os.getppid() or 1, signal.SIGKILL)
        import time; time.sleep(0.2)
        raise OSError
    """,
    "kill_all": "import os; os.kill(-1, 9); raise OSError",
    "trace_caller": """
        import ctypes
        assert ctypes.CDLL(None).ptrace(16, {caller}, 0, 0) == 0
    """,
    "memory_of_caller": "open('/proc/{caller}/mem', 'rb')",
    "memory_of_zygote": "import os; open(f'/proc/{{os.getppid() or 1}}/mem', 'rb')",
    "descriptors_of_zygote": "import os; assert os.listdir(f'/proc/{{os.getppid() or 1}}/fd')",
    "environment_of_caller": "assert open('/proc/{caller}/environ', 'rb').read() is not None",
    "copy_descriptor": """
        import ctypes, os
        pidfd = os.pidfd_open(os.getppid() or 1)
        assert ctypes.CDLL(None).syscall(438, pidfd, 3, 0) >= 0
    """,
    "become_root": "import os; os.setuid(0); assert open({secret!r}).read()",
    "raise_limits": """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))
        assert len(bytearray(2 << 30))
    """,
    "new_namespace": """
        import ctypes
        assert ctypes.CDLL(None).unshare(0x10000000) == 0
    """,
    "clone_namespace": """
        import ctypes, os
        number = 56 if os.uname().machine == "x86_64" else 220
        pid = ctypes.CDLL(None).syscall(number, 0x10000000 | 17, 0, 0, 0, 0)
        if pid == 0: os._exit(0)
        assert pid > 0
    """,
    "keyring": """
        import ctypes
        key = ctypes.CDLL(None).syscall(248, b"user", b"mark", b"x", ctypes.c_size_t(1), -4)
        assert key > 0
    """,
    # resources
    "fork_bomb": """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """,
    "fork_count": """
        import os, time
        for i in range(40):
            if os.fork() == 0: time.sleep(100); os._exit(0)
    """,
    "thread_bomb": """
        import threading, time
        for i in range(100):
            threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    """,
    "memory_bomb": "x = []\nwhile True: x.append(bytearray(1 << 24))",
    "memory_bomb_of_family": """
        import os, time
        for i in range(6):
            if os.fork() == 0: break
        x = bytearray(120 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(1000)
    """,
    "memory_of_integers": "x = 10 ** (10 ** 10)",
    "memory_file": """
        import os
        fd = os.memfd_create("mark")
        for i in range(100): os.write(fd, bytes(1 << 20))
    """,
    "system_v_memory": """
        import ctypes
        assert ctypes.CDLL(None).shmget(0, 1 << 20, 0o1666) >= 0
    """,
    "disk_fill": """
        with open("fill", "wb") as file:
            for i in range(64): file.write(bytes(1 << 20)); file.flush()
    """,
    "disk_fill_in_pieces": """
        import time
        for i in range(1000):
            open(f"fill{{i}}", "wb").write(bytes(1 << 20))
            time.sleep(0.001)
    """,
    "many_files": """
        i = 0
        while True:
            i += 1
            open(f"f{{i}}", "w").close()
    """,
    "deep_folders": """
        import os
        for i in range(5000):
            os.mkdir("d"); os.chdir("d")
        raise OSError
    """,
    "deep_open_folders": """
        import os, time
        for i in range(5000):
            os.mkdir("d"); os.chdir("d")
        open("file", "w").write("x")
        time.sleep(0.3)
        raise OSError
    """,
    "descriptors": """
        files = [open("/dev/null") for i in range(200)]
    """,
    "busy": "while True: pass",
    "busy_deaf": """
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass
    """,
    "asleep": "import time; time.sleep(1000)",
    "endless_output": "while True: print('x' * 1000)",
    "endless_errors": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "binary_output": "import os\nwhile True: os.write(1, bytes(range(256)) * 100)",
    "crash": "import ctypes; ctypes.string_at(0)",
    "stack": """
        import sys
        sys.setrecursionlimit(10 ** 9)
        class A:
            def __getattr__(self, name): return getattr(self, name)
        A().x
    """,
    # what stays behind
    "daemon": """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for fd in range(3): os.close(fd)
                while True: time.sleep(1)
            os._exit(0)
    """
    "\n        raise OSError",
    "zombies": """
        import os
        for i in range(3):
            if os.fork() == 0:
                if os.fork() == 0: os._exit(0)
                os._exit(0)
        raise OSError
    """,
    "shell": """
        import os
        os.execv("/bin/sh", ["sh", "-c", "(trap '' HUP TERM; while :; do sleep 1; done) & exit 1"])
    """,
    "subprocess": """
        import subprocess
        subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
        raise OSError
    """,
    "files_behind": """
        import os
        os.makedirs("a/b/c"); open("a/b/c/.hidden", "w").write("x"); os.mkdir("closed", 0)
        os.symlink({folder!r}, "a/link")
        raise OSError
    """,
    "close_everything": "import os; os.closerange(0, 100)",
    # the harness
    "forged_report": """
        import json, os
        for fd in range(3, 100):
            for message in ({{"reason": "passed"}}, {{"value": 1}}, {{"end": {{"code": 0}}}}):
                data = json.dumps(message).encode()
                try: os.write(fd, len(data).to_bytes(4, "big") + data)
                except OSError: pass
        raise OSError
    """,
    "find_the_answer": """
        import gc, sys
        frame = sys._getframe()
        while frame:
            for value in list(frame.f_locals.values()):
                if isinstance(value, str) and value.strip() == "ESC" + "APED": print(value)
            frame = frame.f_back
        for thing in gc.get_objects():
            for part in gc.get_referents(thing):
                if isinstance(part, str) and part == "ESC" + "APED": print(part)
        raise OSError
    """,
}
