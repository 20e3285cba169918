// Structures beside their sequences: what is pointed at in one is shown in the other.
"use strict";
const { scales, cells, proteins } = JSON.parse(document.getElementById("proteins").textContent);
const at = (id) => document.getElementById(id);
const made = (tag, values, ...inside) => {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...inside);
  return element;
};
const UNKNOWN = "#9aa1ad", LIT = "#00a39b", BLOCK = 10;
const night = matchMedia("(prefers-color-scheme: dark)");
let viewer = null, shown = null, residues = [], spans = [], lit = null, kept = null;

// ---- colours

const channels = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

function colour(scale, value) {
  if (value === null || value === undefined) return channels(UNKNOWN);
  const share = (value - scale.low) / (scale.high - scale.low || 1);
  const place = Math.min(Math.max(share, 0), 1) * (scale.colours.length - 1);
  const from = Math.min(Math.floor(place), scale.colours.length - 2);
  const [a, b] = [scale.colours[from], scale.colours[from + 1]].map(channels);
  return a.map((low, i) => Math.round(low + (place - from) * (b[i] - low)));
}

const css = (rgb) => "rgb(" + rgb.join(",") + ")";
const ink = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#1d2430" : "#fff");
function told(value) {
  if (value === null || value === undefined) return "unknown";
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
const chosen = () => at("by").value;
const isYes = (scale, value) => value !== null && scale.threshold !== null && value >= scale.threshold;

// ---- one protein

function listed(protein) {  // its residues over all chains end to end
  const found = [];
  protein.chains.forEach(([chain, letters, numbers, structure], part) => {
    const named = numbers.split(",");
    Array.from(letters).forEach((letter, position) => {
      const start = 6 * found.length;
      const place = (from) => {
        const point = protein.xyz ? protein.xyz.slice(from, from + 3) : [null];
        return point[0] === null ? null : point.map((x) => x / 10);
      };
      found.push({
        chain, part, letter, position, number: named[position], structure: structure[position] || "c",
        ca: place(start), o: place(start + 3),
      });
    });
  });
  return found;
}

const name = ({ chain, number, position, letter }) => (number ? chain + ":" + number : position + 1) + " " + letter;

function tell(i) {  // as many lines with a residue as without, so that nothing below moves
  const residue = i === null ? null : residues[i];
  const facts = residue ? [name(residue), { h: "helix", e: "strand" }[residue.structure],
    residue.ca || !shown.xyz ? "" : "no coordinates"] : ["Point at a residue, or use the arrow keys"];
  at("told").replaceChildren(
    made("div", {}, facts.filter(Boolean).join(", ")),
    ...Object.entries(shown.values).map(([key, values]) =>
      made("div", {}, key + " ", made("b", {}, residue ? told(values[i]) : "\u2013"))));
}

function light(i, follow) {
  if (lit !== null && spans[lit]) spans[lit].classList.remove("lit");
  lit = i;
  if (i !== null) {
    spans[i].classList.add("lit");
    if (follow) reveal(spans[i]);
    at("strip").setAttribute("aria-activedescendant", spans[i].id);
  }
  tell(i);
  if (!viewer) return;
  viewer.removeAllShapes();
  const ca = i === null ? null : residues[i].ca;
  if (ca) viewer.addSphere({ center: { x: ca[0], y: ca[1], z: ca[2] }, radius: 1.9, color: LIT, opacity: 0.9 });
  viewer.render();
}

function reveal(span) {  // scrolls the strip alone, never the page
  const strip = at("strip"), [box, own] = [strip.getBoundingClientRect(), span.getBoundingClientRect()];
  if (own.top < box.top) strip.scrollTop -= box.top - own.top + 24;
  if (own.bottom > box.bottom) strip.scrollTop += own.bottom - box.bottom + 24;
}

const keep = (i, follow) => { kept = i; light(i, follow); };

function drawStrip() {
  spans = [];
  const rows = [];
  let row = null, block = null, before = -1;
  residues.forEach((residue, i) => {
    if (residue.part !== before) {
      before = residue.part;
      row = made("div", { className: "chain" });
      rows.push(made("h3", {}, residues.some((r) => r.number) ? "chain " + residue.chain : "sequence"), row);
    }
    if (residue.position % BLOCK === 0) {
      block = made("span", { className: "block" });
      block.dataset.from = residue.number || (shown.xyz ? "\u00a0" : residue.position + 1);
      row.append(block);
    }
    const span = made("span", { id: "r" + i, className: "r " + residue.structure }, residue.letter);
    span.setAttribute("role", "option");
    span.dataset.at = i;
    block.append(span);
    spans.push(span);
  });
  at("strip").replaceChildren(...rows);
}

function drawHighest(scale, values) {
  const known = residues.map((_, i) => i).filter((i) => values[i] !== null);
  const best = known.sort((a, b) => values[b] - values[a]).slice(0, 10);
  at("highest").replaceChildren(...best.map((i) => {
    const button = made("button", { type: "button", onclick: () => keep(i, true) },
      made("i", {}), name(residues[i]), made("b", {}, told(values[i])));
    button.firstChild.style.background = css(colour(scale, values[i]));
    return made("li", {}, button);
  }));
}

function drawBar(scale) {
  at("bar").style.background = "linear-gradient(to right," + scale.colours.join(",") + ")";
  at("low").textContent = [told(scale.low), scale.ends[0]].filter(Boolean).join(" ");
  at("high").textContent = [told(scale.high), scale.ends[1]].filter(Boolean).join(" ");
  at("mark").hidden = scale.threshold === null;
  if (scale.threshold === null) return;
  at("mark").style.left = 100 * (scale.threshold - scale.low) / (scale.high - scale.low) + "%";
  at("mark").title = at("from").textContent = "yes: at least " + told(scale.threshold);
}

function paint() {
  const scale = scales[chosen()], values = shown.values[chosen()] || [];
  at("scale").hidden = !scale;
  at("best").hidden = !scale;
  at("means").hidden = !scale || scale.threshold === null;
  residues.forEach((_, i) => {
    const rgb = scale ? colour(scale, values[i]) : null, yes = scale && isYes(scale, values[i]);
    spans[i].style.background = rgb ? css(rgb) : "";
    spans[i].style.color = rgb ? ink(rgb) : "";
    spans[i].classList.toggle("yes", Boolean(yes));
    spans[i].ariaLabel = name(residues[i]) + (scale ? ", " + told(values[i]) + (yes ? ", yes" : "") : "");
  });
  if (scale) {
    drawBar(scale);
    drawHighest(scale, values);
  }
  if (!viewer) return;
  const colorfunc = (atom) => css(scale ? colour(scale, values[atom.resi]) : channels("#8fa3bf"));
  const trace = residues.every((residue) => !residue.o);
  viewer.setStyle({}, { cartoon: { colorfunc, arrows: true, ...(trace ? { style: "trace", thickness: 0.8 } : {}) } });
  viewer.render();
}

function atoms() {
  const found = [];
  residues.forEach((residue, i) => {
    const [before, after] = [residues[i - 1], residues[i + 1]].map(
      (other) => Boolean(other && other.part === residue.part && other.structure === residue.structure));
    const shared = {
      resn: "UNK", chain: "c" + residue.part, resi: i, ss: residue.structure, ssbegin: !before, ssend: !after,
      hetflag: false, bonds: [], bondOrder: [], properties: {},
    };
    for (const [atom, elem, point] of [["CA", "C", residue.ca], ["O", "O", residue.o]]) {
      if (!residue.ca || !point) continue;
      const [x, y, z] = point;
      found.push({ ...shared, atom, elem, x, y, z, serial: found.length + 1 });
    }
  });
  return found;
}

function drawStructure() {
  at("stage").hidden = !shown.xyz;
  at("columns").classList.toggle("alone", !shown.xyz);
  if (!viewer) return;
  viewer.clear();
  if (!shown.xyz) return;
  viewer.resize();
  viewer.addModel().addAtoms(atoms());
  viewer.setHoverable({}, true, (atom) => light(atom.resi, true), () => light(kept, false));
  viewer.setClickable({}, true, (atom) => keep(atom.resi, true));
  whole();
}

function whole() {
  if (!viewer) return;
  viewer.zoomTo();  // as near as a sphere around the atoms allows
  viewer.zoom(nearer());
}

const cross = ([a, b, c], [x, y, z]) => [b * z - c * y, c * x - a * z, a * y - b * x];

function nearer() {  // how much nearer the structure may come, as it is turned, without leaving the stage
  const RIBBON = 2, MARGIN = 0.95, SMALLEST = 5;
  const [x, y, z, , a, b, c, w] = viewer.getView(), { clientWidth, clientHeight } = at("viewer");
  const up = Math.tan(Math.PI / 180 * viewer.camera.fov / 2), side = up * clientWidth / clientHeight;
  let radius = SMALLEST, needed = 0;
  for (const { ca } of residues) {
    if (!ca) continue;
    const point = [ca[0] + x, ca[1] + y, ca[2] + z], once = cross([a, b, c], point), twice = cross([a, b, c], once);
    const [across, high, near] = point.map((value, i) => value + 2 * (w * once[i] + twice[i]));
    radius = Math.max(radius, Math.hypot(...point));
    const room = Math.max((Math.abs(across) + RIBBON) / side, (Math.abs(high) + RIBBON) / up);
    needed = Math.max(needed, near + room / MARGIN);
  }
  return radius / up / needed;
}

function show(protein) {
  shown = protein;
  residues = listed(protein);
  lit = kept = null;
  for (const line of at("rows").children) {
    line.classList.toggle("shown", line.protein === protein);
    line.ariaSelected = line.protein === protein;
  }
  const before = chosen(), names = Object.keys(protein.values);
  at("by").replaceChildren(...names.map((key) => new Option(key, key)));
  if (names.includes(before)) at("by").value = before;
  at("which").hidden = names.length < 2;
  at("title").textContent = protein.name;
  at("note").textContent = protein.note || "";
  drawStrip();
  drawStructure();
  paint();
  tell(null);
}

// ---- the table of proteins

let sorted = [null, 1];

function drawTable() {
  const names = ["protein", ...cells];
  at("head").replaceChildren(...names.map((text, column) => {
    const button = made("button", { type: "button", onclick: () => sortBy(column) }, text);
    return made("th", { scope: "col" }, button);
  }));
  at("rows").replaceChildren(...proteins.map((protein) => {
    const open = protein.chains
      ? made("button", { type: "button", onclick: () => show(protein) }, protein.name) : protein.name;
    const rest = protein.cells.map((cell) => made("td", { className: typeof cell === "number" ? "n" : "" },
      typeof cell === "number" ? told(cell) : cell ?? ""));
    const line = made("tr", { protein }, made("td", {}, open), ...rest);
    if (protein.chains) line.onclick = () => show(protein);
    else line.className = "out";
    return line;
  }));
}

function sortBy(column) {
  sorted = [column, sorted[0] === column ? -sorted[1] : (column ? -1 : 1)];
  const value = ({ protein }) => (column ? protein.cells[column - 1] : protein.name);
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);  // unknown stays below
    const numbers = typeof x === "number" && typeof y === "number";
    return sorted[1] * (numbers ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
  };
  at("rows").replaceChildren(...Array.from(at("rows").children).sort(order));
  Array.from(at("head").children).forEach((cell, i) => {
    cell.ariaSort = i !== column ? "none" : sorted[1] > 0 ? "ascending" : "descending";
  });
}

