"""A server of the network rows: a fresh process on a core of its own that tells its port, and ends with us."""

import os
import re
import resource
import select
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START = 10.0  # seconds until a server must listen; Go's runtime and the linker need milliseconds
END = 3.0  # seconds that a server has to end after SIGTERM


class Failed(Exception):
    """What went wrong, for the record's check."""


def cores():
    """The core of the servers and that of the load; None where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


def prepare(core):
    """For preexec_fn: pinned, with the descriptors that 1000 connections need, and the first to go without memory."""

    def child():
        os.sched_setaffinity(0, {core})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        Path("/proc/self/oom_score_adj").write_text("1000")

    return child


class Server:
    """with Server(command) as server: .port and .pid, of the server itself. Raises Failed when it does not listen.

    The command prints "listening on ADDRESS:PORT" first of all, unless it cannot and `port` says where it listens.
    `tracer` is a command that runs the server under itself.
    """

    # The server dies with its parent, however that ends.
    LEASH = ("setpriv", "--pdeathsig", "KILL")

    def __init__(self, command, environment=(), port=None, tracer=()):
        words = [*self.LEASH, *tracer, *(self.LEASH if tracer else ()), *map(str, command)]
        self.errors = tempfile.TemporaryFile()
        self.traced = bool(tracer)
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if port else subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | dict(environment),
            preexec_fn=prepare(cores()[0]),
        )
        try:
            self.port = port or self.read_port()
            if port:
                self.await_port()
        except BaseException:
            self.stop()
            raise

    def read_port(self):
        end, told = time.monotonic() + START, b""
        while b"\n" not in told:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                raise Failed(f"the server did not tell where it listens. {self.last_words()}")
            told += piece
        match = re.match(rb"listening on \S+:(\d+)$", told.split(b"\n")[0])
        if not match:
            raise Failed(f"not where the server listens: {told[:80]!r}")
        return int(match[1])

    def await_port(self):
        end = time.monotonic() + START
        while time.monotonic() < end:
            self.check_alive()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise Failed(f"nobody listens on port {self.port}. {self.last_words()}")

    @property
    def pid(self):
        """Of the server: under a tracer that is the tracer's child."""
        if not self.traced:
            return self.process.pid
        tracer = self.process.pid
        return int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()[0])

    def last_words(self):
        self.errors.seek(0)
        return (self.errors.read().decode(errors="replace").strip().splitlines() or [""])[-1]

    def cpu_ms(self):
        """User and system time so far, in the kernel's steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) * 1000 / os.sysconf("SC_CLK_TCK")

    def peak_rss_kb(self):
        return int(re.search(r"^VmHWM:\s*(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)[1])

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failed(f"the server ended. {self.last_words()}")

    def stop(self):
        """Ends it; under a tracer, the server and then the tracer, which reports what it saw."""
        for ask in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                try:
                    os.kill(self.pid, ask)
                except (ProcessLookupError, FileNotFoundError, IndexError):
                    pass  # it went meanwhile; a tracer follows
                try:
                    self.process.wait(END)
                except subprocess.TimeoutExpired:
                    continue
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
