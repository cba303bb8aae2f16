"""Measurements as bars. matplotlib is imported where it draws."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Measurement, summarize
from benchmarks.table import show_ms

COLOURS = {
    "fnn": "#d55e00",
    "stax": "#f0e442",
    "linen": "#56b4e9",
    "nnx": "#0072b2",
    "haiku": "#009e73",
    "equinox": "#cc79a7",
    "torch": "#404040",
    "torch_compiled": "#909090",
    "plain": "#d8cfc0",
}
"""Told apart by the colour-blind (Okabe & Ito 2008); greys for PyTorch."""


def draw_case(measurements: Sequence[Measurement], titles: dict[str, str], path: Path) -> None:
    """Draws one case as a PNG: a group of bars for each subject, a bar for each peer, relative to fnn.

    Args:
      measurements: of one suite and case.
      titles: the peers' names in the legend, in the order of the bars.
      path: where to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    peers = [peer for peer in titles if any(peer in row.seconds for row in measurements)]
    height = 0.9 + sum(0.17 * len(row.seconds) + 0.16 for row in measurements)
    figure = Figure(figsize=(9, max(height, 1.6 + 0.2 * len(peers))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    top, ticks, labels, ends = 0.0, [], [], [0.5, 2.0]
    drawn: set[str] = set()
    for row in measurements:
        base = summarize(row.seconds["fnn"]).median
        there = [peer for peer in peers if peer in row.seconds]
        for place, peer in enumerate(there, start=1):
            summary = summarize(row.seconds[peer])
            middle, low, high = (value / base for value in summary)
            axes.barh(
                top + place,
                middle - 1,
                left=1,  # a bar on a logarithmic axis has no natural zero; this one begins at fnn's time
                height=0.9,
                color=COLOURS.get(peer, "black"),
                edgecolor="black",
                linewidth=0.4,
                label=None if peer in drawn else titles[peer],
            )
            axes.plot([low, high], [top + place] * 2, color="black", linewidth=0.8)
            inward = middle >= 1
            axes.annotate(
                f"{show_ms(summary.median)} ms",
                (max(middle, high) if inward else min(middle, low), top + place),
                xytext=(4 if inward else -4, 0),
                textcoords="offset points",
                horizontalalignment="left" if inward else "right",
                verticalalignment="center_baseline",
                fontsize=7,
            )
            ends += [low, high]
            drawn.add(peer)
        ticks.append(top + (len(there) + 1) / 2)
        labels.append(row.subject)
        top += len(there) + 1
    axes.axvline(1, color=COLOURS["fnn"], linewidth=1.5)
    axes.set_yticks(ticks, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(top + 1, 0)
    axes.set_xscale("log")
    smallest = min(end for end in ends if end > 0)  # a cheap import can take less than none
    room = max(1.4, (max(ends) / smallest) ** 0.15)  # for the labels
    axes.set_xlim(smallest / room, max(ends) * room)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(ends) / smallest < 1e3 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set(
        xlabel="median time ÷ fnn's (log scale; lines: quartiles).  ← faster than fnn | slower than fnn →",
        ylabel=measurements[0].suite,
        title=f"{measurements[0].suite}: {measurements[0].case.replace('_', ' ')}",
    )
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=150)
