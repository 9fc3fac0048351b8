// Several runs side by side: their figures, their places, and where their layers differ.

function comparison(page) {
  const parts = [], runs = page.runs, names = page.names;
  const columns = [{ title: "Figure", name: true, cell: (row) => row[0] }, ...names.map((name, at) => ({ title: name, name: true, cell: (row) => row[1][at] }))];
  parts.push(["figures", "Figures", section("figures", "Figures side by side", null, table(columns, page.table, { label: "Figures side by side" }))]);
  const points = runs.map((run, at) => pointOf(run, names[at]));
  const charts = [["size of the file", (point) => point.bytes, bytesText], ["time of a run", (point) => point.ms, msText]].map((cost) => pareto(points, cost, "Runs", true)).filter(Boolean);
  if (charts.length) parts.push(["places", "Trade", section("places", "Closeness against cost", "Each point is a run; the upper left corner is the best.", el("div", { class: "columns" }, ...charts.map((chart) => el("div", { class: "box" }, chart))), key(points))]);
  const rows = layersOf(runs);
  if (rows.length) parts.push(["differences", "Differences", section("differences", "Layers side by side", "SQNR in dB and how each layer runs; those that differ most come first.", differences(rows, names))]);
  return parts;
}

function pointOf(run, name) {
  const size = run.bars.find((one) => one.label.endsWith("size") && one.kind === "int8");
  const time = run.bars.find((one) => one.label === "int8, time");
  return { name, sqnr_db: run.sqnr_db, bytes: size ? size.value : null, ms: time ? time.value : null, front: true, chosen: false };
}

function key(points) {
  return el("p", { class: "soft small" }, points.map((point) => `${point.name}: ${dbPhrase(point.sqnr_db)}, ${bytesText(point.bytes)}${point.ms === null ? "" : `, ${msText(point.ms)}`}`).join("; "));
}

/** Layers by name, with what each run made of them; those that no run has as a kernel are left out. */
function layersOf(runs) {
  const rows = new Map();
  runs.forEach((run, at) => run.nodes.forEach((node) => {
    if (!rows.has(node.name)) rows.set(node.name, { name: node.name, op_type: node.op_type, nodes: runs.map(() => null) });
    rows.get(node.name).nodes[at] = node;
  }));
  const known = (row) => row.nodes.some((node) => node && node.runs_as !== "vanished");
  const spread = (row) => {
    const found = row.nodes.filter((node) => node && node.sqnr_db !== null).map((node) => Math.min(200, dbNumber(node.sqnr_db)));
    return found.length > 1 ? Math.max(...found) - Math.min(...found) : 0;
  };
  const apart = (row) => new Set(row.nodes.map((node) => (node ? node.runs_as : "none"))).size > 1;
  return [...rows.values()].filter(known).map((row) => ({ ...row, spread: spread(row), apart: apart(row) })).sort((a, b) => Number(b.apart) - Number(a.apart) || b.spread - a.spread);
}

function differences(rows, names) {
  const cell = (node) => !node ? "-" : el("span", { style: "white-space:nowrap" }, el("i", { class: `dot f-${node.runs_as}` }), node.sqnr_db === null ? RUNS[node.runs_as] : `${dbPhrase(node.sqnr_db)}, ${RUNS[node.runs_as]}`);
  const columns = [
    { title: "Layer", name: true, sort: (row) => row.name, cell: (row) => row.name }, { title: "Operator", sort: (row) => row.op_type, cell: (row) => row.op_type },
    ...names.map((name, at) => ({ title: name, sort: (row) => (row.nodes[at] && row.nodes[at].sqnr_db !== null ? dbNumber(row.nodes[at].sqnr_db) : NaN), cell: (row) => cell(row.nodes[at]) })),
    numbers("Apart by", (row) => row.spread, (value) => `${value.toFixed(1)} dB`),
  ];
  return table(columns, rows, { label: "Layers side by side", filter: "Filter: a name, an operator, float ..." });
}
