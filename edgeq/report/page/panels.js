// What stands beside the graph: a node with its grids, a block with its nodes, a value.

function startPanel(run) {
  const shares = sharesOf(run, run.nodes.map((_, at) => at));
  return [
    el("h3", {}, "Click a node"),
    el("p", {}, "Its kernel, its grids, the reason for them, its error and what the grids clip are shown here."),
    el("p", { class: "soft small" }, "Drag or scroll to move, Ctrl and the wheel or + and − to zoom. With the keyboard: arrows walk along the edges, Enter opens, f goes to the next float node, 0 shows all, Escape leaves a block."),
    ...legend(shares),
  ];
}

/** The colours in words. */
function legend(shares) {
  const kinds = Object.keys(RUNS).filter((kind) => shares[kind]);
  return kinds.map((kind) => el("p", { class: "small" }, el("i", { class: `dot f-${kind}` }), el("b", {}, counted(shares[kind], "node")), ` ${RUNS[kind]}: ${RUNS_TOLD[kind]}`));
}

function nodePanel(run, node) {
  const known = valuesOf(run);
  const reads = node.reads.map((name) => ["reads", name]), makes = node.makes.map((name) => ["makes", name]);
  const weights = run.values.filter((value) => value.role === "weight" && value.name.startsWith(`${node.name}:`));
  const others = [...reads, ...makes].filter(([, name]) => !known.has(name));
  return [
    el("h3", {}, node.op_type, " ", el("span", { class: "soft" }, node.name)),
    el("p", {}, el("i", { class: `dot f-${node.runs_as}` }), el("b", {}, RUNS[node.runs_as]), node.ran ? `: ${node.ran}` : ""),
    node.reason && node.reason !== node.ran ? el("p", { class: "small" }, `Planned so because: ${node.reason}`) : null,
    facts([
      ["SQNR of its output", node.sqnr_db === null ? null : dbPhrase(node.sqnr_db)],
      ["Time", node.int8_ms === null && node.float_ms === null ? null : `${msText(node.int8_ms)} (float model: ${msText(node.float_ms)})`],
      ["Work", node.macs ? `${macsText(node.macs)} multiply-accumulates` : null],
      ["Constants", node.float_bytes ? `${bytesText(node.float_bytes)} → ${bytesText(node.bytes)}` : null],
    ]),
    ...reads.filter(([, name]) => known.has(name)).map(([role, name]) => valueBox(known.get(name), role)),
    ...weights.map((value) => valueBox(value, "weight")),
    ...makes.filter(([, name]) => known.has(name)).map(([role, name]) => valueBox(known.get(name), role)),
    others.length ? el("p", { class: "soft small" }, `Without a grid, float or no numbers: ${others.map(([role, name]) => `${role} ${name}`).join(", ")}`) : null,
  ].filter(Boolean);
}

function valuesOf(run) {
  if (!run.byName) Object.defineProperty(run, "byName", { value: new Map(run.values.filter((value) => value.role !== "weight").map((value) => [value.name, value])) });
  return run.byName;
}

function blockPanel(run, block, open) {
  const nodes = block.nodes.map((index) => run.nodes[index]);
  const sum = (of) => nodes.reduce((total, node) => total + (of(node) || 0), 0);
  const weakest = nodes.filter((node) => node.sqnr_db !== null).sort((a, b) => dbNumber(a.sqnr_db) - dbNumber(b.sqnr_db))[0];
  return [
    el("h3", {}, "Block ", el("span", { class: "soft" }, block.label)),
    el("button", { type: "button", onclick: open }, `Open its ${counted(nodes.length, "node")}`),
    ...legend(sharesOf(run, block.nodes)),
    facts([
      ["Weakest", weakest ? `${weakest.name}, ${dbPhrase(weakest.sqnr_db)}` : null],
      ["Time", run.times ? `${msText(sum((node) => node.int8_ms))} (float model: ${msText(sum((node) => node.float_ms))})` : null],
      ["Work", sum((node) => node.macs) ? `${macsText(sum((node) => node.macs))} multiply-accumulates` : null],
      ["Constants", sum((node) => node.float_bytes) ? `${bytesText(sum((node) => node.float_bytes))} → ${bytesText(sum((node) => node.bytes))}` : null],
    ]),
  ];
}

function portPanel(run, name) {
  const value = valuesOf(run).get(name);
  return [el("h3", {}, "Value ", el("span", { class: "soft" }, name)), value ? valueBox(value, "grid of") : el("p", { class: "soft" }, "It has no grid: it is float, or holds no numbers that are quantized.")];
}
