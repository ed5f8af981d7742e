"""The charts of a page as figures of Plotly. Colours of text and lines are the page's own, set by its style."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Int64

from pipeline.report.page.blocks import Chart
from pipeline.report.page.clusters import MapPoint

# Told apart in either light, by colour-blind eyes too (Okabe and Ito).
COLOURS = ["#3f83d6", "#e08a1e", "#1f9e89", "#c45a93", "#7a6fd0", "#5fa8d3", "#b5a22c", "#d3603a"]
SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross"]
MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
BINS = 20
AXIS = {"automargin": True, "zeroline": False, "fixedrange": True}


def chart(title: str, traces: Sequence[object], height: int, **layout: Any) -> Chart:
    """A chart of these traces; its JSON has the same bytes for the same numbers."""
    figure = go.Figure(traces, {"template": "none", "margin": MARGIN, "showlegend": len(traces) > 1})
    figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"size": 12})
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    figure.update_xaxes(AXIS).update_yaxes(AXIS).update_layout(**layout)
    content = figure.to_plotly_json()
    content["layout"].pop("template", None)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    # In a page no text may end the script that it stands in.
    return Chart(title, text.replace("<", "\\u003c"), height)


def curves(title: str, table: pd.DataFrame, lines: str, x: str, y: str, log: bool = False) -> Chart:
    """One line for each value of the column `lines`; with `log` their heights are logarithms."""
    traces = [
        go.Scatter(
            x=rows[x].tolist(),
            y=rows[y].tolist(),
            name=str(name),
            mode="lines+markers",
            marker={"size": 5, "color": COLOURS[i % len(COLOURS)]},
            line={"width": 2, "color": COLOURS[i % len(COLOURS)]},
        )
        for i, (name, rows) in enumerate(table.groupby(lines, sort=False))
    ]
    axis = {"type": "log", "dtick": "D2"} if log else {"rangemode": "normal"}
    return chart(title, traces, 280, xaxis={"title": {"text": x}}, yaxis=axis, hovermode="x unified")


def class_bars(table: pd.DataFrame) -> Chart:
    """IoU in percent of each class (columns protocol, class, iou), lying, so that names stay readable."""
    names = table["class"].unique().tolist()
    traces = [
        go.Bar(
            y=rows["class"].tolist(),
            x=rows["iou"].tolist(),
            name=str(protocol),
            orientation="h",
            marker={"color": COLOURS[i % len(COLOURS)]},
            hovertemplate="%{y}: %{x:.1f}",
        )
        for i, (protocol, rows) in enumerate(table.groupby("protocol", sort=False))
    ]
    axis = {"title": {"text": "IoU in percent"}, "rangemode": "tozero"}
    order = {"categoryorder": "array", "categoryarray": names, "autorange": "reversed"}
    height = 90 + (12 * len(traces) + 10) * len(names)
    return chart("IoU of each class", traces, height, xaxis=axis, yaxis=order, bargap=0.25)


def counts(title: str, names: Sequence[str], numbers: Sequence[int]) -> Chart:
    """How many there are of each, lying, so that names stay readable."""
    bars = go.Bar(y=list(names), x=list(numbers), orientation="h", marker={"color": COLOURS[0]}, hoverinfo="x+y")
    order = {"categoryorder": "array", "categoryarray": list(names), "autorange": "reversed"}
    return chart(title, [bars], 60 + 22 * len(names), yaxis=order, bargap=0.25)


def histogram(title: str, values: Sequence[float], most: float, unit: str) -> Chart:
    """How many values lie in each twentieth from 0 to `most`."""
    numbers, edges = np.histogram(values, BINS, (0, most))
    spans = [f"{low:g} to {high:g}" for low, high in zip(edges.round(4), edges[1:].round(4), strict=False)]
    bars = go.Bar(
        x=((edges[:-1] + edges[1:]) / 2).round(5).tolist(),
        y=numbers.tolist(),
        customdata=spans,
        hovertemplate="%{customdata}: %{y}<extra></extra>",
        marker={"color": COLOURS[0]},
    )
    return chart(title, [bars], 240, xaxis={"title": {"text": unit}, "range": [0, most]}, bargap=0.05)


def confusion_map(pixels: Int64[np.ndarray, "c c"], classes: Sequence[str]) -> Chart:
    """Pixels by predicted (rows) and true class (columns), each true class scaled to 100 percent."""
    shares = (100 * pixels.T / np.maximum(pixels.sum(axis=0), 1)[:, None]).round(1)
    heat = go.Heatmap(
        z=shares.tolist(),
        x=list(classes),
        y=list(classes),
        zmin=0,
        zmax=100,
        colorscale=[[0, "rgba(63,131,214,0)"], [1, "rgba(63,131,214,1)"]],
        hovertemplate="%{y}, taken for %{x}: %{z:.1f} %<extra></extra>",
        xgap=1,
        ygap=1,
        colorbar={"title": {"text": "%"}, "thickness": 10, "outlinewidth": 0},
    )
    upright = {"tickangle": -90, "side": "top", "showgrid": False}
    down = {"autorange": "reversed", "showgrid": False}
    title = "Confusion: ground truth in rows, what it was taken for in columns"
    return chart(title, [heat], 170 + 22 * len(classes), xaxis=upright, yaxis=down)


def embedding_map(points: Iterable[MapPoint], names: Sequence[str], shares: Sequence[float]) -> Chart:
    """Objects on a plane, coloured by cluster; each carries its picture to show."""
    by_cluster: dict[int, list[MapPoint]] = {}
    for point in points:
        by_cluster.setdefault(point.cluster, []).append(point)
    traces = [
        go.Scatter(
            x=[point.x for point in own],
            y=[point.y for point in own],
            name=names[cluster],
            mode="markers",
            marker={
                "size": 8,
                "opacity": 0.85,
                "color": COLOURS[cluster % len(COLOURS)],
                "symbol": SYMBOLS[cluster // len(COLOURS) % len(SYMBOLS)],
            },
            customdata=[[point.image_id, point.picture] for point in own],
            hoverinfo="none",
        )
        for cluster, own in sorted(by_cluster.items())
    ]
    bare = {"showticklabels": False, "showgrid": False, "fixedrange": False}
    across, up = (
        {"title": {"text": f"component {i}, {share:g} % of the variance"}, **bare} for i, share in enumerate(shares, 1)
    )
    drawn = chart("Map of the mask embeddings", traces, 560, xaxis=across, yaxis=up, hovermode="closest")
    return drawn._replace(pictures=True, wide=True)