// ---- pointing, keys, begin

const pointed = (event) => event.target.dataset && event.target.dataset.at;
at("strip").onpointerover = (event) => { if (pointed(event)) light(+pointed(event), false); };
at("strip").onpointerleave = () => light(kept, false);
at("strip").onclick = (event) => { if (pointed(event)) keep(+pointed(event), false); };
at("strip").onkeydown = (event) => {
  const last = spans.length - 1, here = lit === null ? -1 : lit;
  const to = { ArrowRight: here + 1, ArrowLeft: here - 1, ArrowDown: here + BLOCK, ArrowUp: here - BLOCK, Home: 0, End: last };
  if (event.key === "Escape") return keep(null, false);
  if (!(event.key in to)) return;
  event.preventDefault();
  keep(Math.min(Math.max(to[event.key], 0), last), true);
};
at("stage").onkeydown = (event) => {
  const turns = { ArrowLeft: [-15, "y"], ArrowRight: [15, "y"], ArrowUp: [-15, "x"], ArrowDown: [15, "x"] };
  const zooms = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 };
  if (!viewer || !(event.key in turns || event.key in zooms)) return;
  event.preventDefault();
  if (event.key in turns) viewer.rotate(...turns[event.key]);
  else viewer.zoom(zooms[event.key]);
};
at("by").onchange = paint;
at("again").onclick = whole;

const background = () => getComputedStyle(document.body).getPropertyValue("--stage").trim();
try {
  viewer = $3Dmol.createViewer("viewer", { backgroundColor: background() });
  night.addEventListener("change", () => viewer.setBackgroundColor(background()));
} catch (error) {
  viewer = null;
}
if (!viewer) at("viewer").textContent = "This browser draws no 3D (WebGL); the sequence below works.";
drawTable();
at("table").hidden = proteins.length < 2 && !cells.length;
const first = proteins.find((protein) => protein.chains);
at("protein").hidden = !first;
if (first) show(first);
