"""The page's style: one column on a phone, two on a wide screen, light or dark as the reader's."""

STYLE = """\
:root {
  --ink: #1c2128; --soft: #59636e; --line: #d9dee4; --ground: #ffffff; --raised: #f6f8fa; --accent: #1f66c1;
  --mark: #c2410c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e8ed; --soft: #9aa5b1; --line: #30373f; --ground: #101418; --raised: #181d23; --accent: #7cb3f5;
    --mark: #fb923c;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; color: var(--ink); background: var(--ground);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
header, main { max-width: 74rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; padding-bottom: 1rem; }
h1 { font-size: clamp(1.6rem, 4vw, 2.2rem); line-height: 1.2; letter-spacing: -0.02em; margin: 0 0 0.5rem; }
h2 { font-size: 1.35rem; letter-spacing: -0.01em; margin: 0 0 0.25rem; }
h3 { font-size: 1rem; margin: 0 0 0.5rem; }
h4 { font-size: 0.8rem; font-weight: 500; color: var(--soft); margin: 0.75rem 0 0.35rem; }
p { margin: 0; max-width: 68ch; }
small { font-size: 0.8rem; font-weight: 400; color: var(--soft); }
header p, .lead { color: var(--soft); }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
section:focus { outline: none; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 0.5rem; z-index: 3; padding: 0.5rem 0.75rem; background: var(--raised); }

nav { position: sticky; top: 0; z-index: 2; background: var(--ground); border-bottom: 1px solid var(--line); }
nav ul {
  display: flex; gap: 0.25rem; list-style: none; overflow-x: auto; scrollbar-width: none;
  max-width: 74rem; margin: 0 auto; padding: 0 0.75rem;
}
nav a {
  display: block; padding: 0.75rem 0.5rem; white-space: nowrap; text-decoration: none; font-size: 0.9rem;
  color: var(--soft);
}
nav a:hover { color: var(--accent); }
nav a:focus-visible { outline-offset: -3px; }

section { padding: 2.5rem 0 1rem; }
.blocks { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.5rem; margin-top: 1.25rem; align-items: start; }
@media (min-width: 60rem) {
  .blocks { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .wide, .numbers { grid-column: 1 / -1; }
}

.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: 0.75rem; margin: 0; }
.numbers div { padding: 0.9rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); }
.numbers dt { font-size: 0.85rem; color: var(--soft); }
.numbers dd { margin: 0; }
.numbers b {
  display: block; font-size: 1.75rem; font-weight: 600; line-height: 1.25; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums;
}
.numbers span { display: block; font-size: 0.8rem; line-height: 1.35; color: var(--soft); }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; width: 100%; }
th { text-align: left; font-weight: 500; color: var(--soft); white-space: nowrap; }
th, td { padding: 0.4rem 0.75rem 0.4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: break-word; }
.texts td { overflow-wrap: anywhere; min-width: 7rem; }
.number { white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; font-weight: 600; padding: 0.35rem 0; }

.strip { table-layout: fixed; }
.strip th { font-size: 0.8rem; padding: 0 0.4rem 0.35rem 0; border: 0; white-space: normal; vertical-align: bottom; }
.strip td { padding: 0 0.4rem 0.4rem 0; border: 0; }
.strip td:first-child, .strip th:first-child { position: sticky; left: 0; z-index: 1; background: var(--ground); }
.tile { margin: 0; }
.tile img, .none { display: block; border-radius: 4px; }
.strip .tile img { width: 100%; height: auto; }
.none { padding: 1rem; text-align: center; color: var(--soft); background: var(--raised); }
.tile figcaption { font-size: 0.75rem; line-height: 1.3; color: var(--soft); padding-top: 0.15rem; }
.marked img { outline: 2px solid var(--mark); outline-offset: -1px; }
.marked figcaption { color: var(--mark); }

.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; background: var(--raised); }
.tiles { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 0.4rem; }
.tiles img { width: 100%; aspect-ratio: 1; object-fit: cover; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; align-items: end; }
.gallery img { max-width: 100%; height: auto; }
.gallery figcaption { overflow-wrap: anywhere; }

.chart { margin: 0; min-width: 0; }
.chart > figcaption { font-weight: 600; margin-bottom: 0.35rem; }
.plot text { fill: var(--ink) !important; }
.plot .gridlayer path { stroke: var(--line) !important; }
.plot .xlines-above, .plot .ylines-above, .plot .zerolinelayer path { stroke: var(--line) !important; }
.plot .hoverlayer .legend .bg, .plot .hovertext path { fill: var(--raised) !important; stroke: var(--line) !important; }
#peek {
  position: fixed; left: 0; top: 0; z-index: 4; margin: 0; padding: 0.5rem; pointer-events: none; width: 162px;
  border: 1px solid var(--line); border-radius: 8px; background: var(--raised); box-shadow: 0 4px 16px #0004;
}
#peek img { display: block; width: 144px; height: auto; border-radius: 4px; }
#peek figcaption { font-size: 0.75rem; line-height: 1.35; padding-top: 0.35rem; overflow-wrap: anywhere; }

.graph { display: flex; gap: 0.75rem; }
.graph svg { flex: none; }
.graph path { fill: none; stroke: var(--soft); stroke-width: 1.25; opacity: 0.55; }
.graph circle { fill: var(--accent); stroke: var(--ground); stroke-width: 2; }
.graph ol { list-style: none; margin: 0; padding: 0; min-width: 0; flex: 1; }
.graph li { height: 72px; display: flex; flex-direction: column; justify-content: center; overflow: hidden; }
.graph li p { max-width: none; line-height: 1.35; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.graph .what { font-size: 0.85rem; color: var(--soft); }
.made { color: var(--accent); font-size: 0.85rem; }
.idle b, .idle .made { color: var(--soft); font-weight: 400; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print { nav, #peek { display: none; } }
"""
