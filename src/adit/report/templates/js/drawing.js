// The bonds of a molecule in two dimensions, as SVG: d.a is flat (x, y, label), d.b flat (atom, atom, order).
const SVG = "http://www.w3.org/2000/svg";
const TONES = { N: "--blue", O: "--vermilion", F: "--green", S: "--orange", Cl: "--green", Br: "--vermilion", P: "--orange" };

function svgNode(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawBonds(drawing, label) {
  const atoms = rows3(drawing.a).map(([x, y, text]) => ({ x: x * 0.3, y: -y * 0.3, text }));
  const xs = atoms.map((a) => a.x), ys = atoms.map((a) => a.y);
  const left = Math.min(...xs) - 16, top = Math.min(...ys) - 16;
  const width = Math.max(...xs) - left + 16, height = Math.max(...ys) - top + 16;
  const root = svgNode("svg", { viewBox: `${left} ${top} ${width} ${height}`, role: "img", class: "bonds" });
  root.append(svgNode("title", {}, label));
  const cut = (from, to) => {
    const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
    const back = from.text ? Math.min(8, length / 3) : 0;
    return [from.x + ((to.x - from.x) / length) * back, from.y + ((to.y - from.y) / length) * back];
  };
  for (const [i, j, order] of rows3(drawing.b)) {
    const a = atoms[i], b = atoms[j];
    const [x1, y1] = cut(a, b), [x2, y2] = cut(b, a);
    const length = Math.hypot(x2 - x1, y2 - y1) || 1;
    const across = [-(y2 - y1) / length, (x2 - x1) / length];
    const shifts = order === 3 ? [-3.4, 0, 3.4] : order === 2 ? [-1.9, 1.9] : [0];
    for (const s of shifts) {
      const [dx, dy] = across.map((v) => v * s);
      root.append(svgNode("line", { x1: x1 + dx, y1: y1 + dy, x2: x2 + dx, y2: y2 + dy }));
    }
  }
  for (const atom of atoms.filter((a) => a.text)) {
    const tone = TONES[/^[A-Z][a-z]?/.exec(atom.text)?.[0]];
    const node = svgNode("text", { x: atom.x, y: atom.y + 4.2, ...(tone ? { fill: `var(${tone})` } : {}) });
    for (const [k, part] of atom.text.split(/(\d+|[+−]\d*$)/).entries()) {
      if (!part) continue;
      const up = /^[+−]/.test(part);
      node.append(svgNode("tspan", k % 2 ? { "font-size": "8", dy: up ? "-4" : "3" } : {}, part));
      if (k % 2) node.append(svgNode("tspan", { dy: up ? "4" : "-3" }, "\u200b"));
    }
    root.append(node);
  }
  return root;
}
