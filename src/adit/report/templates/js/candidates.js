// The candidates of a kind: table, what is known of the chosen one, its structure, and files of a selection.
const KINDS = new Map();

class Candidates {
  constructor(kind, data) {
    this.kind = kind;
    this.data = data;
    this.chunks = new Map();
    this.root = document.getElementById(`rows-${kind}`);
    this.panel = this.root.querySelector(".panel");
    this.viewer = new Viewer(this.panel.querySelector(".view"));
    this.table = new RowTable(this.root, data, (index) => this.show(index));
    this.wire();
    new IntersectionObserver((seen, watcher) => {
      if (!seen.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      if (this.table.shown === undefined && this.table.order.length) this.table.choose(this.table.order[0]);
    }).observe(this.panel);
  }

  wire() {
    const part = (selector) => this.root.querySelector(selector);
    part(".anywhere").addEventListener("input", (event) => { this.table.anywhere = event.target.value; this.table.filter(); });
    part(".clear").addEventListener("click", () => this.table.clear());
    for (const button of this.root.querySelectorAll(".preset")) {
      button.addEventListener("click", () => {
        this.table.clear();
        for (const [name, text] of Object.entries(JSON.parse(button.dataset.filters))) this.table.texts.set(name, text);
        for (const field of this.root.querySelectorAll("[data-filter]")) field.value = this.table.texts.get(field.dataset.filter) ?? "";
        this.table.filter();
      });
    }
    for (const button of this.root.querySelectorAll(".export")) {
      button.addEventListener("click", () => this.save(button.dataset.format).catch((error) => this.say(error.message)));
    }
    this.chooser(part(".columns"));
    part(".look").addEventListener("click", () => { this.viewer.look = this.viewer.look === "balls" ? "spheres" : "balls"; this.viewer.again(); });
    part(".repeat")?.addEventListener("click", () => { this.viewer.repeat = this.viewer.repeat === 1 ? 2 : 1; this.viewer.again(); });
    part(".reset").addEventListener("click", () => this.viewer.again());
  }

  say(text) { this.root.querySelector(".said").textContent = text; }

  chooser(host) {
    for (const column of this.data.columns) {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: column.shown });
      const label = document.createElement("label");
      label.append(box, ` ${column.title}`);
      label.title = column.name;
      box.addEventListener("change", () => {
        column.shown = box.checked;
        this.table.columns = this.data.columns.filter((other) => other.shown);
        this.table.build();
        this.table.draw(true);
      });
      host.append(label);
    }
  }

  id(index) { return this.data.values.system_id[index]; }

  async frames(index) {
    const chunk = Math.floor(index / this.data.chunk);
    if (!this.chunks.has(chunk)) await loadScript(`data/${this.kind}-${chunk}.js`);
    return this.chunks.get(chunk)?.[index % this.data.chunk] ?? [];
  }

  async show(index) {
    const id = this.id(index);
    const title = this.panel.querySelector("h4");
    title.replaceChildren();
    const formula = this.data.columns.find((column) => column.type === "formula");
    if (formula) { const span = document.createElement("span"); fillCell(span, formula, this.table.value(formula, index)); title.append(span, " "); }
    const small = document.createElement("span");
    small.className = "id";
    small.textContent = id;
    title.append(small);
    this.facts(index);
    let frames = [];
    try { frames = await this.frames(index); } catch (error) { this.say(error.message); }
    if (this.table.shown !== index) return;
    this.structure(id, frames);
  }

  facts(index) {
    const list = this.panel.querySelector("dl");
    list.replaceChildren();
    for (const column of this.data.columns) {
      const value = this.table.value(column, index);
      if (missing(value)) continue;
      const term = Object.assign(document.createElement("dt"), { textContent: column.unit ? `${column.title}, ${column.unit}` : column.title, title: column.hint || column.name });
      const cell = document.createElement("dd");
      fillCell(cell, column, value);
      list.append(term, cell);
    }
  }

  structure(id, frames) {
    const steps = this.panel.querySelector(".steps"), files = this.panel.querySelector(".files"), flat = this.panel.querySelector(".flat");
    steps.replaceChildren();
    files.replaceChildren();
    flat.replaceChildren();
    this.panel.classList.toggle("empty", !frames.length);
    if (!frames.length) { this.panel.dataset.shown = id; return; }
    const drawing = frames.find((frame) => frame.d);
    flat.hidden = !drawing;
    if (drawing) flat.append(drawBonds(drawing.d, `bonds of ${id}`));
    const choose = (number, keepView) => {
      [...steps.children].forEach((button, k) => button.setAttribute("aria-pressed", k === number));
      files.replaceChildren(...formatsOf(frames[number]).map((format) => this.fileButton(id, frames, number, format)));
      return this.viewer.show(frames[number], this.data.elements, id, keepView);
    };
    frames.forEach((frame, number) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: frame.l });
      if (frame.e !== undefined) button.title = `${shownNumber(frame.e, 4)} eV/atom`;
      button.addEventListener("click", () => choose(number, true));
      steps.append(button);
    });
    steps.hidden = frames.length < 2;
    choose(frames.length - 1, false).then(() => {
      if (this.id(this.table.shown) === id) this.panel.dataset.shown = id; // another one may have been chosen meanwhile
    });
  }

  fileButton(id, frames, number, format) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: format.toUpperCase(), title: `save ${frames[number].l} as ${format.toUpperCase()}` });
    button.dataset.format = format;
    const suffix = number === frames.length - 1 ? "" : `-${plainName(frames[number].l)}`;
    button.addEventListener("click", () => saveFile(`${plainName(id)}${suffix}.${format}`, WRITERS[format](id, frames[number], this.data.elements)));
    return button;
  }

  async save(format) {
    const picked = this.table.order.filter((row) => this.table.picked.has(row));
    const rows = picked.length ? picked : this.table.order;
    const name = `${this.kind}s${picked.length ? "-selected" : ""}`;
    if (format === "csv") {
      const columns = this.data.columns;
      saveFile(`${name}.csv`, toCsv(columns.map((c) => c.name), rows.map((row) => columns.map((c) => this.table.value(c, row)))), "text/csv");
      return this.say(`${rows.length} ${rows.length === 1 ? "row" : "rows"} written`);
    }
    const parts = [];
    for (const row of rows) {
      const frame = (await this.frames(row)).at(-1);
      if (frame) parts.push(WRITERS[format](this.id(row), frame, this.data.elements));
    }
    if (parts.length) saveFile(`${name}.${format}`, parts.join(format === "cif" ? "\n" : ""));
    return this.say(`${parts.length} ${parts.length === 1 ? "structure" : "structures"} written${parts.length < rows.length ? `, ${rows.length - parts.length} have none` : ""}`);
  }
}

window.adit = {
  table(kind, data) { KINDS.set(kind, new Candidates(kind, data)); openHash(); },
  structures(kind, chunk, frames) { KINDS.get(kind).chunks.set(chunk, frames); },
};

// #row=<id> opens a candidate; the cards of the gallery link there.
function openHash() {
  if (!location.hash.startsWith("#row=")) return;
  let id = location.hash.slice(5);
  try { id = decodeURIComponent(id); } catch { /* not written by this page: taken as it is */ }
  for (const one of KINDS.values()) {
    const index = one.data.values.system_id.indexOf(id);
    if (index >= 0) { one.root.scrollIntoView(); one.table.reveal(index); return; }
  }
}
addEventListener("hashchange", openHash);
