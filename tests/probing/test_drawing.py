"""The picture of a probe: nothing in it overlaps, however many layers and parts there are."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from zoo.probing.drawing import figure_of


def found(layers: int, others: int) -> dict[str, Any]:
    """Return made-up findings: a model, the same with random weights, and parts without layers."""

    def row(source: str, name: str, layer: int | None = None) -> dict[str, Any]:
        score = {"value": 0.3, "low": 0.2, "high": 0.5}
        return {"source": source, "part": name, "title": f"{source} {name}", "layer": layer,
                "chosen": layer == 2, "validation": {"rmse": score}}  # fmt: skip

    parts = [row(source, f"layer {k}", k) for source in ("plm", "plm random")
             for k in range(1, layers + 1)]  # fmt: skip
    parts += [row("features", f"secondary_structure {k}") for k in range(others)]
    return {"target": "pk", "metric": "rmse", "better": "lower", "parts": parts}


@pytest.mark.parametrize("layers, others", [(0, 2), (6, 3), (33, 12), (80, 12)])
def test_nothing_overlaps(layers: int, others: int) -> None:
    figure = figure_of("table", [found(layers, others)])
    figure.draw_without_rendering()
    (axis,) = figure.axes
    ticks = [label for label in axis.get_xticklabels() if label.get_text()]
    numbers = [label.get_window_extent() for label in ticks if label.get_text().isdigit()]
    assert bool(numbers) == bool(layers) and len(ticks) - len(numbers) == others
    for one, other in itertools.pairwise(numbers):
        assert one.x1 < other.x0
    named = [label for label in ticks if not label.get_text().isdigit()]
    for first, second in itertools.pairwise(named):  # turned alike: lines as far apart as high
        apart = second.get_window_extent().x1 - first.get_window_extent().x1
        assert apart > 0.6 * first.get_fontsize() * figure.dpi / 72
    if layers:
        inside, legend = axis.get_window_extent(), axis.get_legend().get_window_extent()
        assert legend.x0 > inside.x1 and legend.x1 <= figure.bbox.x1


def test_the_better_end_and_random_weights_can_be_told() -> None:
    figure = figure_of("table", [found(6, 1)])
    (axis,) = figure.axes
    assert "lower is better" in axis.get_ylabel()
    trained, drawn = (container.lines[0] for container in axis.containers[:2])
    assert trained.get_color() == drawn.get_color()
    assert (trained.get_linestyle(), drawn.get_linestyle()) == ("-", "--")


def test_an_interval_beside_its_value_is_drawn_where_it_is() -> None:
    one = found(0, 1)
    one["parts"][0]["validation"]["rmse"] = {"value": 0.3, "low": 0.4, "high": 0.5}
    (axis,) = figure_of("table", [one]).axes
    ((low, high),) = (line.get_segments()[0][:, 1] for line in axis.containers[0].lines[2])
    assert (low, high) == pytest.approx((0.3, 0.5))
