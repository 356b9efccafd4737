"""The script that draws and zooms the flame graphs of the HTML report."""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = """
"use strict";
const COLOURS = ["#e8a33d", "#4c8fcf", "#b5527a", "#b9c3cc", "#55a87a", "#8a6cc0"];
const SVG = "http://www.w3.org/2000/svg";
function element(name, attributes, text) {
  const e = document.createElementNS(SVG, name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  return e;
}
function seconds(s) { return s >= 1 ? s.toPrecision(3) + " s" : (1e3 * s).toPrecision(3) + " ms"; }
document.querySelectorAll("script[data-for]").forEach(source => {
  const rows = JSON.parse(source.textContent);
  const box = document.getElementById(source.dataset.for);
  const [find, whole, tip] = ["input", "button", ".tip"].map(s => box.querySelector(s));
  const nodes = rows.map(r => ({label: r[1], own: r[2], colour: COLOURS[r[3]], below: []}));
  rows.forEach((r, i) => {
    nodes[i].parent = r[0] < 0 ? null : nodes[r[0]];
    if (r[0] >= 0) nodes[r[0]].below.push(nodes[i]);
  });
  for (let i = nodes.length - 1; i >= 0; --i) {
    nodes[i].total = nodes[i].own + nodes[i].below.reduce((sum, n) => sum + n.total, 0);
  }
  nodes.forEach(n => n.below.sort((a, b) => b.total - a.total));
  const width = 1050, row = 20, svg = element("svg", {width: "100%", role: "img"});
  svg.setAttribute("aria-label", "flame graph");
  box.append(svg);
  let shown = nodes[0];
  function draw() {
    svg.replaceChildren();
    const chain = [];
    for (let n = shown.parent; n; n = n.parent) chain.unshift(n);
    let deepest = 0;
    const pattern = find.value.toLowerCase();
    function frame(node, x, w, depth, dim) {
      if (w < 0.4) return;
      deepest = Math.max(deepest, depth);
      const hit = pattern && node.label.toLowerCase().includes(pattern);
      const shape = element("rect", {x, y: depth * row, width: w, height: row - 1, rx: 2,
        fill: hit ? "#d6249f" : node === nodes[0] ? "#dde3e9" : node.colour,
        opacity: dim ? 0.45 : 1, tabindex: 0});
      shape.append(element("title", {}, node.label));
      shape.onclick = () => { shown = node; draw(); };
      shape.onkeydown = e => { if (e.key === "Enter") { shown = node; draw(); } };
      shape.onmouseenter = () => {
        tip.textContent = node.label + ": " + seconds(node.total) + " (" +
          (100 * node.total / nodes[0].total).toFixed(1) + " %), own " + seconds(node.own);
      };
      svg.append(shape);
      const letters = Math.floor((w - 8) / 6.6);
      if (letters > 3) {
        const name = node.label;
        svg.append(element("text", {x: x + 4, y: depth * row + 14},
          name.length > letters ? name.slice(0, letters - 1) + "\\u2026" : name));
      }
    }
    chain.forEach((n, i) => frame(n, 0, width, i, true));
    (function below(node, x, depth) {
      frame(node, x, width * node.total / shown.total, depth, false);
      for (const n of node.below) {
        if (width * n.total / shown.total >= 0.4) below(n, x, depth + 1);
        x += width * n.total / shown.total;
      }
    })(shown, 0, chain.length);
    const y = (deepest + 1) * row + 4;
    svg.append(element("path", {d: `M0 ${y}H${width}`, stroke: "#8895a1"}));
    for (let i = 0; i <= 5; ++i) {
      svg.append(element("path", {d: `M${width * i / 5} ${y}v5`, stroke: "#8895a1"}));
      svg.append(element("text", {x: width * i / 5, y: y + 18, fill: "#5b6875",
        "text-anchor": i === 0 ? "start" : i === 5 ? "end" : "middle"},
        seconds(shown.total * i / 5)));
    }
    svg.append(element("text", {x: width / 2, y: y + 34, fill: "#5b6875",
      "text-anchor": "middle"}, "time in the frame and below, all calls together"));
    svg.setAttribute("viewBox", `0 0 ${width} ${y + 40}`);
  }
  find.oninput = draw;
  whole.onclick = () => { shown = nodes[0]; draw(); };
  draw();
});
"""
