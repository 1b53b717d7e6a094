"""The looks of an HTML report and the little script that filters its cases."""

CSS = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5b6775; --line: #d9dfe6;
  --paper: #ffffff; --panel: #f5f7f9; --accent: #1f5fa8; --good: #1d7a46; --bad: #b3261e;
  --warn: #8a5a00; --mark: #fff3c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ed; --soft: #9aa6b3; --line: #333c47;
  --paper: #14181d; --panel: #1c2229; --accent: #7fb3ee; --good: #6fcf97; --bad: #ff8a80;
  --warn: #f2c572; --mark: #4a3f16; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 80px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 10px; }
h3 { font-size: 14px; margin: 16px 0 6px; color: var(--soft); font-weight: 600; }
p { margin: 6px 0; } .soft { color: var(--soft); } .small { font-size: 13px; }
code { font-family: ui-monospace, "SF Mono", Consolas, monospace; font-size: 13px;
  overflow-wrap: anywhere; }
.tiles { display: flex; gap: 12px; flex-wrap: wrap; margin: 18px 0; }
.tile { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 16px; min-width: 118px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.nowrap { white-space: nowrap; }
tr.family th { padding-top: 18px; color: var(--ink); font-size: 14px; }
.metric { white-space: nowrap; } .metric small { color: var(--soft); }
.plots { display: flex; gap: 24px; flex-wrap: wrap; } .plots figure { margin: 0; flex: 1 1 320px;
  max-width: 440px; } figcaption { color: var(--soft); font-size: 13px; }
svg.plot { width: 100%; height: auto; } svg.interval { display: block; }
.track, .grid { stroke: var(--line); } .range { stroke: var(--accent); stroke-width: 4;
  stroke-linecap: round; opacity: .45; } .dot { fill: var(--accent); }
.goal { stroke: var(--warn); stroke-width: 2; } .ideal { stroke: var(--soft);
  stroke-dasharray: 4 4; } .curve { fill: none; stroke: var(--accent); stroke-width: 2; }
.curve.thin { stroke-width: 1; } .tick, .axis { fill: var(--soft); font-size: 11px; }
.filters { display: flex; flex-wrap: wrap; gap: 10px; align-items: end; position: sticky; top: 0;
  background: var(--paper); padding: 10px 0; border-bottom: 1px solid var(--line); z-index: 1; }
.filters label { font-size: 13px; color: var(--soft); display: grid; gap: 2px; }
.filters input, .filters select { font: inherit; color: inherit; background: var(--panel);
  border: 1px solid var(--line); border-radius: 6px; padding: 4px 8px; min-width: 120px; }
details.case { border-bottom: 1px solid var(--line); padding: 8px 0; }
details.case > summary { cursor: pointer; display: flex; gap: 10px; align-items: baseline;
  list-style-position: outside; }
summary .question { flex: 1; overflow-wrap: anywhere; }
@media (max-width: 600px) { details.case > summary { flex-wrap: wrap; }
  summary .question { flex-basis: 100%; order: 1; } }
.badge { border-radius: 10px; padding: 1px 9px; font-size: 12px; font-weight: 600;
  white-space: nowrap; border: 1px solid currentColor; }
.pass, .supported, .better { color: var(--good); }
.fail, .unsupported, .worse { color: var(--bad); }
.unscored, .partial { color: var(--warn); } .tag { color: var(--soft); font-size: 12px;
  white-space: nowrap; }
.turn { border-left: 3px solid var(--line); padding: 2px 0 6px 14px; margin: 12px 0; }
.quote { background: var(--panel); border-radius: 6px; padding: 6px 10px; margin: 4px 0;
  overflow-wrap: anywhere; }
.gold { background: var(--mark); } .answer { font-size: 16px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ul.plain { list-style: none; padding: 0; margin: 4px 0; } ul.plain li { margin: 3px 0; }
.scores { columns: 3 220px; font-size: 13px; margin: 4px 0; padding: 0; list-style: none; }
.scores li { break-inside: avoid; display: flex; justify-content: space-between; gap: 8px; }
.heat { border-radius: 4px; padding: 0 4px; }
@media print { .filters { display: none; } details.case { break-inside: avoid; } }
"""

SCRIPT = """
(function () {
  var cases = Array.prototype.slice.call(document.querySelectorAll('details.case'));
  var list = document.getElementById('cases'), count = document.getElementById('count');
  var fields = ['words', 'verdict', 'tag', 'metric', 'order'].map(function (name) {
    return document.getElementById('by-' + name); });
  if (!list || fields.some(function (field) { return !field; })) { return; }
  cases.forEach(function (node, place) {
    node.place = place; node.words = node.textContent.toLowerCase();
    node.scores = JSON.parse(node.dataset.scores); node.tags = JSON.parse(node.dataset.tags); });
  function show() {
    var words = fields[0].value.toLowerCase(), verdict = fields[1].value, tag = fields[2].value;
    var metric = fields[3].value, order = fields[4].value, shown = 0;
    var lower = metric && fields[3].selectedOptions[0].dataset.better === 'lower';
    cases.forEach(function (node) {
      var fits = (!words || node.words.indexOf(words) >= 0) &&
        (!verdict || node.dataset.verdict === verdict) &&
        (!tag || node.tags.indexOf(tag) >= 0) && (!metric || metric in node.scores);
      node.hidden = !fits; if (fits) { shown += 1; } });
    cases.slice().sort(function (a, b) {
      var gap = 0;
      if (metric && order === 'worst') {
        gap = ((a.scores[metric] || 0) - (b.scores[metric] || 0)) * (lower ? -1 : 1); }
      return gap || a.place - b.place;
    }).forEach(function (node) { list.appendChild(node); });
    count.textContent = shown + ' of ' + cases.length + ' cases';
  }
  fields.forEach(function (field) { field.addEventListener('input', show); });
  document.getElementById('open-all').addEventListener('click', function () {
    var shut = cases.some(function (node) { return !node.hidden && !node.open; });
    cases.forEach(function (node) { if (!node.hidden) { node.open = shut; } }); });
  show();
})();
"""
