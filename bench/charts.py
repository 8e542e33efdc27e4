"""Charts of a bench run: the ratios to the base peer, in SVG files. Where matplotlib is missing, one line says so."""

import sys

THEMES = {
    "tasks-and-channels": ("yield", "spawn", "mutex", "pingpong", "unbuffered", "buffered", "select"),
    "programs": ("skynet", "sieve", "ring", "sleep", "pipeline", "fanout", "matrix"),
    "latency-and-resources": ("go_compute", "spawn_burst", "wake", "short", "submit", "parked", "idle"),
    "network": ("echo", "http"),
}
HIGHER_IS_BETTER = ("requests_per_s",)  # turned over, so that in all bars less is better
# One for each peer that there can be; told apart by everybody.
COLORS = "#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #555555 #b2df8a #6a3d9a #8c510a #f0e442".split()


def theme_of(row):
    """The theme with the longest prefix that fits, so that spawn_burst is not taken for spawn."""
    fits = [(len(prefix), theme) for theme, prefixes in THEMES.items() for prefix in prefixes if row.startswith(prefix)]
    return max(fits)[1] if fits else None


# Rows about tasks that wait: the kind of stack, and how many tasks.
PARKED = {
    "parked_10k": ("", 10_000),
    "parked_memory": ("", 100_000),
    "parked_1m": ("", 1_000_000),
    "parked_10k_16k": (", 16 KiB stacks", 10_000),
    "parked_100k_16k": (", 16 KiB stacks", 100_000),
    "parked_1m_16k": (", 16 KiB stacks", 1_000_000),
    "hibernated_10k": (", hibernating", 10_000),
    "hibernated_100k": (", hibernating", 100_000),
    "hibernated_1m": (", hibernating", 1_000_000),
    "hibernated_10m": (", hibernating", 10_000_000),
}


def draw(lines, folder, base):
    """Writes <theme>.svg for each theme that has ratios, and memory.svg; returns their paths, none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("no charts: matplotlib is missing (Debian: python3-matplotlib)", file=sys.stderr)
        return []
    matplotlib.use("svg")
    # The same run gives the same file, and text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "libcsp", "svg.fonttype": "none", "font.size": 8})
    from matplotlib import patches, pyplot

    shown = [line for line in lines if line.get("ratio") and line["peer"] != base]
    # A peer has the same color in all charts, and a place only where it has bars.
    colors = dict(zip(dict.fromkeys(line["peer"] for line in shown), COLORS))
    paths = []
    for theme in THEMES:
        mine = [line for line in shown if theme_of(line["row"]) == theme]
        if not mine:
            continue
        peers = {peer: color for peer, color in colors.items() if any(line["peer"] == peer for line in mine)}
        counts = sorted({line["processors"] for line in mine})
        labels = list(dict.fromkeys((line["row"], line["figure"]) for line in mine))
        height = 1.2 + len(labels) * (0.12 * len(peers) + 0.1)  # inches: a bar for each peer and a gap
        figure, axes = pyplot.subplots(
            1, len(counts), figsize=(3 + 3 * len(counts), height), sharey=True, squeeze=False, layout="constrained"
        )
        for axis, processors in zip(axes[0], counts):
            draw_bars(axis, [line for line in mine if line["processors"] == processors], labels, peers)
            axis.set_title(f"{processors} processor{'s' if processors > 1 else ''}")
        axes[0][0].set_yticks(range(len(labels)), [name(*label) for label in labels])
        axes[0][0].set_ylim(len(labels) - 0.4, -0.6)  # the first row on top
        figure.supxlabel(f"ratio to {base} in the same rounds (logarithmic; less is better)")
        figure.suptitle(" ")  # keeps the place of the legend
        legend = [patches.Patch(color=color, label=peer) for peer, color in peers.items()]
        figure.legend(handles=legend, loc="upper center", ncols=len(peers))
        paths.append(folder / f"{theme}.svg")
        figure.savefig(paths[-1], metadata={"Date": None})
        pyplot.close(figure)
    return paths + draw_memory(lines, folder, pyplot)


def draw_memory(lines, folder, pyplot):
    """memory.svg: bytes for each waiting task, by how many there are."""
    curves = {}
    for line in lines:
        if line["row"] in PARKED and line["figure"] == "bytes_per_task" and line["processors"] == 1 and "median" in line:
            kind, tasks = PARKED[line["row"]]
            curves.setdefault(line["peer"] + kind, []).append((tasks, line["median"]))
    if not curves:
        return []
    figure, axis = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    for curve, points in sorted(curves.items()):
        axis.plot(*zip(*sorted(points)), marker="o", markersize=3, label=curve)
    axis.set_xscale("log")
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    axis.set_xlabel("tasks that wait")
    axis.set_ylabel("bytes each, with page tables")
    axis.grid(which="major", linewidth=0.3)
    axis.legend()
    path = folder / "memory.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return [path]


def name(row, figure):
    if figure in HIGHER_IS_BETTER:
        return f"{row}, 1 / {figure}"
    return row if figure == "ns_per_op" else f"{row}, {figure}"


def cost(line):
    return 1 / line["ratio"] if line["figure"] in HIGHER_IS_BETTER else line["ratio"]


def draw_bars(axis, lines, labels, peers):
    """The bars of one chart. `peers`: the color of each."""
    from matplotlib import ticker

    width = 0.8 / len(peers)  # the bars of one label take 0.8 of its place
    for index, (peer, color) in enumerate(peers.items()):
        places = {(line["row"], line["figure"]): cost(line) for line in lines if line["peer"] == peer}
        at = [i + (index - (len(peers) - 1) / 2) * width for i, label in enumerate(labels) if label in places]
        ratios = [places[label] for label in labels if label in places]
        # A bar begins at 1, so that better goes to the left and worse to the right.
        axis.barh(at, [r - 1 for r in ratios], width, left=1, color=color)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}")
    axis.xaxis.set_minor_formatter(ticker.NullFormatter())
    axis.axvline(1, color="black", linewidth=0.8)
    axis.grid(axis="x", which="major", linewidth=0.3)
