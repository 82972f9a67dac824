"""Line plots as inline SVG."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 300, 48, 44, 12, 12
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#7f7f7f", "#8c564b")
Points = Sequence[tuple[float, float]]


def line_plot(series: Mapping[str, Points], *, x_label: str, y_label: str, top: float = 1.0) -> str:
    """An SVG with a line for each named series of (x, y); y runs from 0 to `top`. NaN values are left out."""
    drawn = {name: [(x, y) for x, y in points if y == y] for name, points in series.items()}
    xs = [x for points in drawn.values() for x, _ in points] or [0.0, 1.0]
    low, high = min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - y / top * (HEIGHT - BOTTOM - TOP)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 18 * len(drawn)}" role="img" aria-label="{escape(y_label)}">']
    for step in range(6):
        value = top * step / 5
        _, y = place(low, value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for x in _ticks(sorted(set(xs))):
        across, y = place(x, 0)
        parts.append(f'<text x="{across:.1f}" y="{y + 16:.1f}" text-anchor="middle">{x:g}</text>')
    parts.append(f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<text x="12" y="{TOP + 110}" transform="rotate(-90 12 {TOP + 110})" text-anchor="middle">')
    parts.append(f"{escape(y_label)}</text>")
    for number, (name, points) in enumerate(drawn.items()):
        colour, places = COLOURS[number % len(COLOURS)], [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        below = HEIGHT + 18 * number + 8
        parts.append(f'<rect x="{LEFT}" y="{below - 9}" width="12" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + 18}" y="{below}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _ticks(xs: Sequence[float]) -> Sequence[float]:
    """At most a dozen of the values, evenly spaced, the last one among them."""
    step = -(-len(xs) // 12)
    return xs[::-step][::-1]
