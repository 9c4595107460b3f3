"""Draws every worker's load over time from the input log of a live run, as SVG.

    cargo run --release -p live-cluster -- --log run.jsonl
    python3 examples/picture.py run.jsonl > examples/live-cluster/loads.svg
"""
import json
import sys

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]  # Okabe and Ito
WIDTH, HEIGHT, LEFT, TOP = 720, 300, 50, 40

loads, moves = {}, []
ticks = -1
for line in open(sys.argv[1]):
    entry = json.loads(line)
    if "tick" in entry:
        ticks += 1
        for worker in entry["tick"]["workers"]:
            if "cpu" in worker["used"]:
                load = worker["used"]["cpu"] / worker["capacity"]["cpu"]
                loads.setdefault(worker["id"], []).append((ticks, load))
    elif "running" in entry.get("report", {}).get("event", {}):
        moves.append(ticks + 0.5)

top = max(1.0, max(load for points in loads.values() for _, load in points))


def x(tick):
    return LEFT + tick * (WIDTH - LEFT - 60) / max(ticks, 1)


def y(load):
    return TOP + (1 - load / top) * (HEIGHT - TOP - 40)


print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">')
print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
print(f'<text x="{LEFT}" y="20" font-size="14">Measured CPU use / budget of each worker; ticks below: a task resumed elsewhere</text>')
for mark in (0, 0.5, 0.85, 1):
    print(f'<line x1="{LEFT}" x2="{WIDTH - 60}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" stroke="#ccc"/>')
    print(f'<text x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark}</text>')
for (worker, points), colour in zip(sorted(loads.items()), COLOURS):
    path = " ".join(f"{x(tick):.1f},{y(load):.1f}" for tick, load in points)
    print(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
ends = sorted((y(points[-1][1]), worker) for worker, points in loads.items())
floor = 0
for at, worker in ends:
    floor = max(at, floor + 13)
    colour = COLOURS[sorted(loads).index(worker) % len(COLOURS)]
    print(f'<text x="{WIDTH - 54}" y="{floor + 4:.1f}" fill="{colour}">w{worker}</text>')
for move in moves:
    print(f'<line x1="{x(move):.1f}" x2="{x(move):.1f}" y1="{HEIGHT - 34}" y2="{HEIGHT - 26}" stroke="#555"/>')
for tick in range(0, ticks + 1, 5):
    print(f'<text x="{x(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{tick + 1} s</text>')
print("</svg>")
