#!/usr/bin/python3
"""What is told of a bench run: tables as text, CSV and Markdown, and SVG charts.

usage: bench/report.py [RUN.json]            writes table.csv, table.md and the charts beside the run
       bench/report.py --publish [RUN.json]  also puts the run into docs/benchmarks.md and its charts beside that

The run is the newest in bench/results/ by default. A ratio is the median of the ratios to Go in the same round; network
rows have a second one, to the peer that does the row without tasks: its limit.
"""

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path

import charts
from net.rows import FIGURES as NET_FIGURES
from net.rows import LIMITS

BENCH = Path(__file__).resolve().parent
PAGE = BENCH.parent / "docs" / "benchmarks.md"
MARKS = ("<!-- run: begin -->", "<!-- run: end -->")  # bench/report.py --publish replaces what is between
BASE = "go"  # the peer that the ratios are to

# The figures of a row, where they are not the time per operation alone. Lower is better, but for requests_per_s.
FIGURES = {
    "skynet": ["wall_ms", "peak_rss_kb"],
    "sieve": ["wall_ms"],
    "ring": ["wall_ms"],
    "sleep": ["wall_ms", "cpu_ms", "p99_late_ms"],
    "go_compute": ["p50_us", "p99_us"],
    "spawn_burst": ["p50_us", "p99_us"],
    "submit": ["p50_us", "p99_us"],
    "wake_stuck": ["p50_late_us", "p99_late_us"],
    "short_sleep": ["p50_late_us", "p99_late_us"],
    "parked_10k": ["bytes_per_task", "ns_per_op"],
    "parked_memory": ["bytes_per_task", "ns_per_op"],
    "parked_1m": ["bytes_per_task", "ns_per_op"],
    "idle": ["cpu_us_per_s", "context_switches"],
} | dict.fromkeys(LIMITS, NET_FIGURES)
for kind in ("parked_10k_16k", "parked_100k_16k", "parked_1m_16k"):
    FIGURES[kind] = ["bytes_per_task", "ns_per_op", "wake_ns"]
for count in ("10k", "100k", "1m", "10m"):
    FIGURES["hibernated_" + count] = ["bytes_per_task", "ns_per_op", "wake_ns"]
DEFAULT_FIGURES = ["ns_per_op"]
SPEEDUP_ROWS = ["pipeline20us", "fanout_cpu", "matrix"]


def unique(values):
    return list(dict.fromkeys(values))


def median_ratio(records, base_records, figure):
    """The median over the rounds of record / base; None unless both have rounds in common."""
    base = {r["round"]: r[figure] for r in base_records}
    ratios = [r[figure] / base[r["round"]] for r in records if base.get(r["round"])]
    return statistics.median(ratios) if ratios else None


def good_runs(runs, row, processors, peer):
    """The records of the three; none at all when one of them failed."""
    records = [r for r in runs if (r["row"], r["processors"], r["peer"]) == (row, processors, peer)]
    return records if all(r["check"] == "ok" for r in records) else []


def table(runs):
    """One line for each row, number of processors, figure and peer."""
    lines = []
    order = unique(r["row"] for r in runs)
    places = unique((r["row"], r["processors"]) for r in runs)
    for row, processors in sorted(places, key=lambda place: (order.index(place[0]), place[1])):
        peers = unique(r["peer"] for r in runs if (r["row"], r["processors"]) == (row, processors))
        base = good_runs(runs, row, processors, BASE)
        limit = good_runs(runs, row, processors, LIMITS.get(row))
        for figure in FIGURES.get(row, DEFAULT_FIGURES):
            for peer in peers:
                line = {"row": row, "processors": processors, "figure": figure, "peer": peer}
                records = good_runs(runs, row, processors, peer)
                if records:
                    values = [r[figure] for r in records]
                    line |= {"median": statistics.median(values), "min": min(values), "rounds": len(values)}
                    line["cpu_per_wall"] = statistics.median(r["cpu_ms"] / r["wall_ms"] for r in records)
                    line["ratio"] = median_ratio(records, base, figure)
                    line["ratio_to_limit"] = median_ratio(records, limit, figure)
                else:
                    mine = (row, processors, peer)
                    line["failed"] = next(
                        r["check"]
                        for r in runs
                        if r["check"] != "ok" and (r["row"], r["processors"], r["peer"]) == mine
                    )
                lines.append(line)
    return lines


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def ratio_text(line, to="ratio"):
    ratio = line.get(to)
    if ratio is None:
        return "-"
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.1g}"


