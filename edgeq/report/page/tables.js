// Tables that sort by a click on a heading, filter by words and fold what is less important.

const AT_ONCE = 400;

/**
 * A table of rows.
 * columns: {title, cell(row) -> text or element, sort(row) -> number or text, number, name, why}
 * options: {label, folded(row) -> bool, foldedText, filter, sorted: [column, descending]}
 */
function table(columns, rows, options) {
  const state = { by: options.sorted ? options.sorted[0] : -1, down: options.sorted ? options.sorted[1] : false, open: false, all: false, words: "" };
  const body = el("tbody", {}), found = el("span", { class: "soft small", role: "status" });
  const heads = columns.map((column, at) => el("th", { scope: "col", class: column.number ? "num" : null },
    column.sort ? el("button", { type: "button", onclick: () => sortBy(at) }, column.title, el("span", { "aria-hidden": "true" })) : column.title));
  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, columns.map((column) => wordsOf(column.cell(row))).join(" ").toLowerCase());
    return texts.get(row);
  };
  const isFolded = (row) => Boolean(options.folded && !state.open && !state.words && options.folded(row));
  const fold = options.folded && rows.some(options.folded) ? el("button", { type: "button", "aria-expanded": "false", onclick: () => { state.open = !state.open; show(); } }) : null;
  const more = el("button", { type: "button", onclick: () => { state.all = true; show(); } });
  const search = options.filter ? el("input", { type: "search", placeholder: options.filter, "aria-label": options.filter, oninput: (event) => { state.words = event.target.value.toLowerCase(); show(); } }) : null;

  function sortBy(at) {
    state.down = state.by === at ? !state.down : Boolean(columns[at].number);
    state.by = at;
    show();
  }
  function ordered() {
    const column = columns[state.by];
    if (!column) return rows;
    const keyed = rows.map((row, at) => [column.sort(row), at, row]);
    const lost = (key) => key === null || key === undefined || Number.isNaN(key);
    keyed.sort(([a, i], [b, j]) => lost(a) || lost(b) ? Number(lost(a)) - Number(lost(b)) || i - j
      : (a < b ? -1 : a > b ? 1 : 0) * (state.down ? -1 : 1) || i - j);
    return keyed.map(([, , row]) => row);
  }
  function show() {
    const wanted = ordered().filter((row) => !isFolded(row) && (!state.words || textOf(row).includes(state.words)));
    const shown = state.all ? wanted : wanted.slice(0, AT_ONCE);
    body.replaceChildren(...shown.map((row) => line(row)));
    heads.forEach((head, at) => {
      if (columns[at].sort) head.setAttribute("aria-sort", at !== state.by ? "none" : state.down ? "descending" : "ascending");
      const arrow = head.querySelector("span");
      if (arrow) arrow.textContent = at !== state.by ? "" : state.down ? " ↓" : " ↑";
    });
    if (fold) {
      const count = rows.filter(options.folded).length;
      fold.textContent = `${state.open ? "Hide" : "Show"} ${options.foldedText(count)}`;
      fold.setAttribute("aria-expanded", String(state.open));
    }
    more.hidden = shown.length === wanted.length;
    more.textContent = `Show all ${wanted.length} rows`;
    found.textContent = state.words ? `${counted(wanted.length, "row")} with these words` : "";
  }
  function line(row) {
    const classes = options.mark ? options.mark(row) : null;
    return el("tr", { class: classes }, ...columns.map((column, at) => {
      const kind = [column.number ? "num" : "", column.name ? "name" : "", column.why ? "why" : ""].join(" ").trim() || null;
      return at === 0 ? el("th", { scope: "row", class: kind }, column.cell(row)) : el("td", { class: kind }, column.cell(row));
    }));
  }
  show();
  const tools = search || fold ? el("div", { class: "tools" }, search, fold, found) : null;
  const whole = el("div", {}, tools, scroller(`${options.label}, table`, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body)), el("div", { class: "tools" }, more));
  return whole;
}

function wordsOf(cell) {
  return cell === null || cell === undefined ? "" : typeof cell === "object" ? cell.textContent : String(cell);
}

/** A column of numbers with a text of their own. */
function numbers(title, of, shown) {
  return { title, number: true, sort: of, cell: (row) => shown(of(row)) };
}

/** A column of SQNRs with bars. */
function sqnrColumn(of, title = "SQNR dB") {
  return {
    title, number: true, sort: (row) => dbNumber(of(row)),
    cell: (row) => of(row) === null ? "-" : el("span", {}, dbText(of(row)), bar(dbNumber(of(row)) / 40, dbGrade(of(row)))),
  };
}
