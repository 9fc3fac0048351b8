// Ways through the graph: keys, the wheel, a mouse, and fingers.

/** Keys of the picture: arrows walk, Enter acts, plus, minus and 0 zoom, f finds floats. */
function walk(surface, state, ways) {
  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = state.scene.cards.indexOf(document.activeElement);
    const step = at < 0 ? -1 : stepFrom(state.view, at, event.key);
    if (step >= 0) state.scene.cards[step].focus({ preventScroll: true });
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) ways.act(at);
    else if (event.key === "+" || event.key === "=") ways.zoomBy(ZOOM.step);
    else if (event.key === "-") ways.zoomBy(1 / ZOOM.step);
    else if (event.key === "0") ways.fit();
    else if (event.key === "f") ways.nextFloat();
    else if (event.key === "Escape") ways.up();
    else if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
  });
}

/** The box that an arrow leads to: along an edge up or down, to the nearest at the same height; -1: none. */
function stepFrom(view, at, key) {
  const here = view.boxes[at];
  const nearest = (places) => places.reduce((best, one) => (best < 0 || away(view.boxes[one], here) < away(view.boxes[best], here) ? one : best), -1);
  if (key === "ArrowDown") return nearest(view.wires.filter((wire) => wire.source === at).map((wire) => wire.target));
  if (key === "ArrowUp") return nearest(view.wires.filter((wire) => wire.target === at).map((wire) => wire.source));
  if (key !== "ArrowLeft" && key !== "ArrowRight") return -1;
  const side = key === "ArrowRight" ? 1 : -1;
  return nearest(view.boxes.map((box, index) => ((box.x - here.x) * side > 0 && Math.abs(box.y - here.y) < 60 ? index : -1)).filter((index) => index >= 0));
}

function away(one, other) {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

/** Pan by dragging or the wheel, zoom by the wheel with Ctrl or by two fingers, jump in the overview. */
function drag(stage, surface, map, state, ways) {
  const fingers = new Map();
  let moved = 0;
  const local = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  stage.addEventListener("mousedown", (event) => event.preventDefault()); // a press may become a drag: a click picks, no press
  stage.addEventListener("pointerdown", (event) => {
    if (map.contains(event.target)) return jump(event);
    fingers.set(event.pointerId, local(event));
    moved = 0;
    return undefined;
  });
  stage.addEventListener("pointermove", (event) => {
    if (map.contains(event.target) && event.buttons && !fingers.size) return jump(event);
    const before = fingers.get(event.pointerId);
    if (!before) return undefined;
    const now = local(event), other = [...fingers].find(([id]) => id !== event.pointerId);
    fingers.set(event.pointerId, now);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (moved > 6 && !stage.classList.contains("drag")) {
      stage.classList.add("drag");
      stage.setPointerCapture(event.pointerId);
    }
    if (other) {
      const [x, y] = other[1], spread = (point) => Math.max(10, Math.hypot(point[0] - x, point[1] - y));
      ways.zoomBy(spread(now) / spread(before), (now[0] + x) / 2, (now[1] + y) / 2);
    } else if (moved > 6) ways.panBy(now[0] - before[0], now[1] - before[1]);
    return undefined;
  });
  const lift = (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) stage.classList.remove("drag");
  };
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);
  // what was dragged is not clicked
  stage.addEventListener("click", (event) => { if (moved > 6) event.stopPropagation(); }, true);
  stage.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) ways.zoomBy(Math.exp(-event.deltaY / 300), ...local(event));
    else if (!ways.panBy(-event.deltaX, -event.deltaY)) return; // at its end, the page scrolls on
    event.preventDefault();
  }, { passive: false });
  function jump(event) {
    const box = map.getBoundingClientRect(), { width, height } = ways.size();
    state.x = width / 2 - ((event.clientX - box.left) / box.width) * state.view.width * state.zoom;
    state.y = height / 2 - ((event.clientY - box.top) / box.height) * state.view.height * state.zoom;
    ways.move();
  }
}
