// What all charts share: embedding, theme, looks of the methods, tooltips and downloads.

const charts = {};
// How each form is drawn: (kind, legend) => a Vega-Lite specification, or null without data.
const FORMS = {};

// The kind that a section shows: the only one, or the one that the reader chose.
function chosen(section) {
  const kinds = source.kinds.filter((kind) => kind.section === section);
  const name = document.querySelector(`[name=${section}-kind]:checked`)?.value;
  const kind = kinds.find((kind) => kind.name === name) ?? kinds[0];
  // A pair that isn't judged by accuracy has an axis of its own.
  return source.judged[state.pair]?.[kind.name] ?? kind;
}

const chosenSparsity = (kind) => document.getElementById(`${kind.section}-sparsity`).value;

// Draws what a section shows now.
const show = (section) =>
  draw(section, (legend) => {
    const kind = chosen(section);
    return FORMS[kind.form](kind, legend);
  });

const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function config() {
  const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
  const [ink, quiet, line] = [tone("--ink"), tone("--quiet"), tone("--line")];
  return {
    background: tone("--paper"),
    font,
    axis: {
      ...{ labelColor: quiet, titleColor: ink, gridColor: line, domainColor: quiet },
      ...{ tickColor: quiet, labelFontSize: 12, titleFontSize: 12.5, titleFontWeight: 500 },
      ...{ titlePadding: 10, labelPadding: 5, tickSize: 4, domain: false, ticks: false },
    },
    axisX: { grid: false, domain: true, ticks: true },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, symbolSize: 70 },
    title: { color: ink, fontSize: 13, fontWeight: 600, anchor: "start" },
    view: { stroke: null },
  };
}

// Colour, marker and dashes of each method, the same as in the printed figures.
function look(channel, labels, legend) {
  const read = {
    color: (l) => (isDark() ? l.dark : l.light),
    shape: (l) => l.path,
    strokeDash: (l) => (l.dash.length ? l.dash : [1, 0]),
  }[channel];
  const range = labels.map((label) => read(source.looks[label]));
  // Vega-Lite joins the legends of all layers and warns where one of them has none.
  const shown = legend ? { title: null, columns: 4, orient: "top" } : null;
  const field = { field: "label", type: "nominal", scale: { domain: labels, range } };
  return { ...field, legend: shown };
}

const FOCUS = { name: "focus", value: "" };
const apart = (strong, weak) => ({
  condition: { test: "focus === '' || datum.label === focus", value: strong },
  value: weak,
});

// Points with the method's marker, hollow where seeds are missing; the nearest answers the pointer.
function points(encoding, labels, legend, size = 75) {
  const color = look("color", labels, legend);
  return {
    mark: { type: "point", size, strokeWidth: 1.5, tooltip: { content: "data" } },
    params: legend
      ? []
      : [{ name: "near", select: { type: "point", nearest: true, on: "pointerover" } }],
    encoding: {
      ...encoding,
      shape: look("shape", labels, legend),
      stroke: color,
      fill: { ...color, condition: { test: "datum.partial", value: tone("--paper") } },
      opacity: apart(1, 0.12),
    },
  };
}

// Draws anew; a drawing that was overtaken by a later one is thrown away.
async function draw(name, make) {
  const box = document.getElementById(`${name}-chart`);
  if (!box) return;
  const spec = make(false);
  const turn = (charts[name]?.turn ?? 0) + 1;
  charts[name]?.view?.finalize();
  charts[name] = { make, turn };
  for (const button of document.querySelectorAll(`[data-save=${name}]`)) button.disabled = !spec;
  if (!spec) {
    box.replaceChildren(element("p", "Nothing to draw here.", { class: "empty" }));
    return;
  }
  const canvas = element("div", "", { class: "canvas" });
  const made = await embed(canvas, { height: height(box), ...spec, width: box.clientWidth });
  if (charts[name].turn !== turn) return made.finalize();
  charts[name].view = made.view;
  box.setAttribute("aria-label", spec.description);
  box.replaceChildren(canvas);
}

const height = (box) => (box.classList.contains("tall") ? 1 : 0.85) * (innerWidth < 600 ? 320 : 430);

function embed(canvas, spec) {
  return vegaEmbed(canvas, { ...spec, autosize: { type: "fit", contains: "padding" } }, {
    ...{ mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false },
    ...{ config: config(), tooltip: showTip },
  });
}

function setApart(label) {
  for (const chart of Object.values(charts)) chart.view?.signal("focus", label).runAsync();
}

// The tooltip: heading and lines of the row that is nearest to the pointer.
function showTip(_, event, item, value) {
  const tip = document.getElementById("tip");
  const row = item?.datum?.datum ?? item?.datum;
  tip.hidden = !value || !row?.tip;
  if (tip.hidden) return;
  const [title, ...lines] = row.tip;
  const list = lines.flatMap(([name, text]) => [element("dt", name), element("dd", text)]);
  tip.replaceChildren(
    element("p", [glyph(row.label), title]),
    element("dl", list),
  );
  const left = event.clientX + 16 + tip.offsetWidth > innerWidth;
  const x = left ? event.clientX - tip.offsetWidth - 12 : event.clientX + 16;
  tip.style.left = `${Math.max(4, x)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4))}px`;
}

// The current view as a file, with the legend and title that stand beside it on the page.
async function save(name, format) {
  const spec = charts[name].make(true);
  const canvas = element("div");
  const title = [source.title, PANEL.map((part) => state[part]).join(", ")];
  const made = await embed(canvas, { height: 440, ...spec, title, width: 760 });
  const url = await made.view.toImageURL(format, 2);
  download(url, `${name}-${PANEL.map((part) => state[part]).join("-")}.${format}`);
  made.finalize();
}

function download(url, name) {
  const link = element("a", "", { href: url, download: name.replace(/[^\w.-]+/g, "-") });
  link.click();
}
