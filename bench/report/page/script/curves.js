// Points joined to lines, a line for each method, with a band from the worst to the best seed.

const upright = (kind) => ({
  ...{ type: "quantitative", title: kind.y.title },
  scale: kind.y.scale === "log" ? { type: "log", nice: true } : { zero: false, nice: true },
});

// A row of the summary as a point of this kind; x is null where the axis has no place for it.
function point(kind, row) {
  const value = row[kind.x.column];
  const known = value !== null && (kind.x.scale !== "log" || value > 0);
  const [low, high] = kind.band;
  return {
    label: row.label,
    x: known ? +(value * kind.x.times).toPrecision(10) : null,
    y: row[kind.y.column],
    low: row[low],
    high: row[high],
    partial: row.status === "partial",
    tip: tip(kind, row),
  };
}

// Every seed, beneath the mean.
function tip(kind, row) {
  const { column, unit } = kind.y;
  const text = unit === "%" ? fixed : written(unit);
  const sign = unit === "%" ? " %" : "";
  const deviation = row[column.replace("_mean", "_std")];
  const spread = deviation === null ? "" : ` ± ${text(deviation)}`;
  const lines = row.seeds.map(([seed, value]) => [`seed ${seed}`, `${text(value)}${sign}`]);
  if (row.problems) lines.push(["without result", row.problems]);
  return [
    `${row.label}, ${percent(row.sparsity)}`,
    ["mean", `${text(row[column])}${spread}${sign}`],
    ...lines,
    ["compression", `${fixed(row.compression_mean)}×`],
  ];
}

FORMS.curves = (kind, legend) => {
  const rows = shownMeans().map((row) => point(kind, row));
  const known = rows.filter((row) => row.y !== null && row.x !== null);
  if (!known.length) return null;
  const labels = distinct(rows, "label");
  const { ticks, title, unit } = kind.x;
  const values = ticks.length ? within(ticks, known.map((row) => row.x)) : distinct(rows, "x");
  const expression = unit === "×" ? "datum.value + '×'" : "datum.value";
  const scale = kind.x.scale === "log" ? { type: "log", nice: false } : { zero: false };
  const x = {
    ...{ field: "x", type: "quantitative", title, scale: { ...scale, padding: 14 } },
    axis: {
      ...{ values, labelExpr: expression, labelOverlap: "greedy", labelSeparation: 4 },
      labelFlush: false,
    },
  };
  const Y = upright(kind);
  const y = { field: "y", ...Y };
  return {
    description: `${kind.y.name} of ${labels.join(", ")} on ${state.pair}, ${title}`,
    data: { values: gaps(rows) },
    params: [FOCUS],
    layer: [
      {
        transform: [{ filter: "datum.y !== null" }],
        mark: { type: "area", tooltip: null },
        encoding: {
          x,
          y: { field: "low", ...Y },
          y2: { field: "high" },
          color: look("color", labels, legend),
          detail: { field: "piece" },
          opacity: apart(0.13, 0.03),
        },
      },
      {
        transform: [{ filter: "datum.y !== null" }],
        mark: { type: "line", strokeWidth: 2 },
        encoding: {
          x,
          y,
          color: look("color", labels, legend),
          strokeDash: look("strokeDash", labels, legend),
          detail: { field: "piece" },
          opacity: apart(1, 0.12),
        },
      },
      {
        ...points({ x, y }, labels, legend),
        transform: [{ filter: "datum.y !== null" }],
      },
      ...dense(kind),
    ],
  };
};

const within = (ticks, values) =>
  ticks.filter((tick) => tick >= Math.min(...values) * 0.9 && tick <= Math.max(...values) * 1.1);

// A row without a result ends one piece of its line.
function gaps(rows) {
  const pieces = new Map();
  return rows.map((row) => {
    const piece = (pieces.get(row.label) ?? 0) + (row.y === null || row.x === null);
    pieces.set(row.label, piece);
    return { ...row, piece };
  });
}

function dense(kind) {
  const value = source.dense[state.pair];
  if (value === null) return [];
  return [
    {
      data: { values: [{ y: value }] },
      mark: { type: "rule", strokeDash: [6, 4], color: tone("--quiet"), tooltip: null },
      encoding: { y: { field: "y", ...upright(kind) } },
    },
  ];
}
