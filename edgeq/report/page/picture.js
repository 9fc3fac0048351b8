// A picture of a graph: cards and wires at the places that were computed when the report was written.

/** The scene of a view. cards[i] belongs to view.boxes[i]. */
function scene(run, view, pick) {
  const wires = view.wires.map((wire) => svg("path", { class: "wire", d: route(wire.points) }));
  const cards = view.boxes.map((box, at) => card(run, box, at, pick));
  return { root: svg("g", {}, svg("g", {}, ...wires), svg("g", {}, ...cards)), wires, cards };
}

/** A smooth line through points: it leaves and arrives downwards. */
function route(points) {
  let path = `M${points[0]},${points[1]}`;
  for (let at = 2; at < points.length; at += 2) {
    const [x0, y0, x1, y1] = points.slice(at - 2, at + 2), middle = (y0 + y1) / 2;
    path += x0 === x1 ? `L${x1},${y1}` : `C${x0},${middle} ${x1},${middle} ${x1},${y1}`;
  }
  return path;
}

function card(run, box, at, pick) {
  const left = -box.width / 2, top = -box.height / 2;
  const body = svg("rect", { class: "body", x: left, y: top, width: box.width, height: box.height, rx: box.kind === "port" ? 13 : 8 });
  const lines = (first, second) => second === null ? [text(0, 4, first, { class: "first" })] : [text(0, -3, first, { class: "first" }), " ", text(0, 13, second, {})];
  let kind = box.kind, label = "", inside = [];
  if (box.kind === "node") {
    const node = run.nodes[box.at];
    const seen = box.height < 30 ? null : short(node.name);
    kind = node.runs_as;
    label = nodeLine(node, seen ?? node.name);
    inside = lines(node.op_type, seen);
  } else if (box.kind === "block") {
    const block = run.drawing.blocks[box.at], shares = sharesOf(run, block.nodes);
    // what is seen stands in the name as it is, so that speech can call it
    label = `${begun(block.label)} ${counted(block.nodes.length, "node")}: ${Object.entries(shares).filter(([, count]) => count).map(([way, count]) => `${count} ${RUNS[way]}`).join(", ")}. Block ${block.label}. Enter opens it.`;
    inside = [text(0, -9, begun(block.label), { class: "first" }), " ", text(0, 7, counted(block.nodes.length, "node"), {}), ...stripe(shares, box)];
  } else {
    label = `Value ${box.label}`;
    inside = lines(short(box.label), null);
  }
  const group = svg("g", { class: `card ${kind}`, transform: `translate(${box.x},${box.y})`, role: "button", tabindex: "-1", "aria-label": label },
    svg("g", { "aria-hidden": "true" }, body, ...inside, svg("title", {}, label)));
  if (pick) group.addEventListener("click", () => pick(at));
  return group;
}

function sharesOf(run, indices) {
  const shares = { int8: 0, float: 0, vanished: 0, boundary: 0 };
  for (const index of indices) shares[run.nodes[index].runs_as] += 1;
  return shares;
}

/** How most of the nodes of a block run that have a kernel. */
function mostly(run, block) {
  const shares = sharesOf(run, block.nodes);
  return ["int8", "float", "vanished"].reduce((best, way) => (shares[way] > shares[best] && way !== "vanished" ? way : best), shares.int8 || shares.float ? "int8" : "vanished");
}

/** A stripe at the foot of a block: how its nodes run. */
function stripe(shares, box) {
  const total = Object.values(shares).reduce((sum, count) => sum + count, 0) || 1, whole = box.width - 20;
  let x = -whole / 2;
  return Object.entries(shares).map(([way, count]) => {
    const width = (whole * count) / total, part = svg("rect", { class: `share-${way}`, x: x.toFixed(1), y: 15, width: width.toFixed(1), height: 6 });
    x += width;
    return count ? part : null;
  });
}
