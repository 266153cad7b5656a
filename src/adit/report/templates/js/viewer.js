// The interactive picture of a structure (3Dmol.js, loaded when the first one is asked for).
const loading = new Map();
function loadScript(url) {
  if (!loading.has(url)) {
    loading.set(url, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => { loading.delete(url); reject(new Error(`${url} is missing beside this page`)); };
      document.head.append(script);
    }));
  }
  return loading.get(url);
}

// Atoms on the faces of the cell are repeated, and the cell itself n times along each axis.
function shownAtoms(frame, repeat) {
  const cell = cellOf(frame);
  if (!cell) return { z: frame.z, points: cartesian(frame) };
  const z = [], points = [];
  fractional(frame).forEach((raw, k) => {
    const f = raw.map((v) => { const w = v - Math.floor(v); return w > 0.985 ? w - 1 : w; });
    const steps = f.map((v) => Array.from({ length: repeat + (v < 0.015 ? 1 : 0) }, (_, n) => n));
    for (const i of steps[0]) for (const j of steps[1]) for (const m of steps[2]) {
      z.push(frame.z[k]);
      points.push(times([f[0] + i, f[1] + j, f[2] + m], cell));
    }
  });
  return { z, points };
}

class Viewer {
  constructor(host) {
    this.host = host;
    this.look = "balls";
    this.repeat = 1;
  }

  async show(frame, symbols, id, keepView = false) {
    this.last = [frame, symbols, id];
    try {
      await loadScript("assets/3Dmol-min.js");
      this.gl ??= $3Dmol.createViewer(this.host, { backgroundAlpha: 0, antialias: true });
    } catch (error) {
      this.host.textContent = `No 3D view: ${error.message ?? error}`;
      return;
    }
    if (this.last[0] !== frame) return; // another one was asked for meanwhile
    const gl = this.gl;
    const view = keepView ? gl.getView() : null;
    gl.removeAllModels();
    gl.removeAllShapes();
    if (frame.b) gl.addModel(toSdf(id, frame, symbols), "sdf");
    else {
      const { z, points } = shownAtoms(frame, this.repeat);
      const lines = points.map((p, k) => `${symbols[z[k]][0]} ${p.join(" ")}`);
      gl.addModel([z.length, "", ...lines].join("\n"), "xyz");
    }
    const balls = { stick: { radius: 0.12, colorscheme: "Jmol" }, sphere: { scale: 0.28, colorscheme: "Jmol" } };
    gl.setStyle({}, this.look === "balls" ? balls : { sphere: { scale: 0.9, colorscheme: "Jmol" } });
    this.cell(cellOf(frame));
    if (view) gl.setView(view);
    else { gl.zoomTo(); if (frame.c) { gl.rotate(-75, "x"); gl.rotate(-20, "y"); } gl.zoom(0.92); }
    gl.render();
    this.host.dataset.shown = id;
  }

  cell(cell) {
    if (!cell) return;
    const colour = getComputedStyle(this.host).color;
    const corner = (bits) => times([bits & 1, (bits >> 1) & 1, (bits >> 2) & 1], cell);
    const point = ([x, y, z]) => ({ x, y, z });
    for (let i = 0; i < 8; i++) for (const bit of [1, 2, 4]) {
      if (!(i & bit)) this.gl.addCylinder({ start: point(corner(i)), end: point(corner(i | bit)), radius: 0.035, color: colour });
    }
  }

  again() { if (this.last) this.show(...this.last, false); }
}
