"""What system calls an echo server makes for a message in the steady state, by `strace -c -f`.

Two runs that differ in nothing but the number of messages are subtracted, so that start-up, accepting and the end do
not count. strace makes a server several times slower. Its calls for each message are the same as in a measured run;
those that wait are fewer, because more connections are ready at once, and what it does by the clock comes more often.
"""

import tempfile

from net.rows import ECHO
from net.server import Failed

EXTRA = 32_000  # messages of one outstanding that the second run has more: a few seconds
TIMEOUT = 120.0  # seconds for one run


def count(peer, row):
    """{"check": "ok", "messages": n, "calls": {name: a message}, "errors": {name: a message}}, or a failed check."""
    connections, outstanding = ECHO[row]
    few = 4 * outstanding  # on each connection
    many = few + EXTRA // connections * outstanding
    messages = (many - few) * connections
    try:
        base, more = run(peer, row, few), run(peer, row, many)
    except Failed as why:
        return {"check": f"failed: {why}"}
    differences = {
        kind: {name: (more[kind][name] - base[kind].get(name, 0)) / messages for name in more[kind]}
        for kind in ("calls", "errors")
    }
    return {"check": "ok", "messages": messages} | differences


def run(peer, row, messages):
    """The calls and errors by name of a server's whole life in which each connection sends so many messages."""
    with tempfile.NamedTemporaryFile(mode="r", prefix="csp_bench_strace.") as table:
        tracer = ["strace", "-f", "-c", "-U", "calls,errors,name", "-o", table.name]
        with peer.start(tracer) as server:
            peer.ask(server, row, ["--messages", messages], TIMEOUT)
        return parse(table.read())


def parse(table):
    """Lines of `calls [errors] name`, between a head and a total."""
    counts = {"calls": {}, "errors": {}}
    for words in map(str.split, table.splitlines()):
        if len(words) in (2, 3) and words[0].isdigit() and words[-1] != "total":
            counts["calls"][words[-1]] = int(words[0])
            counts["errors"][words[-1]] = int(words[1]) if len(words) == 3 else 0
    return counts
