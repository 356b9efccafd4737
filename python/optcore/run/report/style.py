"""Colours and style sheet of the report, light and dark; the palette is Okabe and Ito's."""

from __future__ import annotations

__all__ = ["DARK", "LIGHT", "style_sheet"]

LIGHT = {
    "page": "#f6f5f1",
    "panel": "#ffffff",
    "ink": "#1d2329",
    "muted": "#5c6670",
    "line": "#b9bfc5",
    "grid": "#eceeee",
    "robot": "#c2410c",
    "person": "#33475b",
    "track": "#8a97a3",
    "bad": "#b3261e",
    "other": "#8a97a3",
    "goal0": "#0072b2",
    "goal1": "#009e73",
    "goal2": "#cc79a7",
    "goal3": "#c98a00",
    "goal4": "#56b4e9",
    "goal5": "#7a5195",
}
DARK = {
    **LIGHT,
    "page": "#14181c",
    "panel": "#1c2228",
    "ink": "#e8eaec",
    "muted": "#a3adb6",
    "line": "#4a545e",
    "grid": "#293038",
    "robot": "#fb8c4a",
    "person": "#c9d3dc",
    "track": "#76838f",
    "bad": "#ff7a70",
    "goal0": "#5cb3ea",
    "goal1": "#3cc79c",
    "goal3": "#e6b422",
    "goal5": "#b08fd0",
}

_RULES = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 var(--font); }
main { max-width: 1080px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.45rem; margin: 3rem 0 .3rem; padding-top: 1.2rem;
     border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 72ch; }
.quiet, figcaption, .unit { color: var(--muted); }
.notice { border-left: 4px solid var(--robot); padding: .2rem 0 .2rem .9rem; margin: 1rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .8rem;
           margin: 1.2rem 0; }
.figure { background: var(--panel); border-radius: 10px; padding: .9rem 1rem; }
.figure b { display: block; font-size: 1.55rem; line-height: 1.25; font-weight: 650; }
.figure.bad b { color: var(--bad); }
.figure span { color: var(--muted); font-size: .88rem; }
figure { background: var(--panel); border-radius: 10px; margin: 0; padding: .9rem 1rem; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { font-size: .9rem; margin-top: .4rem; max-width: 90ch; }
figcaption b { color: var(--ink); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1rem; }
.narrow { max-width: 560px; margin-top: 1rem; }
.pair + figure, figure + figure, figure + .pair { margin-top: 1rem; }
table { border-collapse: collapse; font-size: .92rem; background: var(--panel);
        border-radius: 10px; width: 100%; }
td, th { padding: .38rem .9rem; text-align: left; border-top: 1px solid var(--grid); }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
nav a { margin-right: 1.2rem; color: var(--goal0); }
.player canvas { width: 100%; height: auto; display: block; border-radius: 6px; }
.player .bar { display: flex; gap: .8rem; align-items: center; margin-top: .6rem; }
.player button { font: inherit; padding: .25rem .9rem; border: 1px solid var(--line);
                 border-radius: 7px; background: var(--panel); color: var(--ink); cursor: pointer; }
.player input { flex: 1; accent-color: var(--robot); }
.player output { min-width: 5.5em; text-align: right; font-variant-numeric: tabular-nums;
                 color: var(--muted); }
@media (max-width: 520px) { .pair { grid-template-columns: 1fr; } h1 { font-size: 1.6rem; } }
"""


def style_sheet() -> str:
    """The page's CSS, with the colours as variables."""
    light = "".join(f"--{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--{name}:{value};" for name, value in DARK.items())
    font = "--font:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    return (
        f":root{{color-scheme:light dark;{light}{font}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{_RULES}"
    )
