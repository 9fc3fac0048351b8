// Bars, lines and points. Each picture says in words what it shows.

/** A bar with its share of a whole, 0..1, and a colour. */
function bar(share, colour) {
  return el("span", { class: "track" }, el("span", { class: `fill f-${colour}`, style: `width:${(100 * Math.min(1, Math.max(0.01, share))).toFixed(1)}%` }));
}

/** Pairs of bars; each kind of quantity (size, time) has its own full length. */
function pairs(bars) {
  const kinds = [...new Set(bars.map((one) => one.label.split(", ").pop()))];
  const longest = (one) => Math.max(...bars.filter((other) => other.label.split(", ").pop() === one).map((other) => other.value), 1e-12);
  return kinds.flatMap((kind) => bars.filter((one) => one.label.endsWith(kind)).map((one) =>
    el("div", { class: "pair" }, el("span", { class: "soft" }, one.label), bar(one.value / longest(kind), one.kind), el("span", { class: "num" }, one.shown))));
}

/** Rows of two bars each: a quantity in the float and in the int8 model. */
function doubled(rows, text) {
  const most = Math.max(...rows.flatMap((row) => [row.before, row.after]), 1e-12);
  const fill = (value, kind) => el("span", { class: `fill f-${kind}`, style: `width:${(100 * value / most).toFixed(2)}%` });
  return rows.map((row) => el("div", { class: "pair two" }, row.label, el("span", { class: "track" }, fill(row.before, "float"), fill(row.after, "int8")),
    el("span", { class: "num small" }, `${text(row.before)} → ${text(row.after)}`)));
}

/** Where a number lies on an axis of this length; logarithmic where the numbers span much. */
function axis(values, length, padding = 0.06) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  const log = low > 0 && high / low > 30;
  const way = (value) => (log ? Math.log(value) : value);
  const span = way(high) - way(low) || Math.abs(way(high)) || 1;
  const at = (value) => length * (padding + (1 - 2 * padding) * (high === low ? 0.5 : (way(value) - way(low)) / span));
  return { at, low, high, log };
}

/** An SVG with the role of a picture and words in its place. */
function picture(width, height, label, ...children) {
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...children);
}

function text(x, y, words, attributes) {
  return svg("text", { x, y, ...attributes }, words);
}

/** The width of a chart: its letters keep their size on a phone. */
function chartWidth() {
  return Math.max(280, Math.min(640, document.documentElement.clientWidth - 60));
}

/** Losses by epoch: what it learned from, and what judged it. */
function curves(training) {
  const width = chartWidth(), height = 300, left = 64, bottom = 40;
  const scores = [training.start_score, ...training.scores], first = training.losses.length - training.scores.length;
  const y = axis([...training.losses, ...scores], height - bottom), x = axis([0, Math.max(1, training.losses.length)], width - left);
  const place = (epoch, value) => `${(left + x.at(epoch)).toFixed(1)},${(height - bottom - y.at(value)).toFixed(1)}`;
  const line = (points) => points.map((point, at) => (at ? "L" : "M") + point).join("");
  const judged = [place(0, training.start_score), ...training.scores.map((value, at) => place(first + at + 1, value))];
  const best = place(training.best_epoch, training.best_score).split(",");
  const graded = training.metric === null ? "" : ` ${training.metric} chose it: ${numberText(training.start_grade)} at the start, ${numberText(training.best_grade)} then.`;
  const told = `Loss on held-out samples from ${numberText(training.start_score)} to ${numberText(training.best_score)}, epoch ${training.best_epoch} of ${training.losses.length} kept.${graded}`;
  return [
    picture(width, height, told,
      svg("line", { class: "axis", x1: left, x2: width, y1: height - bottom, y2: height - bottom }), svg("line", { class: "axis", x1: left, x2: left, y1: 0, y2: height - bottom }),
      svg("path", { class: "series-a", d: line(training.losses.map((value, at) => place(at + 1, value))) }), svg("path", { class: "series-b", d: line(judged) }),
      svg("circle", { class: "point best", cx: best[0], cy: best[1], r: 5 }), text(Math.min(width - 60, Number(best[0]) + 9), Number(best[1]) - 9, "kept", { class: "ink" }),
      text(left - 6, height - bottom - y.at(y.high) + 4, numberText(y.high), { "text-anchor": "end" }), text(left - 6, height - bottom - y.at(y.low) + 4, numberText(y.low), { "text-anchor": "end" }),
      text(left + x.at(0), height - 20, "start", { "text-anchor": "middle" }), text(left + x.at(training.losses.length), height - 20, `epoch ${training.losses.length}`, { "text-anchor": "end" }),
      text((width + left) / 2, height - 4, y.log ? "loss, logarithmic scale" : "loss", { "text-anchor": "middle" })),
    el("p", { class: "small" }, el("span", { class: "key-b" }, training.metric === null ? "Blue: samples that it did not learn from, which choose the epoch. " : "Blue: samples that it did not learn from. "), el("span", { class: "key-a" }, "Orange: samples that it learned from.")),
    el("p", {}, told),
  ];
}

