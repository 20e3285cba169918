// Structures beside their sequences: point at a residue in one, see it in the other.
const proteins = JSON.parse(document.getElementById("proteins").textContent);
const at = (id) => document.getElementById(id);
const grey = "#c9ced6";
let viewer, shown, index, range, lit = null;

function share(value) { return (value - range[0]) / (range[1] - range[0] || 1); }

function colour(value) {  // pale to violet; gates, from blue (sequence) over white to orange (structure)
  if (value === null) return grey;
  let t = share(value), [a, b] = [[236, 234, 241], [88, 40, 130]];
  if (at("by").value.startsWith("gate")) {  // as in zoo/explanation/colours.py
    const white = [244, 244, 244];
    [t, a, b] = t < 0.5 ? [2 * t, [20, 82, 160], white] : [2 * t - 1, white, [214, 96, 12]];
  }
  return "rgb(" + a.map((low, i) => Math.round(low + t * (b[i] - low))).join(",") + ")";
}

function rangeOf(column) {  // shares from 0 to 1, other values from their least to their most
  const known = column.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return low >= 0 && high <= 1 ? [0, 1] : [low, high];
}

function tell(i) {
  if (i === null) { at("told").textContent = "Point at a residue."; return; }
  const parts = Object.entries(shown.columns).map(
    ([name, column]) => name + " " + (column[i] === null ? "unknown" : column[i].toFixed(3)));
  const [, , chain, number] = shown.places[i];
  at("told").textContent = shown.sequence[i] + (number || "(unresolved)") + " " + chain + ": " + parts.join(", ");
}

function light(i) {
  if (lit !== null) at("strip").children[lit].classList.remove("lit");
  lit = i;
  if (i !== null) at("strip").children[i].classList.add("lit");
  tell(i);
  if (!viewer) return;
  viewer.removeAllShapes();
  if (i !== null) {
    const [chain, resi] = shown.places[i];
    const [atom] = viewer.selectedAtoms({chain, resi, atom: "CA"});
    if (atom) viewer.addSphere({center: atom, radius: 2, color: "#d6249f"});
  }
  viewer.render();
}

function paint() {
  const column = shown.columns[at("by").value];
  range = rangeOf(column);
  Array.from(at("strip").children).forEach((cell, i) => {
    cell.style.background = colour(column[i]);
    cell.style.color = column[i] !== null && share(column[i]) > 0.6 ? "#fff" : "#1d2430";
  });
  if (!viewer) return;
  viewer.setStyle({}, {cartoon: {colorfunc: (atom) => colour(column[index[atom.chain + atom.resi]])}});
  viewer.render();
}

function show() {
  shown = proteins[at("protein").value];
  index = Object.fromEntries(shown.places.map(([chain, row], i) => [chain + row, i]));
  const before = at("by").value;
  at("by").replaceChildren(...Object.keys(shown.columns).map((name) => new Option(name, name)));
  if (before in shown.columns) at("by").value = before;
  lit = null;
  at("strip").replaceChildren(...Array.from(shown.sequence, (letter, i) => {
    const cell = document.createElement("span");
    cell.textContent = letter;
    cell.onmouseenter = cell.onclick = () => light(i);
    return cell;
  }));
  if (viewer) {
    viewer.clear();
    viewer.addModel(shown.pdb, "pdb");
    viewer.setHoverable({}, true, (atom) => light(index[atom.chain + atom.resi]), () => light(null));
    viewer.zoomTo();
  }
  paint();
  tell(null);
}

at("protein").replaceChildren(...Object.keys(proteins).map((name) => new Option(proteins[name].title, name)));
at("protein").onchange = show;
at("by").onchange = paint;
try {
  viewer = $3Dmol.createViewer("viewer", {backgroundColor: "white"});
} catch (error) {
  viewer = null;
}
if (!viewer) {
  at("viewer").textContent = "This browser draws no 3D (WebGL); the sequence below works.";
}
show();
