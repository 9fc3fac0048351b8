// Histograms with the range that a grid keeps, and what it clips.

/** The histogram of a value; heights are logarithmic, so that tails are seen. */
function histogram(value, width, height, mini) {
  const hist = value.histogram, step = (hist.high - hist.low) / hist.counts.length;
  const low = Math.min(hist.low, value.kept_low), high = Math.max(hist.high, value.kept_high), span = high - low || 1;
  const peak = Math.log1p(Math.max(...hist.counts)) || 1, base = mini ? height : height - 20;
  const x = (number) => (width * (number - low)) / span;
  const bins = hist.counts.map((count, at) => {
    if (!count) return null;
    const from = hist.low + at * step, tall = Math.max(1, (Math.log1p(count) / peak) * (base - 2));
    const cut = hist.clipped > 0 && (from + step <= value.kept_low || from >= value.kept_high);
    return svg("rect", { class: cut ? "bin cut" : "bin", x: x(from).toFixed(2), y: (base - tall).toFixed(2), width: Math.max(0.6, x(from + step) - x(from) - 0.4).toFixed(2), height: tall.toFixed(2) });
  });
  const kept = svg("rect", { class: "band", x: x(value.kept_low).toFixed(2), y: 0, width: Math.max(1, x(value.kept_high) - x(value.kept_low)).toFixed(2), height: base });
  const edges = [value.kept_low, value.kept_high].map((number) => svg("line", { class: "edge", x1: x(number).toFixed(2), x2: x(number).toFixed(2), y1: 0, y2: base }));
  const label = `${value.name}: from ${numberText(hist.low)} to ${numberText(hist.high)}; the grid keeps ${numberText(value.kept_low)} to ${numberText(value.kept_high)}; ${shareText(hist.clipped)} clipped`;
  const ends = mini ? [] : [text(0, height - 5, numberText(low), { "text-anchor": "start" }), text(width, height - 5, numberText(high), { "text-anchor": "end" })];
  return svg("svg", { class: mini ? "mini" : "chart", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: mini ? "none" : null, role: "img", "aria-label": label }, kept, ...bins, ...edges, ...ends);
}

/** A value with its grid, its reason and its histogram, for the panel beside the graph. */
function valueBox(value, role) {
  const hist = value.histogram, stored = value.stored_as ? `; stored as ${value.stored_as}` : "";
  return el("div", { class: "value" }, el("div", {}, el("span", { class: "soft" }, `${role} `), el("b", {}, value.name)), el("div", { class: "small" }, gridText(value)),
    el("div", { class: "soft small" }, value.reason + stored),
    hist ? histogram(value, 320, 92, false) : null,
    hist ? el("div", { class: "small" }, `${shareText(hist.clipped)} of the numbers lie outside and are clipped`) : null);
}

/** All values that have a grid, the most clipped ones first. */
function valuesTable(run) {
  const role = (value) => (value.role === "weight" ? "weight" : "activation");
  const columns = [
    { title: "Value", name: true, sort: (value) => value.name, cell: (value) => value.name },
    { title: "Kind", sort: role, cell: role },
    { title: "Codes", sort: (value) => value.dtype, cell: (value) => value.dtype },
    { title: "Kept range", number: true, sort: (value) => value.kept_high - value.kept_low, cell: (value) => `${numberText(value.kept_low)} to ${numberText(value.kept_high)}` },
    { title: "Clipped", number: true, sort: (value) => (value.histogram ? value.histogram.clipped : NaN), cell: (value) => (value.histogram ? shareText(value.histogram.clipped) : "-") },
    { title: "Numbers", cell: (value) => (value.histogram ? histogram(value, 180, 30, true) : "not measured") },
    { title: "Rule", sort: (value) => value.rule, cell: (value) => value.rule },
  ];
  return table(columns, run.values, { label: "What the grids keep and clip", filter: "Filter: a name, a type, a rule", sorted: [4, true] });
}