/** What each measure of a candidate costs, by the objective of the search. */
const COSTS = {
  size: ["size of the file", (point) => point.bytes, bytesText],
  latency: ["time against float", (point) => point.ratio, (ratio) => `${ratio.toFixed(2)}x`],
  accuracy: ["work left in float", (point) => 100 - point.integer_pct, (share) => `${share.toFixed(1)} %`],
};

/** The lowest and the highest number of an axis, once where they are one. */
function ends({ low, high }) {
  return low === high ? [low] : [low, high];
}

/** Names beside their points, those below that would lie on another. */
function beside(named, width) {
  const taken = [];
  return [...named].sort((a, b) => a.y - b.y).map(({ name, x, y }) => {
    const late = x > 0.6 * width, wide = 7 * name.length, from = late ? x - 10 - wide : x + 10;
    let at = y;
    while (taken.some((other) => Math.abs(other.at - at) < 14 && other.from < from + wide && from < other.from + other.wide)) at += 1;
    taken.push({ at, from, wide });
    return text(late ? x - 10 : x + 10, at, name, { class: "ink", "text-anchor": late ? "end" : "start" });
  });
}

/** Candidates by cost and SQNR: the upper left corner is the best. */
function pareto(points, cost, label, named) {
  const [what, of, shown] = cost, width = chartWidth(), height = 340, left = 58, bottom = 46;
  const placed = points.map((point) => ({ point, cost: of(point), sqnr: dbNumber(point.sqnr_db) })).filter((one) => one.cost !== null && Number.isFinite(one.sqnr));
  if (placed.length < 2) return null;
  const x = axis(placed.map((one) => one.cost), width - left), y = axis(placed.map((one) => one.sqnr), height - bottom - 24);
  const px = (one) => left + x.at(one.cost), py = (one) => height - bottom - y.at(one.sqnr);
  const front = placed.filter((one) => one.point.front).sort((a, b) => a.cost - b.cost);
  const chosen = placed.find((one) => one.point.chosen);
  const marks = [...placed].sort((a, b) => Number(a.point.chosen) - Number(b.point.chosen)).map((one) => svg("circle",
    { class: `point ${one.point.chosen ? "best" : one.point.front ? "" : "off"}`, cx: px(one).toFixed(1), cy: py(one).toFixed(1), r: one.point.chosen ? 7 : 5 },
    svg("title", {}, `${one.point.name}: ${one.sqnr.toFixed(1)} dB, ${shown(one.cost)}`)));
  const told = `${label}: ${counted(placed.length, "point")} by SQNR and ${what}` + (chosen ? `; chosen: ${chosen.point.name}, ${chosen.sqnr.toFixed(1)} dB, ${shown(chosen.cost)}.` : ".");
  const names = named ? beside(placed.map((one) => ({ name: begun(one.point.name), x: px(one), y: py(one) + 4 })), width) : [];
  const late = chosen && px(chosen) > 0.66 * width;
  return picture(width, height, told,
    svg("line", { class: "axis", x1: left, x2: width, y1: height - bottom, y2: height - bottom }), svg("line", { class: "axis", x1: left, x2: left, y1: 22, y2: height - bottom }),
    named ? null : svg("path", { class: "front", d: front.map((one, at) => `${at ? "L" : "M"}${px(one).toFixed(1)},${py(one).toFixed(1)}`).join("") || "M0,0" }), ...marks, ...names,
    chosen ? text(px(chosen) + (late ? -12 : 12), Math.max(14, py(chosen) - 10), "chosen", { class: "ink", "text-anchor": late ? "end" : "start" }) : null,
    ...ends(y).map((value) => text(left - 6, height - bottom - y.at(value) + 4, value.toFixed(1), { "text-anchor": "end" })),
    ...ends(x).map((value) => text(left + x.at(value), height - 26, shown(value), { "text-anchor": "middle" })),
    text(left + 6, 14, "SQNR in dB: higher is closer to float"), text((width + left) / 2, height - 6, `${what}: less is better`, { "text-anchor": "middle" }));
}
