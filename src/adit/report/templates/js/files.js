// Structure files, written from the frames of the data scripts: CIF, SDF (V2000), extended XYZ; and CSV of a table.
// A frame: l label, z atomic numbers, x flat whole numbers (1e-5 of the cell, or 1e-4 Å without one), c cell rows in Å,
// b flat bonds (atom, atom, order), q flat formal charges (atom, charge), d the drawing in two dimensions, e eV/atom.
const rows3 = (flat) => Array.from({ length: flat.length / 3 }, (_, k) => flat.slice(3 * k, 3 * k + 3));
const cellOf = (frame) => (frame.c ? rows3(frame.c) : null);
const norm = (v) => Math.hypot(...v);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const times = (f, cell) => [0, 1, 2].map((k) => f[0] * cell[0][k] + f[1] * cell[1][k] + f[2] * cell[2][k]);
const fractional = (frame) => rows3(frame.x).map((row) => row.map((v) => v / 1e5));
const cartesian = (frame) => {
  const cell = cellOf(frame);
  return cell ? fractional(frame).map((f) => times(f, cell)) : rows3(frame.x).map((row) => row.map((v) => v / 1e4));
};
const plainName = (id) => id.replace(/[^A-Za-z0-9_.-]+/g, "_") || "unnamed";

function toCif(id, frame, symbols) {
  const cell = cellOf(frame);
  const angle = (a, b) => (Math.acos(Math.max(-1, Math.min(1, dot(a, b) / (norm(a) * norm(b))))) * 180) / Math.PI;
  const lines = [`data_${plainName(id)}`, "_symmetry_space_group_name_H-M 'P 1'", "_symmetry_Int_Tables_number 1"];
  ["a", "b", "c"].forEach((name, k) => lines.push(`_cell_length_${name} ${norm(cell[k]).toFixed(6)}`));
  [["alpha", 1, 2], ["beta", 0, 2], ["gamma", 0, 1]].forEach(([name, i, j]) =>
    lines.push(`_cell_angle_${name} ${angle(cell[i], cell[j]).toFixed(6)}`));
  lines.push("loop_", "_symmetry_equiv_pos_site_id", "_symmetry_equiv_pos_as_xyz", "1 'x, y, z'");
  lines.push("loop_", "_atom_site_type_symbol", "_atom_site_label", "_atom_site_occupancy");
  lines.push("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z");
  fractional(frame).forEach((f, k) => {
    const symbol = symbols[frame.z[k]][0];
    lines.push(`${symbol} ${symbol}${k + 1} 1 ${f.map((v) => v.toFixed(5)).join(" ")}`);
  });
  return lines.join("\n") + "\n";
}

function toSdf(id, frame, symbols) {
  const bonds = rows3(frame.b ?? []);
  const pad = (value, width) => String(value).padStart(width);
  const note = frame.b ? "" : "no bonding fits: atoms without bonds";
  const lines = [plainName(id), `${"  adit".padEnd(20)}3D`, note]; // initials, program, date, then the dimensions
  lines.push(`${pad(frame.z.length, 3)}${pad(bonds.length, 3)}  0  0  0  0  0  0  0  0999 V2000`);
  cartesian(frame).forEach((p, k) => {
    const place = p.map((v) => pad(v.toFixed(4), 10)).join("");
    lines.push(`${place} ${symbols[frame.z[k]][0].padEnd(3)} 0  0  0  0  0  0  0  0  0  0  0  0`);
  });
  bonds.forEach(([i, j, order]) => lines.push(`${pad(i + 1, 3)}${pad(j + 1, 3)}${pad(order, 3)}  0`));
  const charges = frame.q ?? [];
  for (let k = 0; k < charges.length; k += 2) lines.push(`M  CHG  1 ${pad(charges[k] + 1, 3)} ${pad(charges[k + 1], 3)}`);
  return lines.concat("M  END", "$$$$", "").join("\n");
}

function toXyz(id, frame, symbols) {
  const cell = cellOf(frame);
  const lattice = cell ? `Lattice="${cell.flat().join(" ")}" pbc="T T T" ` : "";
  const lines = [String(frame.z.length), `${lattice}Properties=species:S:1:pos:R:3 system_id=${plainName(id)}`];
  cartesian(frame).forEach((p, k) => lines.push([symbols[frame.z[k]][0], ...p.map((v) => v.toFixed(6))].join(" ")));
  return lines.join("\n") + "\n";
}

const WRITERS = { cif: toCif, sdf: toSdf, xyz: toXyz };
const formatsOf = (frame) => (frame.c ? ["cif", "xyz"] : ["sdf", "xyz"]);

function toCsv(names, rows) {
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (/^'*[=+@\t\r-]./.test(text) && Number.isNaN(Number(text))) text = `'${text}`; // a spreadsheet would compute it
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function saveFile(name, text, type = "text/plain") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