TEXT_HEAD = (
    f"{'row':<19} {'p':>2}  {'figure':<16} {'peer':<20} {'median':>12} {'min':>12} {'cpu/wall':>8} "
    f"{'/ ' + BASE:>7} {'/ limit':>7}"
)


def text_line(line):
    text = f"{line['row']:<19} {line['processors']:>2}  {line['figure']:<16} {line['peer']:<20} "
    if "failed" in line:
        return text + "FAILED"
    numbers = f"{number(line['median']):>12} {number(line['min']):>12} {line['cpu_per_wall']:>8.2f}"
    return text + numbers + f" {ratio_text(line):>7} {ratio_text(line, 'ratio_to_limit'):>7}"


def speedups(runs):
    """How much faster a row of CPU work is on more processors than on one: median over the rounds."""
    lines = []
    counts = sorted({r["processors"] for r in runs})
    for row in SPEEDUP_ROWS:
        for peer in unique(r["peer"] for r in runs if r["row"] == row):
            one = good_runs(runs, row, 1, peer)
            for processors in counts:
                many = good_runs(runs, row, processors, peer)
                if processors > 1 and one and many:
                    factor = median_ratio(one, many, "wall_ms")
                    lines.append(f"{row}: {peer} is {factor:.2f} times as fast on {processors} processors as on 1")
    return lines


def markdown_table(lines, processors, title, cell):
    """A line for each row and figure, a column for each peer; cell(line) is what stands in it unless the row failed."""
    lines = [line for line in lines if line["processors"] == processors]
    peers = unique(line["peer"] for line in lines)
    text = lambda line: "failed" if "failed" in line else cell(line)  # noqa: E731
    cells = {(line["row"], line["figure"], line["peer"]): text(line) for line in lines}
    out = [f"{title}, {processors} processor{'s' if processors > 1 else ''}:", ""]
    out.append("| row | figure | " + " | ".join(peers) + " |")
    out.append("|---|---|" + "---|" * len(peers))
    for row, figure in unique((line["row"], line["figure"]) for line in lines):
        out.append(f"| {row} | {figure} | " + " | ".join(cells.get((row, figure, p), "") for p in peers) + " |")
    return out + [""]


def network_table(lines, limit):
    """The network rows that have this limit."""
    if not lines:
        return []

    def cell(line):
        if line["figure"] == "cpu/wall":
            return f"{line['cpu_per_wall']:.2f}"
        return f"{number(line['median'])} ({ratio_text(line, 'ratio_to_limit')}, {ratio_text(line)})"

    busy = [line | {"figure": "cpu/wall"} for line in lines if line["figure"] == NET_FIGURES[-1]]
    title = f"Network: median, the ratios to {limit} and to {BASE} in the same rounds, and CPU time per wall time"
    return markdown_table(lines + busy, 1, title, cell)


def calls_text(record):
    """The calls for a message, the most frequent first, without those that are made for less than one in 1000.
    epoll_ctl is told in any case: that there is none of it is worth knowing."""
    if record["check"] != "ok":
        return record["check"]
    calls = {"epoll_ctl": 0.0} | record["calls"]
    failing = lambda name: record["errors"].get(name, 0)  # noqa: E731
    told = lambda name: f" ({failing(name):.3f} of them failing)" if failing(name) >= 0.001 else ""  # noqa: E731
    shown = [(name, calls[name]) for name in calls if calls[name] >= 0.001 or name == "epoll_ctl"]
    return ", ".join(f"{times:.3f} {name}{told(name)}" for name, times in sorted(shown, key=lambda item: -item[1]))


