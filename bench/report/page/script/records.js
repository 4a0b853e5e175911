// The table of all records: filtered, sorted, a page at a time. What is listed beside the identity
// of a record is what the fields of records declare for it.

const PAGE = 50;
const COLUMNS = [
  ["label", "method", String],
  ["pair", "pair", String],
  ["allocation", "allocation", String],
  ["protocol", "protocol", String],
  ["sparsity", "sparsity", percent],
  ["seed", "seed", String],
  ["status", "status", (value) => (value === "missing" ? "has not run" : value)],
  ...source.listed.map(({ name, heading, unit }) => [name, heading, written(unit)]),
  ["reason", "reason and notes", String],
  ["key", "record", String],
];
// A column that says the same in every row is left out.
const LISTED = COLUMNS.filter(
  ([name]) => !PANEL.includes(name) || distinct(records, name).length > 1,
);
const isText = ([name]) => [...PANEL, "status", "reason", "key"].includes(name);
const grid = { sort: null, descending: false, page: 0, rows: records };
const words = records.map((row) =>
  [row.label, row.pair, row.allocation, row.protocol, row.status, row.reason, row.notes, row.key]
    .join("\n")
    .toLowerCase(),
);

function filtered() {
  const chosen = [...document.querySelectorAll("[data-filter]")]
    .filter((select) => select.value !== "")
    .map((select) => [select.dataset.filter, select.value]);
  const wanted = document.getElementById("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  return records.filter(
    (row, i) =>
      chosen.every(([name, value]) => String(row[name]) === value) &&
      wanted.every((word) => words[i].includes(word)),
  );
}

// Gaps come last either way.
function sorted(rows) {
  const { sort, descending } = grid;
  if (!sort) return rows;
  const sign = descending ? -1 : 1;
  const order = new Intl.Collator(undefined, { numeric: true }).compare;
  return rows.sort(({ [sort]: a }, { [sort]: b }) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" ? a - b : order(a, b));
  });
}

function refresh(page = 0) {
  grid.rows = sorted(filtered());
  grid.page = Math.min(page, Math.max(0, Math.ceil(grid.rows.length / PAGE) - 1));
  showPage();
}

function showPage() {
  const pages = Math.max(1, Math.ceil(grid.rows.length / PAGE));
  const part = grid.rows.slice(grid.page * PAGE, (grid.page + 1) * PAGE);
  document.querySelector("#grid tbody").replaceChildren(...part.map(recordRow));
  const count = grid.rows.length.toLocaleString("en");
  const found = document.getElementById("found");
  found.textContent = `${count} of ${records.length.toLocaleString("en")} cells`;
  document.getElementById("where").textContent = `Page ${grid.page + 1} of ${pages}`;
  document.getElementById("previous").disabled = grid.page === 0;
  document.getElementById("next").disabled = grid.page >= pages - 1;
  for (const head of document.querySelectorAll("#grid thead th")) {
    const direction = grid.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", head.dataset.name === grid.sort ? direction : "none");
  }
}

function recordRow(row) {
  const cells = LISTED.map(([name, , text]) => {
    if (name === "key") return element("td", [link(row)], { class: "text" });
    if (name === "label") return element("th", [glyph(row.label), row.label], { scope: "row" });
    if (name === "status") {
      const mark = element("span", text(row.status), { class: `status ${row.status}` });
      return element("td", [mark], { class: "text" });
    }
    if (name === "reason") {
      const said = [row.reason, row.notes].filter(Boolean).join("; ");
      return element("td", said, { class: "text reason", title: said });
    }
    return element("td", text(row[name]), isText([name]) ? { class: "text" } : {});
  });
  return element("tr", cells);
}

function link(row) {
  if (row.status === "missing" || source.folder === null) return row.key;
  return element("a", row.key, { href: `${source.folder}/${row.key}.json` });
}

function startRecords() {
  const heads = LISTED.map(([name, title]) => {
    const button = element("button", title, { type: "button" });
    button.addEventListener("click", () => {
      grid.descending = grid.sort === name && !grid.descending;
      grid.sort = name;
      refresh();
    });
    const kind = isText([name]) ? "text" : "number";
    const attributes = { scope: "col", "data-name": name, "aria-sort": "none", class: kind };
    return element("th", [button], attributes);
  });
  document.querySelector("#grid thead tr").replaceChildren(...heads);
  for (const select of document.querySelectorAll("[data-filter]")) {
    const values = distinct(records, select.dataset.filter);
    if (select.dataset.filter === "sparsity") values.sort((a, b) => a - b);
    const text = select.dataset.filter === "sparsity" ? percent : String;
    fill(select, ["", ...values], (value) => (value === "" ? "all" : text(value)));
    select.closest("label").hidden = values.length < 2;
  }
  const form = document.getElementById("filters");
  form.addEventListener("input", () => refresh());
  form.addEventListener("reset", () => setTimeout(refresh, 0, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    document.getElementById(id).addEventListener("click", () => {
      grid.page += step;
      showPage();
    });
  }
  document.getElementById("csv").addEventListener("click", saveTable);
  refresh();
}

// The rows that the filters leave, in their order, in full precision of the page.
function saveTable() {
  const names = Object.keys(source.records);
  const quoted = (value) => (value === null ? "" : `"${String(value).replaceAll('"', '""')}"`);
  const lines = [names, ...grid.rows.map((row) => names.map((name) => row[name]))];
  const text = lines.map((line) => line.map(quoted).join(",")).join("\r\n");
  const url = URL.createObjectURL(new Blob([`${text}\r\n`], { type: "text/csv" }));
  download(url, `${source.title}.csv`);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
