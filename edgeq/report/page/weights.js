// Weights that are stored in few bits: their histogram, and their first numbers before and after.

function codebookPart(layer) {
  const about = `${layer.bits} bits an index, ${(8 * layer.bytes / Math.max(1, layer.float_bytes / 4)).toFixed(2)} bits a weight, tables per ${layer.granularity}, ${shareText(layer.zeros)} zeros`;
  return el("details", {}, el("summary", {}, layer.node, el("span", { class: "num" }, dbPhrase(layer.sqnr_db))),
    el("p", { class: "small" }, `${layer.shape.join(" x ")}: ${about}`), tableOfValues(layer), matrices(layer));
}

function formatPart(layer) {
  return el("details", {}, el("summary", {}, layer.node, el("span", { class: "num" }, dbPhrase(layer.sqnr_db))),
    el("p", { class: "small" }, `${layer.shape.join(" x ")}: ${layer.format}, ${layer.nominal_bits} bits, ${layer.stored_bits.toFixed(2)} bits in the file`), matrices(layer));
}

/** The histogram of a weight and a line for each value of its table. */
function tableOfValues(layer) {
  const width = chartWidth(), height = 110, base = height - 20, span = layer.high - layer.low || 1, peak = Math.log1p(Math.max(...layer.histogram)) || 1;
  const step = width / layer.histogram.length, x = (value) => Math.min(width, Math.max(0, (width * (value - layer.low)) / span));
  const bins = layer.histogram.map((count, at) => {
    const tall = (Math.log1p(count) / peak) * base;
    return count ? svg("rect", { class: "bin", x: (at * step).toFixed(1), y: (base - tall).toFixed(1), width: (step * 0.9).toFixed(1), height: tall.toFixed(1) }) : null;
  });
  const lines = layer.centroids.map((value) => svg("line", { class: "edge", x1: x(value).toFixed(1), x2: x(value).toFixed(1), y1: 0, y2: base }, svg("title", {}, numberText(value))));
  return picture(width, height, `Weights of ${layer.node} from ${numberText(layer.low)} to ${numberText(layer.high)}, and the ${counted(layer.centroids.length, "value")} of the table: ${layer.centroids.slice(0, 16).map(numberText).join(", ")}`,
    ...bins, ...lines, text(0, height - 5, numberText(layer.low), { "text-anchor": "start" }), text(width, height - 5, numberText(layer.high), { "text-anchor": "end" }));
}

/** The first numbers of a weight before and after, coloured by their size. */
function matrices({ node, corner }) {
  if (!corner || !corner.before.length) return null;
  const most = Math.max(...corner.before.flat().map(Math.abs), 1e-30), [rows, columns] = corner.of;
  const cut = rows > corner.before.length || columns > corner.before[0].length;
  const whole = `${rows} x ${columns}`, title = cut ? `the first ${corner.before.length} x ${corner.before[0].length} of ${whole}` : whole;
  const cell = (number) => el("td", { style: tint(number / most) }, numberText(number));
  const grid = (numbers) => el("table", { class: "matrix" }, el("tbody", {}, ...numbers.map((row) => el("tr", {}, ...row.map(cell)))));
  const part = (name, numbers) => {
    const label = `${name}: ${title}`;
    return el("div", {}, el("h3", {}, label), el("div", { style: "overflow-x:auto", tabindex: "0", role: "region", "aria-label": `${node}, ${label}` }, grid(numbers)));
  };
  return el("div", { class: "columns" }, part("Before", corner.before), part("After", corner.after));
}

function tint(share) {
  const strength = Math.round(Math.min(1, Math.abs(share)) * 34);
  return `background:color-mix(in srgb, var(${share < 0 ? "--float" : "--int8"}) ${strength}%, var(--card))`;
}
