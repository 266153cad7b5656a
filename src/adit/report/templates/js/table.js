// A table of many rows: sorted and filtered by index, and only the rows in sight are in the document.
const ROW = 31;
const WIDTH = { number: 84, flag: 80, status: 112, formula: 150, id: 132, code: 210, text: 260 };
const UNIT_WIDTH = 46;
const missing = (value) => value === null || value === undefined || value === "";

function shownNumber(value, digits) {
  return value.toFixed(digits).replace("-", "−").replace(/\B(?=(\d{3})+(?!\d)(?=\.|$))/g, "\u202f");
}

function fillCell(cell, column, value) {
  cell.className = column.type;
  if (missing(value)) { cell.textContent = column.type === "text" ? "" : "—"; cell.classList.add("missing"); return; }
  if (column.type === "number") cell.textContent = shownNumber(value, column.digits);
  else if (column.type === "flag") {
    cell.textContent = value ? "✓" : "✗";
    cell.classList.add(value ? "good" : "bad");
    cell.setAttribute("aria-label", value ? "yes" : "no");
  } else if (column.type === "status") {
    cell.textContent = String(value).replaceAll("_", " ");
    const good = ["ok", "converged"].includes(value), bad = ["failed", "timeout", "refused", "crashed"].includes(value);
    cell.classList.add(good ? "good" : bad ? "bad" : value === "unconverged" ? "fair" : "idle");
  } else if (column.type === "formula") {
    String(value).split(/(?<=[A-Za-z)])(\d+)/).forEach((part, k) => {
      if (!part) return;
      if (k % 2) { const sub = document.createElement("sub"); sub.textContent = part; cell.append(sub); }
      else cell.append(part);
    });
  } else { cell.textContent = String(value); cell.title = String(value); }
}

// Conditions on numbers: "<0.1", ">= 2", "-1..0.5", "3"; on flags: "yes", "no"; else a part of the text.
function condition(column, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  if (wanted === "?") return missing;
  if (column.type === "flag") return wanted === "yes" ? (v) => v === 1 : (v) => v === 0;
  if (column.type !== "number") return (v) => !missing(v) && String(v).toLowerCase().includes(wanted);
  const plain = wanted.replaceAll("−", "-").replaceAll(" ", "");
  const range = /^(-?[\d.e+-]+?)\.\.(-?[\d.e+-]+)$/.exec(plain);
  const sign = /^(<=|>=|<|>|=|≤|≥)?(-?[\d.]+(?:e[+-]?\d+)?)$/.exec(plain);
  if (range) {
    const [low, high] = [Number(range[1]), Number(range[2])];
    return Number.isNaN(low + high) ? undefined : (v) => !missing(v) && v >= low && v <= high;
  }
  if (!sign || Number.isNaN(Number(sign[2]))) return undefined; // cannot be read: shown as wrong, filters nothing
  const limit = Number(sign[2]);
  const tests = { "<": (v) => v < limit, "<=": (v) => v <= limit, "≤": (v) => v <= limit, ">": (v) => v > limit, ">=": (v) => v >= limit, "≥": (v) => v >= limit };
  const test = tests[sign[1]] ?? ((v) => v === limit);
  return (v) => !missing(v) && test(v);
}

class RowTable {
  constructor(root, data, open) {
    Object.assign(this, { root, data, open, texts: new Map(), anywhere: "", sorted: null, active: 0, picked: new Set() });
    this.box = root.querySelector(".rows");
    this.order = Array.from({ length: data.rows }, (_, k) => k);
    this.table = document.createElement("table");
    this.table.setAttribute("role", "grid");
    this.box.append(this.table);
    this.box.addEventListener("scroll", () => this.draw());
    this.box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.columns = data.columns.filter((column) => column.shown);
    this.build();
    this.filter();
  }

  value(column, row) { return this.data.values[column.name][row]; }

  build() {
    this.table.replaceChildren();
    const group = document.createElement("colgroup");
    const head = this.table.createTHead();
    const titles = head.insertRow(), filters = head.insertRow();
    filters.className = "filters";
    const widths = [34, ...this.columns.map((column) => WIDTH[column.type] + (column.unit ? UNIT_WIDTH : 0))];
    for (const width of widths) { const col = document.createElement("col"); col.style.width = `${width}px`; group.append(col); }
    this.table.prepend(group);
    this.table.style.width = `${widths.reduce((a, b) => a + b)}px`;
    const corner = document.createElement("th");
    this.all = Object.assign(document.createElement("input"), { type: "checkbox", ariaLabel: "select all rows that pass the filters" });
    this.all.addEventListener("change", () => { for (const row of this.order) this.all.checked ? this.picked.add(row) : this.picked.delete(row); this.tell(); this.draw(true); });
    corner.append(this.all);
    titles.append(corner);
    filters.append(document.createElement("th"));
    for (const column of this.columns) {
      titles.append(this.title(column));
      filters.append(this.field(column));
    }
    this.body = this.table.createTBody();
    this.table.setAttribute("aria-colcount", widths.length);
  }

