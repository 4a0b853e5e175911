// What is shown now: panel, hidden methods, theme. Everything that draws listens here.

const PANEL = ["pair", "allocation", "protocol"];
const state = { hidden: new Set() };
const listeners = [];
const changed = () => listeners.forEach((listener) => listener());

const inPanel = (row) => PANEL.every((name) => row[name] === state[name]);
const shownMeans = () => means.filter((row) => inPanel(row) && !state.hidden.has(row.label));

// Fills a select; one that leaves no choice isn't shown.
function fill(select, values, text = String) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => element("option", text(value), { value })));
  if (values.map(String).includes(before)) select.value = before;
  const label = select.closest("label");
  if (label) label.hidden = values.length < 2;
}

// A pair may have other allocations and protocols than the one before it.
function choosePanel() {
  let rows = means;
  for (const name of PANEL) {
    const select = document.getElementById(name);
    fill(select, distinct(rows, name));
    state[name] = select.value;
    rows = rows.filter((row) => row[name] === state[name]);
  }
  document.getElementById("controls").hidden = PANEL.every(
    (name) => distinct(means, name).length < 2,
  );
  for (const figure of document.querySelectorAll("figure[data-pair]")) {
    const { pair, allocation, protocol } = figure.dataset;
    figure.hidden =
      pair !== state.pair ||
      (allocation !== undefined && allocation !== state.allocation) ||
      (protocol !== undefined && protocol !== state.protocol);
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  const dark = isDark();
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(dark));
  for (const mark of document.querySelectorAll(".glyph")) {
    const colour = dark ? mark.dataset.dark : mark.dataset.light;
    mark.setAttribute("stroke", colour);
    mark.setAttribute("fill", colour);
  }
}

function startTheme() {
  document.getElementById("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    showTheme();
    changed();
  });
  showTheme();
}

// A button for each method of the panel: shows or hides its line; pointing at it sets it apart.
function drawLegend() {
  const box = document.getElementById("legend");
  if (!box) return;
  const focused = document.activeElement?.dataset?.label;
  const labels = distinct(means.filter(inPanel), "label");
  const buttons = labels.map((label) => {
    const shown = !state.hidden.has(label);
    const button = element("button", [glyph(label), label], {
      type: "button",
      "aria-pressed": String(shown),
      "data-label": label,
    });
    button.addEventListener("click", () => {
      if (shown) state.hidden.add(label);
      else state.hidden.delete(label);
      changed();
    });
    for (const event of ["pointerenter", "focus"]) {
      button.addEventListener(event, () => setApart(label));
    }
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => setApart(""));
    return button;
  });
  const all = element("button", state.hidden.size ? "Show all" : "Hide all", {
    type: "button",
    class: "all",
    "data-label": "",
  });
  all.addEventListener("click", () => {
    state.hidden = new Set(state.hidden.size ? [] : labels);
    changed();
  });
  box.replaceChildren(...buttons, all);
  if (focused !== undefined) {
    [...box.children].find((button) => button.dataset.label === focused)?.focus();
  }
}

function glyph(label) {
  const look = source.looks[label];
  const make = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const colour = isDark() ? look.dark : look.light;
  const svg = make("svg", {
    ...{ class: "glyph", viewBox: "-16 -8 32 16", width: 32, height: 16, "aria-hidden": "true" },
    ...{ stroke: colour, fill: colour, "data-light": look.light, "data-dark": look.dark },
  });
  const dashes = look.dash.length ? { "stroke-dasharray": look.dash.join(" ") } : {};
  svg.append(
    make("line", { x1: -15, x2: 15, "stroke-width": 2, ...dashes }),
    make("path", { d: look.path, transform: "scale(5)", "stroke-width": 0 }),
  );
  return svg;
}

// The sparsities that a chart can show one at a time.
function chooseSparsities() {
  const sparsities = distinct(means.filter(inPanel), "sparsity").sort((a, b) => a - b);
  const text = (value) => (value === "" ? "all" : percent(value));
  for (const select of document.querySelectorAll("[data-sparsities]")) {
    const all = select.dataset.sparsities === "one or all";
    const fresh = !select.options.length;
    fill(select, all ? [...sparsities, ""] : sparsities, text);
    // Where methods part is more telling than where all of them still hold.
    if (fresh) select.value = String(sparsities[Math.floor(sparsities.length * 0.6)]);
  }
}
