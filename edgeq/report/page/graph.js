// The graph to walk in: pan, zoom, click, and the keyboard for all of it.

const ZOOM = { least: 0.04, most: 3, step: 1.25 };

/** The explorer of a run: the stage with the picture, and the panel of what is picked. */
function explorer(run) {
  const drawing = run.drawing;
  const state = { view: null, block: -1, scene: null, at: -1, x: 0, y: 0, zoom: 1, lit: [] };
  const layer = svg("g", {}), surface = svg("svg", { role: "group", "aria-label": "Graph of the model. Arrow keys walk along its edges, Enter opens a block or shows a node, plus and minus zoom." }, layer);
  const map = el("div", { class: "overview", "aria-hidden": "true" }), stage = el("div", { class: "stage" }, surface, map);
  const panel = el("div", { class: "box panel", "aria-live": "polite", tabindex: "0", role: "region", "aria-label": "What is picked in the graph" });
  const folds = drawing.folded && drawing.whole ? ["Blocks", "All nodes"].map((name, at) => el("button", { type: "button", onclick: () => open(at ? -2 : -1) }, name)) : [];
  const back = el("button", { type: "button", hidden: true, onclick: () => open(-1) }, "← All blocks");
  const button = (name, label, act) => el("button", { type: "button", "aria-label": label, onclick: act }, name);
  const floats = run.nodes.map((node, at) => (node.runs_as === "float" ? at : -1)).filter((at) => at >= 0 && placeOf(at));
  const find = el("input", { type: "search", placeholder: "Find a node or a value", "aria-label": "Find a node or a value in the graph", onchange: (event) => look(event.target.value) });
  const tools = el("div", { class: "tools" }, ...folds, back, button("+", "+: zoom in", () => zoomBy(ZOOM.step)), button("−", "−: zoom out", () => zoomBy(1 / ZOOM.step)), button("Fit", "Fit: show the whole graph", fit),
    floats.length ? button(`Next of ${floats.length} float`, `Next of ${floats.length} float nodes`, nextFloat) : null, find);

  /** The views are -1: blocks or, where nothing is folded, all nodes; -2: all nodes; else a block. */
  function open(block) {
    state.block = block === -1 && !drawing.folded ? -2 : block;
    state.view = state.block === -2 ? drawing.whole : state.block === -1 ? drawing.folded : drawing.blocks[block].view;
    state.scene = scene(run, state.view, (at) => act(at));
    state.at = -1;
    state.lit = [];
    layer.replaceChildren(state.scene.root);
    state.scene.cards.forEach((one, at) => one.addEventListener("focus", () => mark(at)));
    const first = Math.max(0, state.view.boxes.findIndex((box) => box.kind !== "port"));
    state.scene.cards[first].setAttribute("tabindex", "0");
    back.hidden = state.block < 0;
    folds.forEach((one, at) => one.setAttribute("aria-pressed", String(state.block === -1 - at)));
    overview();
    begin();
  }

  /** From the top, at a size that can be read. */
  function begin() {
    const width = clear();
    state.zoom = Math.min(1, Math.max(0.62, (width - 20) / state.view.width));
    state.x = width / 2 - state.zoom * middle();
    state.y = 8;
    move();
  }
  /** The middle of the first boxes, where reading starts. */
  function middle() {
    const tops = state.view.boxes.filter((box) => box.y < 120);
    return state.zoom * state.view.width < clear() ? state.view.width / 2 : tops.reduce((sum, box) => sum + box.x, 0) / (tops.length || 1);
  }
  function fit() {
    const { height } = size(), width = clear();
    state.zoom = Math.max(ZOOM.least, Math.min(1.4, (width - 20) / state.view.width, (height - 20) / state.view.height));
    state.x = (width - state.zoom * state.view.width) / 2;
    state.y = Math.max(8, (height - state.zoom * state.view.height) / 2);
    move();
  }
  function size() {
    const box = stage.getBoundingClientRect();
    return { width: box.width || 600, height: box.height || 600 };
  }
  /** The width that the overview leaves. */
  function clear() {
    return size().width - (map.hidden ? 0 : 66);
  }
  function zoomBy(factor, cx, cy) {
    const { width, height } = size(), zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, state.zoom * factor));
    const [x, y] = [cx ?? width / 2, cy ?? height / 2];
    state.x = x - ((x - state.x) * zoom) / state.zoom;
    state.y = y - ((y - state.y) * zoom) / state.zoom;
    state.zoom = zoom;
    move();
  }
  function panBy(dx, dy) {
    const before = [state.x, state.y];
    state.x += dx;
    state.y += dy;
    move();
    return before[0] !== state.x || before[1] !== state.y;
  }
  /** Show the scene where it is, and never lose it from sight. */
  function move() {
    const { width, height } = size(), wide = state.zoom * state.view.width, high = state.zoom * state.view.height;
    state.x = Math.min(width * 0.6, Math.max(width * 0.4 - wide, state.x));
    state.y = Math.min(high > height ? 8 : height * 0.6, Math.max(high > height ? height - 8 - high : height * 0.4 - high, state.y));
    layer.setAttribute("transform", `translate(${state.x.toFixed(1)},${state.y.toFixed(1)}) scale(${state.zoom.toFixed(4)})`);
    const frame = map.querySelector(".window");
    if (!frame) return;
    for (const [name, value] of [["x", -state.x / state.zoom], ["y", -state.y / state.zoom], ["width", width / state.zoom], ["height", height / state.zoom]]) frame.setAttribute(name, value.toFixed(0));
  }
  /** The whole at the edge, where it is much taller than the stage. */
  function overview() {
    map.hidden = state.view.height < 2 * size().height;
    if (map.hidden) return map.replaceChildren();
    const dots = state.view.boxes.filter((box) => box.kind !== "port").map((box) => svg("rect", { class: `share-${box.kind === "node" ? run.nodes[box.at].runs_as : mostly(run, drawing.blocks[box.at])}`, x: box.x - box.width / 2, y: box.y - box.height / 2, width: box.width, height: box.height + 12 }));
    map.replaceChildren(svg("svg", { viewBox: `0 0 ${state.view.width} ${state.view.height}`, preserveAspectRatio: "none", width: "100%", height: "100%" }, ...dots, svg("rect", { class: "window", "vector-effect": "non-scaling-stroke" })));
    return undefined;
  }
  /** Bring a box into sight. */
  function center(at) {
    const box = state.view.boxes[at], { width, height } = size();
    const [x, y] = [state.x + state.zoom * box.x, state.y + state.zoom * box.y];
    if (x > 70 && x < width - 90 && y > 50 && y < height - 50) return;
    state.x += width / 2 - x;
    state.y += height / 2 - y;
    move();
  }
  function mark(at) {
    if (state.at >= 0) state.scene.cards[state.at].classList.remove("picked");
    for (const wire of state.lit) wire.classList.remove("lit");
    for (const one of state.scene.cards) if (one.getAttribute("tabindex") === "0") one.setAttribute("tabindex", "-1");
    state.at = at;
    state.scene.cards[at].setAttribute("tabindex", "0");
    state.scene.cards[at].classList.add("picked");
    state.lit = state.view.wires.map((wire, number) => (wire.source === at || wire.target === at ? state.scene.wires[number] : null)).filter(Boolean);
    for (const wire of state.lit) wire.classList.add("lit");
    center(at);
    tell(at);
  }
  function act(at) {
    const box = state.view.boxes[at];
    if (box.kind === "block") {
      open(box.at);
      state.scene.cards.find((one) => one.getAttribute("tabindex") === "0").focus({ preventScroll: true });
    } else state.scene.cards[at].focus({ preventScroll: true });
  }
  function tell(at) {
    const box = state.view.boxes[at];
    panel.replaceChildren(...(box.kind === "node" ? nodePanel(run, run.nodes[box.at]) : box.kind === "block" ? blockPanel(run, drawing.blocks[box.at], () => act(at)) : portPanel(run, box.label)));
  }
  /** Where a node is drawn: the view, and the place of its box there. */
  function placeOf(index) {
    const block = drawing.blocks.findIndex((one) => one.nodes.includes(index));
    const view = drawing.folded && block >= 0 ? drawing.blocks[block].view : drawing.whole;
    const at = view ? view.boxes.findIndex((box) => box.kind === "node" && box.at === index) : -1;
    return at < 0 ? null : { block: drawing.folded ? block : -2, at };
  }
  function goTo(index, focus = true) {
    const inWhole = state.block === -2 ? drawing.whole.boxes.findIndex((box) => box.kind === "node" && box.at === index) : -1;
    const place = inWhole >= 0 ? { block: -2, at: inWhole } : placeOf(index);
    if (!place) return false;
    if (state.block !== place.block) open(place.block);
    if (focus) state.scene.cards[place.at].focus({ preventScroll: true });
    else mark(place.at);
    return true;
  }
  function nextFloat() {
    const box = state.at < 0 ? null : state.view.boxes[state.at], now = box && box.kind === "node" ? box.at : -1;
    goTo(floats.find((index) => index > now) ?? floats[0]);
  }
  function look(words) {
    const wanted = words.trim().toLowerCase();
    const index = wanted ? run.nodes.findIndex((node, at) => [node.name, node.op_type, ...node.makes].some((one) => one.toLowerCase().includes(wanted)) && placeOf(at)) : -1;
    if (index >= 0) goTo(index);
    else if (wanted) say(`No node is called ${words}`);
  }
  walk(surface, state, { act, zoomBy, fit, nextFloat, up: () => (state.block >= 0 ? open(-1) : null) });
  drag(stage, surface, map, state, { panBy, zoomBy, size, move });
  panel.replaceChildren(...startPanel(run));
  open(-1);
  requestAnimationFrame(() => { overview(); begin(); });
  return { root: [tools, el("div", { class: "explorer" }, stage, panel)], goTo, stage };
}
