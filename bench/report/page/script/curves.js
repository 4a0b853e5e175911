// Accuracy against sparsity or compression: a line a method, a band from worst to best seed.

const Y = { type: "quantitative", title: "Test accuracy (%)", scale: { zero: false, nice: true } };

function curveRow(row, x) {
  return {
    label: row.label,
    x,
    y: row.accuracy_mean,
    low: row.accuracy_min,
    high: row.accuracy_max,
    partial: row.status === "partial",
    tip: tip(row),
  };
}

// Every seed, beneath the mean.
function tip(row) {
  const spread = row.accuracy_std === null ? "" : ` ± ${fixed(row.accuracy_std)}`;
  const lines = row.seeds.map(([seed, accuracy]) => [`seed ${seed}`, `${fixed(accuracy)} %`]);
  if (row.problems) lines.push(["without result", row.problems]);
  return [
    `${row.label}, ${percent(row.sparsity)}`,
    ["mean", `${fixed(row.accuracy_mean)}${spread} %`],
    ...lines,
    ["compression", `${fixed(row.compression_mean)}×`],
  ];
}

const AXES = {
  sparsity: {
    title: "Sparsity (% of prunable weights removed)",
    of: (row) => +(100 * row.sparsity).toPrecision(10),
    scale: { zero: false, padding: 14 },
  },
  compression: {
    title: "Compression ratio (all parameters over those kept)",
    of: (row) => row.compression_mean,
    scale: { type: "log", nice: false, padding: 14 },
    ticks: [1, 1.2, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000],
  },
};

function curves(legend) {
  const axis = AXES[document.querySelector("[name=axis]:checked").value];
  const rows = shownMeans().map((row) => curveRow(row, axis.of(row)));
  const known = rows.filter((row) => row.y !== null && row.x !== null);
  if (!known.length) return null;
  const labels = distinct(rows, "label");
  const values = axis.ticks
    ? within(axis.ticks, known.map((row) => row.x))
    : distinct(rows, "x");
  const expression = axis.ticks ? "datum.value + '×'" : "datum.value";
  const x = {
    ...{ field: "x", type: "quantitative", title: axis.title, scale: axis.scale },
    axis: { values, labelExpr: expression, labelOverlap: "greedy", labelFlush: false },
  };
  const y = { field: "y", ...Y };
  return {
    description: `Test accuracy of ${labels.join(", ")} on ${state.pair}, ${axis.title}`,
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
      ...dense(),
    ],
  };
}

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

function dense() {
  const value = source.dense[state.pair];
  if (value === null) return [];
  return [
    {
      data: { values: [{ y: value }] },
      mark: { type: "rule", strokeDash: [6, 4], color: tone("--quiet"), tooltip: null },
      encoding: { y: { field: "y", ...Y } },
    },
  ];
}