  title(column) {
    const th = Object.assign(document.createElement("th"), { scope: "col", title: column.hint || column.name, className: column.type });
    th.dataset.column = column.name;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: column.title });
    if (column.unit) button.append(Object.assign(document.createElement("small"), { textContent: column.unit }));
    button.addEventListener("click", () => this.sort(column));
    th.append(button);
    if (this.sorted?.name === column.name) th.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
    return th;
  }

  field(column) {
    const th = document.createElement("th");
    const flag = column.type === "flag";
    const input = document.createElement(flag ? "select" : "input");
    input.ariaLabel = `filter ${column.title}`;
    input.dataset.filter = column.name;
    if (flag) for (const [value, text] of [["", "all"], ["yes", "✓"], ["no", "✗"], ["?", "—"]]) input.add(new Option(text, value));
    else input.placeholder = column.type === "number" ? "<0.1" : "text";
    input.value = this.texts.get(column.name) ?? "";
    input.addEventListener("input", () => { this.texts.set(column.name, input.value); this.filter(); });
    th.append(input);
    return th;
  }

  filter() {
    const tests = [];
    for (const column of this.data.columns) {
      const test = condition(column, this.texts.get(column.name) ?? "");
      this.table.querySelector(`[data-filter="${CSS.escape(column.name)}"]`)?.classList.toggle("wrong", test === undefined);
      if (test) tests.push([this.data.values[column.name], test]);
    }
    const words = this.anywhere.toLowerCase();
    const texts = this.data.columns.filter((column) => column.type !== "number" && column.type !== "flag").map((column) => this.data.values[column.name]);
    const passes = (row) => tests.every(([values, test]) => test(values[row]))
      && (!words || texts.some((values) => !missing(values[row]) && String(values[row]).toLowerCase().includes(words)));
    this.order = Array.from({ length: this.data.rows }, (_, k) => k).filter(passes);
    this.arrange();
  }

  sort(column) {
    const down = this.sorted?.name === column.name && !this.sorted.down;
    this.sorted = { name: column.name, down };
    for (const th of this.table.tHead.rows[0].cells) {
      if (th.dataset.column === column.name) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    this.arrange();
  }

  arrange() {
    if (this.sorted) {
      const values = this.data.values[this.sorted.name], way = this.sorted.down ? -1 : 1;
      this.order.sort((a, b) => {
        const x = values[a], y = values[b];
        if (missing(x) || missing(y)) return missing(x) - missing(y) || a - b; // what is missing comes last, both ways
        return (typeof x === "number" ? x - y : x < y ? -1 : x > y ? 1 : 0) * way || a - b;
      });
    } else this.order.sort((a, b) => a - b);
    this.box.scrollTop = 0;
    this.active = 0;
    this.tell();
    this.draw(true);
  }

  tell() {
    const n = (value) => shownNumber(value, 0);
    const picked = this.picked.size ? `, ${n(this.picked.size)} selected` : "";
    this.root.querySelector(".count").textContent = `${n(this.order.length)} of ${n(this.data.rows)} ${this.data.rows === 1 ? "row" : "rows"}${picked}`;
    this.all.checked = this.order.length > 0 && this.order.every((row) => this.picked.has(row));
    this.table.setAttribute("aria-rowcount", this.order.length + 2);
  }

  draw(force = false) {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 8);
    const last = Math.min(this.order.length, first + Math.ceil((this.box.clientHeight || 600) / ROW) + 16);
    if (!force && this.drawn?.[0] === first && this.drawn[1] === last) return;
    this.drawn = [first, last];
    const rows = [this.spacer(first)];
    for (let place = first; place < last; place++) rows.push(this.row(place));
    rows.push(this.spacer(this.order.length - last));
    this.body.replaceChildren(...rows.filter(Boolean));
  }

  spacer(count) {
    if (!count) return null;
    const row = document.createElement("tr");
    row.className = "spacer";
    row.setAttribute("aria-hidden", "true");
    row.style.height = `${count * ROW}px`;
    return row;
  }

  row(place) {
    const index = this.order[place];
    const row = document.createElement("tr");
    row.dataset.row = index;
    row.setAttribute("aria-rowindex", place + 3);
    row.setAttribute("aria-selected", this.picked.has(index));
    if (index === this.shown) row.classList.add("shown");
    if (place === this.active) row.classList.add("active");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: this.picked.has(index), ariaLabel: `select ${this.data.values.system_id[index]}`, tabIndex: -1 });
    box.addEventListener("change", () => this.pick(index));
    row.insertCell().append(box);
    for (const column of this.columns) fillCell(row.insertCell(), column, this.value(column, index));
    row.addEventListener("click", (event) => { if (event.target !== box) { this.active = place; this.choose(index); } });
    return row;
  }

  pick(index) {
    this.picked.has(index) ? this.picked.delete(index) : this.picked.add(index);
    this.tell();
    this.draw(true);
  }

  choose(index) {
    this.shown = index;
    this.draw();
    const active = String(this.order[this.active]);
    for (const row of this.body.rows) { // marked in place: a row that is being clicked must not be replaced
      row.classList.toggle("shown", row.dataset.row === String(index));
      row.classList.toggle("active", row.dataset.row === active);
    }
    this.open(index);
  }

  reveal(index) {
    let place = this.order.indexOf(index);
    if (place < 0) { this.clear(); place = this.order.indexOf(index); }
    this.active = place;
    this.box.scrollTop = Math.max(0, place * ROW - this.box.clientHeight / 2);
    this.choose(index);
  }

  clear() {
    this.texts.clear();
    this.anywhere = "";
    for (const field of this.root.querySelectorAll("thead input:not([type=checkbox]), thead select, .anywhere")) field.value = "";
    this.filter();
  }

  key(event) {
    if (event.target !== this.box) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 3);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      this.active = Math.max(0, Math.min(this.order.length - 1, this.active + steps[event.key]));
      const top = this.active * ROW, height = this.box.clientHeight - 3 * ROW;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top > this.box.scrollTop + height) this.box.scrollTop = top - height;
      this.draw(true);
    } else if (event.key === "Enter" && this.order.length) this.choose(this.order[this.active]);
    else if (event.key === " " && this.order.length) this.pick(this.order[this.active]);
    else return;
    event.preventDefault();
  }
}