def syscalls_line(record):
    return f"{record['row']:<19}     calls a message  {record['peer']:<20} {calls_text(record)}"


def syscalls_table(records):
    if not records:
        return []
    out = ["System calls of the server for a message, counted by strace:", ""]
    out += ["| row | peer | calls |", "|---|---|---|"]
    return out + [f"| {r['row']} | {r['peer']} | {calls_text(r)} |" for r in records] + [""]


def markdown(content, lines, pictures):
    """The block of docs/benchmarks.md: the machine, the tables, the charts."""
    about, arguments = content["machine"], content["arguments"]
    out = [
        f"Run of {about['date']}: {about['cpu']}, {about['processors']} processors, {about['memory_gib']} GiB, "
        f"{about['system']}, kernel {about['kernel']}; {about['compiler']}; {about['go']}; Boost {about['boost']}; "
        f"libcsp at {about['libcsp']}. {arguments['rounds']} rounds, scale {arguments['scale']:g}; "
        f"load {about['load_at_start']:.2f} at the start and {about['load_at_end']:.2f} at the end.",
        "",
    ]
    for picture in pictures:
        out += [f"![{picture.stem}]({picture})", ""]
    plain = [line for line in lines if line["row"] not in LIMITS]
    counts = sorted({line["processors"] for line in plain})
    middle = lambda line: f"{number(line['median'])} ({ratio_text(line)})"  # noqa: E731
    least = lambda line: f"{number(line['min'])} ({line['cpu_per_wall']:.2f})"  # noqa: E731
    for processors in counts:
        out += markdown_table(plain, processors, f"Median, and the ratio to {BASE} in the same rounds", middle)
    for processors in counts:
        out += markdown_table(plain, processors, "Minimum, and CPU time per wall time", least)
    for limit in unique(LIMITS.values()):
        out += network_table([line for line in lines if LIMITS.get(line["row"]) == limit], limit)
    out += syscalls_table(content.get("syscalls", []))
    faster = speedups(content["runs"])
    if faster:
        out += ["Speed-up of CPU work:", ""] + [f"- {line}" for line in faster] + [""]
    failures = unique(
        f"- {line['row']}, {line['peer']} on {line['processors']}: {line['failed'].removeprefix('failed: ')}"
        for line in lines
        if "failed" in line
    )
    if failures:
        out += ["Failed, so without a number:", ""] + failures + [""]
    return "\n".join(out)


def write(content, folder):
    """Everything about a run, beside it. Returns the table."""
    lines = table(content["runs"])
    names = ["row", "processors", "figure", "peer", "median", "min", "cpu_per_wall", "ratio", "ratio_to_limit"]
    names += ["rounds", "failed"]
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(lines)
    pictures = charts.draw(lines, folder, BASE)
    (folder / "table.md").write_text(markdown(content, lines, [Path(p.name) for p in pictures]))
    return lines


def publish(content, page):
    """Replaces the block between the marks of the page, and the charts in the folder of the page's name."""
    text = page.read_text()
    if any(text.count(mark) != 1 for mark in MARKS):
        sys.exit(f"report: {page} needs one line {MARKS[0]} and one {MARKS[1]}")
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    lines = table(content["runs"])
    pictures = [Path(folder.name) / p.name for p in charts.draw(lines, folder, BASE)]
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    page.write_text(f"{before}{MARKS[0]}\n{markdown(content, lines, pictures)}{MARKS[1]}{after}")
    print(f"published in {page} with {len(pictures)} charts")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("run", nargs="?", type=Path, help="run.json of a run; default: the newest")
    parser.add_argument("--publish", action="store_true", help="put the run into docs/benchmarks.md")
    arguments = parser.parse_args()
    runs = sorted((BENCH / "results").glob("*/run.json"))
    if arguments.run is None and not runs:
        sys.exit("report: there is no run in bench/results/")
    path = arguments.run or runs[-1]
    content = json.loads(path.read_text())
    write(content, path.parent)
    print(f"written to {path.parent}")
    if arguments.publish:
        publish(content, PAGE)


if __name__ == "__main__":
    main()
