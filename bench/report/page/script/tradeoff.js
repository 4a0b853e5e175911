// Accuracy against what it costs, with the Pareto front.

const COSTS = {
  seconds: { name: "prune_seconds_median", title: "Pruning time (s, median)", text: lasting },
  flops: { name: "flops_mean", title: "FLOPs of one example, pruned model", text: counted },
  bytes: {
    name: "peak_bytes_max",
    title: "Rise of memory while pruning (MiB)",
    text: mebibytes,
    unit: 2 ** 20,
  },
};

function tradeoff(legend) {
  const cost = COSTS[document.querySelector("[name=cost]:checked").value];
  const sparsity = document.getElementById("tradeoff-sparsity").value;
  const rows = shownMeans()
    .filter((row) => sparsity === "" || row.sparsity === Number(sparsity))
    .filter((row) => row.accuracy_mean !== null && row[cost.name] > 0)
    .map((row) => ({
      ...curveRow(row, row[cost.name] / (cost.unit ?? 1)),
      tip: [...tip(row), [cost.title.replace(/ \(.*/, ""), cost.text(row[cost.name])]],
    }));
  if (!rows.length) return null;
  const labels = distinct(rows, "label");
  const x = {
    ...{ field: "x", type: "quantitative", title: cost.title },
    scale: { type: "log", nice: false, padding: 20 },
    axis: { format: cost.name === "flops_mean" ? "~s" : "~g", labelOverlap: "greedy", tickCount: 8 },
  };
  const y = { field: "y", ...Y };
  return {
    description: `Test accuracy of ${labels.join(", ")} on ${state.pair} against ${cost.title}`,
    data: { values: rows },
    params: [FOCUS],
    layer: [
      {
        data: { values: front(rows) },
        mark: { type: "line", interpolate: "step-after", color: tone("--quiet"), opacity: 0.6 },
        encoding: { x, y },
      },
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
      ...dense(),
    ],
  };
}

// The points that no cheaper one reaches in accuracy, from the cheapest on.
function front(rows) {
  const sorted = [...rows].sort((a, b) => a.x - b.x || b.y - a.y);
  let best = -Infinity;
  return sorted.filter((row) => row.y > best && ((best = row.y), true)).map(({ x, y }) => ({ x, y }));
}

function chooseSparsities() {
  const sparsities = distinct(means.filter(inPanel), "sparsity").sort((a, b) => a - b);
  const text = (value) => (value === "" ? "all" : percent(value));
  for (const [id, values] of [
    ["tradeoff-sparsity", [...sparsities, ""]],
    ["phases-sparsity", sparsities],
    ["layers-sparsity", sparsities],
  ]) {
    const select = document.getElementById(id);
    if (!select) continue;
    const fresh = !select.options.length;
    fill(select, values, text);
    // Where methods part is more telling than where all of them still hold.
    if (fresh) select.value = String(sparsities[Math.floor(sparsities.length * 0.6)]);
  }
}
