// Draw the document: the parts of one run, or a comparison and the parts of the run that is chosen.

(function start() {
  const page = JSON.parse(document.getElementById("document").textContent);
  const contents = document.getElementById("contents"), room = document.getElementById("parts");
  function draw(parts, place) {
    place.replaceChildren(...parts.map(([, , element]) => element));
    return parts.map(([id, title]) => el("a", { href: `#${id}` }, title));
  }
  if (page.runs.length === 1) {
    contents.replaceChildren(...draw(sectionsOf(page.runs[0], ""), room));
    return;
  }
  const above = el("div", {}), below = el("div", {});
  const links = draw(comparison(page), above);
  const buttons = page.names.map((name, at) => el("button", { type: "button", onclick: () => show(at) }, name));
  function show(at) {
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === at)));
    const own = draw(sectionsOf(page.runs[at], "run-"), below);
    contents.replaceChildren(...links, ...own);
  }
  room.replaceChildren(above, section("one", "One run in full", page.table.length ? "Choose a run:" : null, el("div", { class: "tools" }, ...buttons)), below);
  show(0);
})();
