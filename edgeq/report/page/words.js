// Numbers with their units, and the words for what a node does.

const RUNS = { int8: "in integers", float: "in float", vanished: "vanished", boundary: "boundary" };
const RUNS_TOLD = {
  int8: "an integer kernel runs it",
  float: "a float kernel runs it",
  vanished: "no kernel of its own: fused into another one, or computed beforehand",
  boundary: "a conversion at an input or output",
};
const LETTERS = 22;

function dbText(value) {
  return value === null || value === undefined ? "-" : typeof value === "number" ? value.toFixed(1) : value;
}

/** An SQNR with its unit, and in words where it is no number. */
function dbPhrase(value) {
  return typeof value === "number" ? `${value.toFixed(1)} dB` : value === "exact" ? "equal to float" : value === "none" ? "lost" : "-";
}

/** An SQNR as a number to sort and to draw by. */
function dbNumber(value) {
  return value === null || value === undefined ? NaN : value === "exact" ? Infinity : value === "none" ? -Infinity : value;
}

function dbGrade(value) {
  const number = dbNumber(value);
  return number >= 20 ? "good" : number >= 10 ? "fair" : "poor";
}

function bytesText(count) {
  if (count === null || count === undefined) return "-";
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) if (count >= factor) return `${Number((count / factor).toPrecision(3))} ${unit}`;
  return `${count} B`;
}

function macsText(count) {
  if (!count) return count === 0 ? "" : "-";
  for (const [unit, factor] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) if (count >= factor) return `${Number((count / factor).toPrecision(3))} ${unit}`;
  return String(count);
}

function msText(ms) {
  if (ms === null || ms === undefined) return "-";
  return ms >= 1 ? `${Number(ms.toPrecision(3))} ms` : `${Number((1000 * ms).toPrecision(3))} µs`;
}

function shareText(share) {
  return share === 0 ? "0 %" : share < 0.0001 ? "< 0.01 %" : `${Number((100 * share).toPrecision(2))} %`;
}

function numberText(value) {
  return Number(value.toPrecision(4)).toString();
}

/** The end of a name, which tells nodes apart. */
function short(name) {
  const whole = name.replace(/^\/+|\/+$/g, "") || name;
  return whole.length <= LETTERS ? whole : `…${whole.slice(1 - LETTERS)}`;
}

/** The beginning of a label. */
function begun(label) {
  return label.length <= LETTERS ? label : `${label.slice(0, LETTERS - 1)}…`;
}

function counted(count, one, many) {
  return `${count} ${count === 1 ? one : many || `${one}s`}`;
}

/** What a person is told of a node in one line; it begins with what is seen, so that speech can call it. */
function nodeLine(node, seen) {
  const sqnr = node.sqnr_db === null ? "" : `, SQNR ${dbPhrase(node.sqnr_db)}`;
  return `${node.op_type} ${seen}, ${RUNS[node.runs_as]}${sqnr}${seen === node.name ? "" : `, whole name ${node.name}`}`;
}

function gridText(value) {
  const scale = value.scales > 1 ? `${value.scales} scales ${numberText(value.scale)} to ${numberText(value.largest_scale)}` : `scale ${numberText(value.scale)}`;
  return `${value.dtype}, ${scale}, zero point ${value.zero_point}, keeps ${numberText(value.kept_low)} to ${numberText(value.kept_high)}`;
}
