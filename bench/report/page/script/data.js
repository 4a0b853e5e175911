// The records and means as rows, and how numbers are written.

const source = JSON.parse(document.getElementById("data").textContent);
const records = unpack(source.records);
const means = unpack(source.means).map((row, i) => ({
  ...row,
  seeds: source.seeds[i],
  layers: source.layers.rows[i],
}));

function unpack(columns) {
  const names = Object.keys(columns);
  const read = names.map((name) => {
    const column = columns[name];
    return Array.isArray(column) ? (i) => column[i] : (i) => column.values[column.index[i]];
  });
  const first = columns[names[0]];
  const length = (Array.isArray(first) ? first : first.index).length;
  return Array.from({ length }, (_, i) =>
    Object.fromEntries(names.map((name, k) => [name, read[k](i)])),
  );
}

const distinct = (rows, name) => [...new Set(rows.map((row) => row[name]))];
const percent = (fraction) => `${+(100 * fraction).toPrecision(14)} %`;

function fixed(value, digits = 2) {
  return value === null ? "–" : value.toFixed(digits);
}

// Three significant digits with the unit's prefix: 1.2 M, 45 k.
function counted(value) {
  if (value === null) return "–";
  if (value === 0) return "0";
  for (const [size, sign] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${sign}`;
  }
  return `${+value.toPrecision(3)}`;
}

function lasting(seconds) {
  if (seconds === null) return "–";
  if (seconds >= 60) return `${+(seconds / 60).toPrecision(3)} min`;
  return seconds >= 1 ? `${+seconds.toPrecision(3)} s` : `${+(seconds * 1e3).toPrecision(3)} ms`;
}

const mebibytes = (bytes) => (bytes === null ? "–" : `${+(bytes / 2 ** 20).toPrecision(3)} MiB`);

// How values of a unit are written; whoever declares a field of a record names its unit.
const WRITTEN = {
  "%": fixed,
  nats: (value) => fixed(value, 3),
  "×": (value) => (value === null ? "–" : `${fixed(value)}×`),
  s: lasting,
  bytes: mebibytes,
};
const written = (unit) => (value) => {
  if (typeof value === "string") return value;
  return (WRITTEN[unit] ?? counted)(value);
};

// An element with text for a text and children for a list; never markup from data.
function element(tag, content = "", attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}
