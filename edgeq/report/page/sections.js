// The parts of the page of one run, each only where there is something to show.

/** All sections of a run, in order: [id, short title, element]. prefix: makes ids unique. */
function sectionsOf(run, prefix) {
  const parts = [];
  const add = (id, title, heading, about, ...children) => parts.push([prefix + id, title, section(prefix + id, heading, about, ...children)]);
  const drawn = run.drawing ? explorer(run) : null;
  const goTo = drawn ? (node) => { if (drawn.goTo(run.nodes.indexOf(node))) drawn.stage.scrollIntoView({ block: "center" }); } : null;
  if (run.notes.length) add("notes", "Worth knowing", "Worth knowing", null, el("ul", { class: "notes" }, ...run.notes.map((line) => el("li", { class: line.grade || "soft" }, line.text))));
  if (drawn) add("graph", "Graph", "The model, node by node", run.proven ? "Read back from the graph that the runtime executes. The table of layers below has the same in words." : "As planned: nothing was run. The table of layers below has the same in words.", ...drawn.root);
  if (run.nodes.length) add("layers", "Layers", "Layers", layersTold(run), layersTable(run, goTo), timesTold(run));
  if (run.values.length) add("ranges", "Ranges", "What the grids keep and clip", rangesTold(run), valuesTable(run));
  if (run.bars.length) add("size", sizeTitle(run), sizeTitle(run), null, ...sizePart(run));
  if (run.outputs.length) add("outputs", "Outputs", "Outputs and their parts, weakest first", null, outputsTable(run));
  if (run.steps.length > 1) add("steps", "Steps", "Steps of the decision", "Each step is kept only where it does not take the outputs further from float.", stepsPart(run));
  if (run.search) add("search", "Search", "Search", `Objective ${run.search.objective}: ${run.search.why}. ${run.search.judged}`, ...searchPart(run.search));
  if (run.training) add("training", "Training", "Training", null, el("div", { class: "box" }, ...curves(run.training)));
  if (run.codebooks.length) add("codebooks", "Codebooks", "Codebooks, largest error first", `${run.codebooks_told}. Bars: the float weights. Lines: the values that are left of them.`, el("div", { class: "box" }, ...run.codebooks.slice().sort((a, b) => dbNumber(a.sqnr_db) - dbNumber(b.sqnr_db)).map(codebookPart)));
  if (run.formats.length) add("formats", "Formats", "Number formats, largest error first", run.formats_told, el("div", { class: "box" }, ...run.formats.slice().sort((a, b) => dbNumber(a.sqnr_db) - dbNumber(b.sqnr_db)).map(formatPart)));
  if (run.left.length) add("left", "Left as they are", "Weights left as they are", null, table([{ title: "Node", name: true, sort: (row) => row[0], cell: (row) => row[0] }, { title: "Why", why: true, cell: (row) => row[1] }], run.left, { label: "Weights left as they are" }));
  if (run.code) add("code", "Run it", "Run it", "On zeros, in Python; put your sample in their place.", el("div", { class: "tools" }, copier(run.code, "the code")), el("pre", { tabindex: "0", role: "region", "aria-label": "Python code" }, run.code));
  if (run.made.length) add("made", "How it was made", "How it was made", null, el("div", { class: "tools" }, copier(run.made.map((pair) => pair.join(": ")).join("\n"), "these lines")), el("div", { class: "box" }, facts(run.made)));
  return parts;
}

function layersTold(run) {
  const shares = sharesOf(run, run.nodes.map((_, at) => at));
  const counts = Object.keys(RUNS).filter((kind) => shares[kind]).map((kind) => `${shares[kind]} ${RUNS[kind]}`).join(", ");
  const from = run.samples ? ` SQNR is against the float model's own value, over ${counted(run.samples, "sample")} at most.` : "";
  return `${counted(run.nodes.length, "node")}: ${counts}.${from}`;
}

function layersTable(run, goTo) {
  const has = (of) => run.nodes.some((node) => of(node) !== null);
  const order = new Map(run.nodes.map((node, at) => [node, at + 1]));
  const columns = [
    { title: "Layer", name: true, sort: (node) => node.name, cell: (node) => goTo ? el("button", { type: "button", class: "link", onclick: () => goTo(node) }, node.name) : node.name },
    has((node) => node.sqnr_db) ? sqnrColumn((node) => node.sqnr_db) : null,
    { title: "Operator", sort: (node) => node.op_type, cell: (node) => node.op_type },
    { title: "Place", number: true, sort: (node) => order.get(node), cell: (node) => String(order.get(node)) },
    { title: "Runs", sort: (node) => node.runs_as, cell: (node) => el("span", { style: "white-space:nowrap" }, el("i", { class: `dot f-${node.runs_as}` }), RUNS[node.runs_as]) },
    has((node) => node.bytes) ? { title: "Size, float → int8", number: true, sort: (node) => node.float_bytes, cell: (node) => node.float_bytes ? `${bytesText(node.float_bytes)} → ${bytesText(node.bytes)}` : "" } : null,
    has((node) => node.macs) ? numbers("MACs", (node) => node.macs, macsText) : null,
    run.times ? { title: "Time, float → int8", number: true, sort: (node) => node.int8_ms ?? NaN, cell: (node) => node.float_ms === null && node.int8_ms === null ? "" : `${msText(node.float_ms)} → ${msText(node.int8_ms)}` } : null,
    { title: "Kernel, or why not", why: true, cell: (node) => node.ran || node.reason },
  ].filter(Boolean);
  const some = run.nodes.some((node) => node.runs_as !== "vanished");
  return table(columns, run.nodes, {
    label: "Layers", filter: "Filter: a name, an operator, float ...", folded: some ? (node) => node.runs_as === "vanished" : null,
    foldedText: (count) => counted(count, "vanished row"), sorted: has((node) => node.sqnr_db) ? [columns.findIndex((one) => one.title === "SQNR dB"), false] : null,
  });
}

