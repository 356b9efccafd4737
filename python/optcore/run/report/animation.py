"""The run as a moving picture: compact numbers and a small player, both inside the page."""

from __future__ import annotations

import json

import numpy as np

from optcore.run.report.view import SceneView, ellipses

__all__ = ["animation"]

_MOST_FRAMES = 900
_NEAREST = 14  # people with an ellipse and a belief, per frame


def animation(view: SceneView, prefix: str) -> str | None:
    """A player of every `n`-th cycle, at true speed; None where nothing was run."""
    if view.cycles < 2:
        return None
    stride = max(1, -(-view.cycles // _MOST_FRAMES))
    cycles = np.arange(0, view.cycles, stride)
    period = float(np.median(np.diff(view["time"]))) * stride
    last = view["forecast_mean"].shape[1] - 1
    frames = []
    for cycle in cycles:
        rows = np.arange(view.starts[cycle], view.starts[cycle + 1])
        distance = view.distances(int(cycle))
        order = rows[np.argsort(distance)]
        people = []
        for rank, row in enumerate(order):
            person: list[float] = [_cm(v) for v in view["person_position"][row]]
            if rank < _NEAREST and last >= 0 and np.isfinite(view["forecast_mean"][row]).all():
                half = min(2, last)
                axes = ellipses(view["forecast_cov"][row, half])
                person += [_cm(v) for v in view["forecast_mean"][row, half]]
                person += [_cm(axes[0]), _cm(axes[1]), round(float(axes[2]), 2)]
                if view.goal_belief.shape[1]:
                    person.append(int(np.argmax(view.goal_belief[row])))
            people.append(person)
        robot = view["robot"][cycle]
        plan = view["plan"][cycle][::2]
        frames.append(
            [
                [_cm(robot[0]), _cm(robot[1])],
                [_cm(v) for v in np.nan_to_num(plan).ravel()],
                int(view["fallback"][cycle]),
                people,
            ]
        )
    data = {
        "box": [round(v, 2) for v in view.bounds],
        "period": period,
        "start": float(view["time"][0]),
        "frames": frames,
        "goals": np.round(view["goals"], 2).tolist(),
        "letters": view.letters,
        "names": [str(name) for name in view["fallback_names"]],
        "contact": view.contact or 0.5,
    }
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<div class="player" id="{prefix}-player"><canvas></canvas><div class="bar">'
        '<button type="button">Play</button>'
        f'<input type="range" min="0" max="{len(frames) - 1}" value="0" aria-label="time">'
        "<output>0.0 s</output></div></div>"
        f'<script type="application/json" id="{prefix}-data">{text}</script>'
        f'<script>player("{prefix}")</script>'
    )


def _cm(metres: float) -> int:
    return round(100 * float(metres))


PLAYER = """
function player(prefix) {
  const data = JSON.parse(document.getElementById(prefix + '-data').textContent);
  const root = document.getElementById(prefix + '-player');
  const canvas = root.querySelector('canvas'), button = root.querySelector('button');
  const slider = root.querySelector('input'), output = root.querySelector('output');
  const [x0, y0, x1, y1] = data.box, width = 1040;
  const scale = Math.min(width / (x1 - x0), 640 / (y1 - y0));
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio; canvas.height = Math.round((y1 - y0) * scale) * ratio;
  canvas.style.maxHeight = '680px';
  const offset = (width - (x1 - x0) * scale) / 2;
  const ink = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name);
  const px = x => offset + (x - x0) * scale, py = y => (y1 - y) * scale;
  let frame = 0, playing = false, last = 0, trail = [];
  function circle(c, x, y, r) { c.beginPath(); c.arc(x, y, r, 0, 2 * Math.PI); }
  function draw() {
    const c = canvas.getContext('2d');
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, canvas.width, canvas.height);
    c.font = '12px system-ui, sans-serif';
    c.strokeStyle = ink('grid'); c.fillStyle = ink('muted'); c.lineWidth = 1;
    for (let x = Math.ceil(x0 / 2) * 2; x < x1; x += 2) {
      c.beginPath(); c.moveTo(px(x), 0); c.lineTo(px(x), py(y0)); c.stroke();
      c.fillText(x + ' m', px(x) + 3, py(y0) - 4);
    }
    for (let y = Math.ceil(y0 / 2) * 2; y < y1; y += 2) {
      c.beginPath(); c.moveTo(px(x0), py(y)); c.lineTo(px(x1), py(y)); c.stroke();
      c.fillText(y + ' m', px(x0) + 3, py(y) - 3);
    }
    data.goals.forEach((g, i) => {
      c.fillStyle = ink('goal' + i % 6); circle(c, px(g[0]), py(g[1]), 9); c.fill();
      c.fillStyle = ink('panel'); c.fillText(data.letters[i], px(g[0]) - 4, py(g[1]) + 4);
    });
    const [robot, plan, fallback, people] = data.frames[frame];
    for (const p of people) {
      const colour = p.length > 7 ? ink('goal' + p[7] % 6) : ink('person');
      if (p.length > 6) {
        c.save(); c.translate(px(p[2] / 100), py(p[3] / 100)); c.rotate(-p[6]);
        c.beginPath();
        c.ellipse(0, 0, p[4] / 100 * scale, p[5] / 100 * scale, 0, 0, 2 * Math.PI);
        c.globalAlpha = .16; c.fillStyle = colour; c.fill(); c.globalAlpha = 1; c.restore();
        c.strokeStyle = colour; c.globalAlpha = .5; c.beginPath();
        c.moveTo(px(p[0] / 100), py(p[1] / 100)); c.lineTo(px(p[2] / 100), py(p[3] / 100));
        c.stroke(); c.globalAlpha = 1;
      }
      c.fillStyle = colour; circle(c, px(p[0] / 100), py(p[1] / 100), .25 * scale); c.fill();
    }
    c.strokeStyle = ink('robot'); c.lineWidth = 2; c.beginPath();
    for (let i = 0; i < plan.length; i += 2) {
      const x = px(plan[i] / 100), y = py(plan[i + 1] / 100);
      i ? c.lineTo(x, y) : c.moveTo(x, y);
    }
    c.stroke();
    c.fillStyle = ink('robot'); circle(c, px(robot[0] / 100), py(robot[1] / 100), .25 * scale);
    c.fill();
    c.globalAlpha = .5; circle(c, px(robot[0] / 100), py(robot[1] / 100), data.contact * scale);
    c.stroke(); c.globalAlpha = 1;
    const text = (data.names[fallback] || '').replace('_', ' ');
    c.fillStyle = fallback ? ink('bad') : ink('muted'); c.font = '14px system-ui, sans-serif';
    c.fillText('plan: ' + text, 12, 20);
    slider.value = frame;
    output.textContent = (frame * data.period).toFixed(1) + ' s';
  }
  function tick(now) {
    if (!playing) return;
    const steps = Math.floor((now - last) / (1000 * data.period));
    if (steps > 0) {
      last += steps * 1000 * data.period;
      frame += steps;
      if (frame >= data.frames.length) { frame = 0; }
      draw();
    }
    requestAnimationFrame(tick);
  }
  function play(on) {
    playing = on; button.textContent = on ? 'Pause' : 'Play';
    if (on) { last = performance.now(); requestAnimationFrame(tick); }
  }
  button.onclick = () => play(!playing);
  slider.oninput = () => { play(false); frame = +slider.value; draw(); };
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  draw();
}
"""
