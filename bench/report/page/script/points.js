// Points at their cost, with the Pareto front.

FORMS.points = (kind, legend) => {
  const sparsity = chosenSparsity(kind);
  const { column, name, title, unit } = kind.x;
  const rows = shownMeans()
    .filter((row) => sparsity === "" || row.sparsity === Number(sparsity))
    .map((row) => ({ ...point(kind, row), cost: row[column] }))
    .filter((row) => row.y !== null && row.x !== null)
    .map((row) => ({ ...row, tip: [...row.tip, [name, written(unit)(row.cost)]] }));
  if (!rows.length) return null;
  const labels = distinct(rows, "label");
  const scale = kind.x.scale === "log" ? { type: "log", nice: false } : { zero: false };
  const x = {
    ...{ field: "x", type: "quantitative", title, scale: { ...scale, padding: 20 } },
    axis: { format: unit === "FLOPs" ? "~s" : "~g", labelOverlap: "greedy", tickCount: 8 },
  };
  const Y = upright(kind);
  const y = { field: "y", ...Y };
  return {
    description: `${kind.y.name} of ${labels.join(", ")} on ${state.pair} against ${title}`,
    data: { values: rows },
    params: [FOCUS],
    layer: [
      ...(kind.front ? [{
        data: { values: front(kind, rows) },
        mark: { type: "line", interpolate: "step-after", color: tone("--quiet"), opacity: 0.6 },
        encoding: { x, y },
      }] : []),
      {
        mark: { type: "rule", strokeWidth: 1.2 },
        encoding: {
          x,
          y: { field: "low", ...Y },
          y2: { field: "high" },
          color: look("color", labels, legend),
          opacity: apart(0.6, 0.1),
        },
      },
      points({ x, y }, labels, legend, 110),
      ...dense(kind),
    ],
  };
};

// The points that no cheaper one reaches, from the cheapest on.
function front(kind, rows) {
  const merit = (row) => (kind.lower ? -row.y : row.y);
  const sorted = [...rows].sort((a, b) => a.x - b.x || merit(b) - merit(a));
  let best = -Infinity;
  return sorted
    .filter((row) => merit(row) > best && ((best = merit(row)), true))
    .map(({ x, y }) => ({ x, y }));
}
