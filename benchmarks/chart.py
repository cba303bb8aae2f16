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


LONGEST = 3.0
"""The longest bar, as a multiple of fnn's; longer ones are cut and marked."""


def draw_case(measurements: Sequence[Measurement], titles: dict[str, str], path: Path) -> None:
    """Draws one case as a PNG: a group of bars for each subject, a bar for each peer, relative to fnn.

    Args:
      measurements: of one suite and case, each with fnn.
      titles: the peers' names in the legend, in the order of the bars.
      path: where to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    peers = [peer for peer in titles if any(peer in row.seconds for row in measurements)]
    bars = sum(len(row.seconds) + 1 for row in measurements)
    figure = Figure(figsize=(9, max(0.9 + 0.17 * bars, 1.6 + 0.2 * len(peers))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    place, ticks, longest = 0, [], 1.0
    drawn: set[str] = set()
    for row in measurements:
        base = summarize(row.seconds["fnn"]).median
        there = [peer for peer in peers if peer in row.seconds]
        ticks.append(place + (len(there) - 1) / 2)
        for peer in there:
            summary = summarize(row.seconds[peer])
            middle, low, high = (value / base for value in summary)
            cut = middle > LONGEST
            axes.barh(
                place,
                min(middle, LONGEST),
                height=0.92,
                color=COLOURS.get(peer, "black"),
                edgecolor="black",
                linewidth=0.4,
                label=None if peer in drawn else titles[peer],
            )
            axes.plot([min(low, LONGEST), min(high, LONGEST)], [place] * 2, color="black", linewidth=0.9)
            axes.annotate(
                f"▶ {middle:.1f}×: {show_ms(summary.median)} ms" if cut else f"{show_ms(summary.median)} ms",
                (min(max(middle, high, 0), LONGEST), place),
                xytext=(4, 0),
                textcoords="offset points",
                verticalalignment="center_baseline",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
            )
            longest = max(longest, min(high, LONGEST))
            drawn.add(peer)
            place += 1
        place += 1
    axes.axvline(1, color=COLOURS["fnn"], linewidth=1, zorder=0.5)
    axes.set_yticks(ticks, [row.subject for row in measurements])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - 0.5, -1)
    axes.set_xlim(0, 1.35 * longest)  # with room for the labels
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set(
        xlabel="median time ÷ fnn's median time: shorter is faster (black lines: quartiles)",
        ylabel=measurements[0].suite,
        title=f"{measurements[0].suite}: {measurements[0].case.replace('_', ' ')}",
    )
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=150)
