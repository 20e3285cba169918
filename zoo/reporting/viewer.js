// Structures beside their sequences: point at a residue in one, see it in the other.
const proteins = JSON.parse(document.getElementById("proteins").textContent);
const at = (id) => document.getElementById(id);
const grey = "#c9ced6";
let viewer, shown, lit;

function colour(value) {  // white to blue over 0 to 1; through the gates, to orange
  if (value === null) return grey;
  const t = Math.max(0, Math.min(1, value));
  const [a, b] = [[232, 236, 241], at("by").value.startsWith("gate") ? [214, 96, 12] : [20, 82, 160]];
  return "rgb(" + a.map((low, i) => Math.round(low + t * (b[i] - low))).join(",") + ")";
}

function values() { return shown.columns[at("by").value]; }

function tell(index) {
  if (index === null) { at("told").textContent = "Point at a residue."; return; }
  const parts = Object.entries(shown.columns).map(
    ([name, column]) => name + " " + (column[index] === null ? "unknown" : column[index].toFixed(3)));
  const [chain, number] = shown.places[index];
  at("told").textContent = shown.sequence[index] + (number || "(unresolved)") + " " + chain + ": " + parts.join(", ");
}

function light(index) {
  if (lit !== undefined && lit !== null) at("strip").children[lit].classList.remove("lit");
  lit = index;
  if (viewer) viewer.removeAllShapes();
  if (index !== null) {
    at("strip").children[index].classList.add("lit");
    const place = shown.ca[index];
    if (viewer && place) viewer.addSphere({center: {x: place[0], y: place[1], z: place[2]}, radius: 2, color: "#d6249f"});
  }
  if (viewer) viewer.render();
  tell(index);
}

function paint() {
  const column = values();
  Array.from(at("strip").children).forEach((cell, i) => {
    cell.style.background = colour(column[i]);
    cell.style.color = column[i] !== null && column[i] > 0.6 ? "#fff" : "#1d2430";
  });
  if (!viewer) return;
  viewer.setStyle({}, {cartoon: {colorfunc: (atom) => colour(column[shown.index[atom.chain + atom.resi]])}});
  viewer.render();
}

function show() {
  shown = proteins[at("protein").value];
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
    viewer.setHoverable({}, true, (atom) => light(shown.index[atom.chain + atom.resi]), () => light(null));
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
  at("viewer").textContent = "This browser draws no 3D (WebGL); the sequence below works.";
}
show();
