"""The network rows and their peers: a server on one core, the load on another (docs/benchmarks.md tells the method).

A peer here has what bench/run's Peer has (name, rows, has, measure), and starts a fresh server for each figure.
"""

import contextlib
import json
import re
import socket
import subprocess
import tempfile
from pathlib import Path

from net.server import Failed, Server, cores, prepare

# Connections, and messages under way on each.
ECHO = {"echo64": (64, 1), "echo64x16": (64, 16), "echo1000": (1000, 1), "echo1000x16": (1000, 16)}
HTTP = {"http64": 64}  # connections, one request under way on each
FIGURES = ["requests_per_s", "p50_us", "p99_us", "p99.9_us", "cpu_ns_per_op"]
# The peer that does a row's work without tasks: the limit.
LIMITS = dict.fromkeys(ECHO, "epoll_loop") | dict.fromkeys(HTTP, "nginx")

# A second of the same load may differ by a tenth from the next one on a machine that is shared: so each round counts as
# several short ones of the echo rows, and the ratios are those of neighbours.
ROUNDS = 4
SECONDS = 0.6  # of measured load, at scale 1
HTTP_SECONDS = 2  # the same; wrk knows whole ones only
WARM_UP = 0.3  # until buffers, caches and the kernel's estimates of a connection have settled


def run_pinned(command, timeout):
    """A load program on the load's core; its result is the JSON object on the last line."""
    command = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, preexec_fn=prepare(cores()[1])
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {timeout:g} s") from None
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or [f"{command[3]}: exit status {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


class NetPeer:
    """What the peers of all network rows share. One processor is what these rows are about."""

    def __init__(self, name, command):
        self.name = name
        self.command = command

    def has(self, row, processors):
        return row in self.rows and processors == 1

    def measure(self, row, processors, scale, timeout):
        record = {"row": row, "peer": self.name, "processors": processors}
        try:
            with self.start() as server:
                try:
                    result = self.load(server, row, scale, timeout)
                finally:
                    server.check_alive()  # its end says more than what the load saw of it
                result["peak_rss_kb"] = server.peak_rss_kb()
        except Failed as why:
            return record | {"check": f"failed: {why}"}
        result["ns_per_op"] = 1e9 / result["requests_per_s"]
        return record | result | {"check": "ok"}

    def start(self, tracer=()):
        """One processor; the cores are pinned besides, so that no thread more helps anybody."""
        return Server(self.command, {"GOMAXPROCS": "1", "CSP_PROCESSORS": "1"}, tracer=tracer)


class EchoPeer(NetPeer):
    rows = list(ECHO)
    client = None  # the path of echo_client: bench/run sets it

    def load(self, server, row, scale, timeout):
        times = ["--seconds", SECONDS * scale, "--warm-up", WARM_UP, "--server", server.pid]
        return self.ask(server, row, times, timeout)

    def ask(self, server, row, plan, timeout):
        connections, outstanding = ECHO[row]
        command = [self.client, "--port", server.port, "--connections", connections, "--outstanding", outstanding]
        return run_pinned(command + plan, timeout)


class HttpPeer(NetPeer):
    rows = list(HTTP)
    text = b"hello, world\n"  # what every server answers on /: bench/run sets it to that of the example

    def load(self, server, row, scale, timeout):
        seconds = max(1, round(HTTP_SECONDS * scale))
        connections = HTTP[row]
        size = self.expect_text(server)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", Path(__file__).with_name("wrk_report.lua")]
        before = server.cpu_ms()
        told = run_pinned([*command, f"http://127.0.0.1:{server.port}/"], timeout)
        cpu_ms = server.cpu_ms() - before
        self.check(told, size * connections, size)
        self.expect_text(server)
        wall_ms, requests = told["us"] / 1000, told["requests"]
        latency = {figure: told[figure] for figure in ("p50_us", "p99_us", "p99.9_us", "max_us")}
        result = {"ops": requests, "wall_ms": wall_ms, "cpu_ms": cpu_ms, "bytes_per_response": size}
        result |= {"requests_per_s": requests / wall_ms * 1000, "cpu_ns_per_op": cpu_ms * 1e6 / requests}
        return result | latency

    def expect_text(self, server):
        """The size of a right answer, its head included."""
        head, text = fetch(server)
        if text != self.text:
            raise Failed(f"GET / gave {text[:60]!r}")
        return len(head) + len(text)

    @staticmethod
    def check(told, slack, size):
        """All answers as long as ours was; those that the end of the run cut off may be counted in bytes."""
        if told["requests"] == 0 or told["bad_status"] or told["broken"]:
            answers = f"{told['requests']} answers, {told['bad_status']} of them bad"
            raise Failed(f"{answers}, {told['broken']} broken connections")
        if not 0 <= told["bytes"] - told["requests"] * size <= slack:
            raise Failed(f"{told['bytes']} bytes in {told['requests']} answers of {size}")


def fetch(server):
    """One GET / by ourselves: the head of the answer with its empty line, and the text."""
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                head = b""
                while not head.endswith(b"\r\n\r\n") and (line := answer.readline()):
                    head += line
                length = re.search(rb"^content-length: *(\d+)", head, re.MULTILINE | re.IGNORECASE)
                if not head.startswith(b"HTTP/1.1 200 ") or not length:
                    raise Failed(f"GET / gave {head[:60]!r}")
                return head, answer.read(int(length[1]))
    except OSError as why:
        raise Failed(f"GET /: {why}") from None


def text_of(command):
    """What this server answers on /, for the others to answer the same; the usual text when there is none such."""
    try:
        with HttpPeer("", command).start() as server:
            return fetch(server)[1]
    except (Failed, OSError):
        return HttpPeer.text


NGINX = """daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/plain; open_file_cache max=16;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}; location = / {{ try_files /index.txt =404; }} }}
}}
"""


class NginxPeer(HttpPeer):
    """nginx as one process, with all its files in a temporary folder."""

    @contextlib.contextmanager
    def start(self, tracer=()):
        with tempfile.TemporaryDirectory(prefix="csp_bench_nginx.") as folder:
            port = free_port()
            (Path(folder) / "index.txt").write_bytes(self.text)
            config = Path(folder) / "nginx.conf"
            config.write_text(NGINX.format(folder=folder, port=port))
            with Server([self.command[0], "-p", folder, "-c", config], port=port, tracer=tracer) as server:
                yield server


def free_port():
    """nginx cannot let the system choose, so this asks for it; nobody else is likely to be given the same meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