function timesTold(run) {
  if (!run.times) return null;
  const { conversions_ms: conversions, other_int8_ms: other, runs } = run.times;
  return el("p", { class: "soft small" }, `Times are medians of ${runs} profiled runs on one thread; profiling adds to small kernels. Conversions between float and integers take ${msText(conversions)}, changes of layout ${msText(other)}.`);
}

function rangesTold(run) {
  const seen = run.samples ? `Activations over ${counted(run.samples, "sample")} that the ranges were chosen on. ` : "No data was at hand: weights alone. ";
  return `${seen}The band is what the grid keeps, red is clipped. Heights are logarithmic, so that tails are seen.`;
}

function sizeTitle(run) {
  return run.timed ? "Size and time" : "Size";
}

function sizePart(run) {
  const largest = run.nodes.filter((node) => node.float_bytes).sort((a, b) => b.float_bytes - a.float_bytes), top = largest.slice(0, 12), rest = largest.slice(12);
  const rows = top.map((node) => ({ label: el("span", { class: "small" }, node.name), before: node.float_bytes, after: node.bytes }));
  const sum = (of) => rest.reduce((total, node) => total + of(node), 0);
  if (rest.length) rows.push({ label: el("span", { class: "small" }, `${rest.length} others`), before: sum((node) => node.float_bytes), after: sum((node) => node.bytes) });
  return [el("div", { class: "columns" },
    el("div", { class: "box" }, ...pairs(run.bars), run.timed ? el("p", { class: "soft small" }, run.timed) : null),
    rows.length ? el("div", { class: "box" }, el("h3", { style: "margin-top:0" }, "Constants by layer, largest first"), el("p", { class: "legend" }, el("span", {}, el("i", { class: "dot f-float" }), "float model"), el("span", {}, el("i", { class: "dot f-int8" }), "as stored")), ...doubled(rows, bytesText)) : null)];
}

function outputsTable(run) {
  return table([
    { title: "Output", name: true, cell: (row) => row.output }, run.outputs.some((row) => row.part) ? { title: "Part", name: true, cell: (row) => row.part } : null,
    sqnrColumn((row) => row.sqnr_db), numbers("Largest error", (row) => row.max_error ?? NaN, (value) => Number.isNaN(value) ? "-" : numberText(value)),
    run.outputs.some((row) => row.note) ? { title: "Note", why: true, cell: (row) => row.note } : null,
  ].filter(Boolean), run.outputs, { label: "Outputs and their parts" });
}

function stepsPart(run) {
  return el("div", { class: "box" }, ...run.steps.map((step) => el("div", { class: "pair" },
    el("span", { class: step.kept ? "" : "soft" }, step.name), bar((dbNumber(step.sqnr_db) || 0) / 60, step.kept ? "int8" : "vanished"),
    el("span", { class: "num small" }, dbPhrase(step.sqnr_db), step.kept ? "" : ", dropped"))),
  el("details", {}, el("summary", {}, "In words"), el("ul", { class: "notes" }, ...run.steps.map((step) => el("li", {}, step.text)))));
}

function searchPart(search) {
  const chart = pareto(search.points, COSTS[search.objective] || COSTS.size, "Candidates");
  const columns = [
    { title: "Candidate", name: true, sort: (point) => point.name, cell: (point) => point.chosen ? el("b", {}, `${point.name} (chosen)`) : point.name },
    sqnrColumn((point) => point.sqnr_db), numbers(search.metric, (point) => point.accuracy ?? NaN, (value) => Number.isNaN(value) ? "-" : search.share ? `${(100 * value).toFixed(2)} %` : numberText(value)),
    numbers("In integers", (point) => point.integer_pct, (share) => `${share.toFixed(0)} %`), numbers("x float's time", (point) => point.ratio ?? NaN, (ratio) => Number.isNaN(ratio) ? "-" : ratio.toFixed(2)),
    numbers("Size", (point) => point.bytes, bytesText),
  ];
  const told = search.points.some((point) => !point.front) ? { folded: (point) => !point.front && !point.chosen, foldedText: (count) => `${counted(count, "candidate")} that others beat` } : {};
  return [chart ? el("div", { class: "box" }, chart) : null, table(columns, search.points, { label: "Candidates", mark: (point) => (point.chosen ? "chosen" : null), ...told })];
}
