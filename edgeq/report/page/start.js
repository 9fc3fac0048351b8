// Draw the document: the parts of one run, or a comparison and the parts of the run that is chosen.

/** The document, unpacked where it was packed. */
async function read({ type, textContent }) {
  if (type !== "application/zlib") return JSON.parse(textContent);
  const bytes = Uint8Array.from(atob(textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

async function start() {
  const page = await read(document.getElementById("document"));
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
}

start().catch((problem) => {
  document.getElementById("parts").textContent = `This browser cannot draw the report (${problem.message}). One from 2023 or later can; the report in JSON has the same numbers.`;
  throw problem;
});
