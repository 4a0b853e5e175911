// What share of its time each method spends in each phase, or how long it takes in seconds.

function phases() {
  const sparsity = Number(document.getElementById("phases-sparsity").value);
  const name = document.querySelector("[name=length]:checked").value;
  const means = shownMeans().filter(
    (row) => row.sparsity === sparsity && row.gradients_seconds_median !== null && hasLength(row),
  );
  const rows = means.flatMap((row) => divided(row, name));
  if (!rows.length) return null;
  const labels = distinct(means, "label");
  const names = Object.keys(source.parts);
  const title = { share: "Share of the pruning time (%)", seconds: "Pruning time (s)" }[name];
  const y = { field: "label", type: "nominal", sort: labels, title: null, axis: { labelLimit: 260 } };
  const x = {
    ...{ field: "length", type: "quantitative", title },
    axis: { tickCount: 6, format: "~r" },
  };
  const range = names.map((part) =>
    part === "rest" ? tone("--paper") : source.parts[part][isDark() ? "dark" : "light"],
  );
  return {
    description: `Phases of the pruning time of ${labels.join(", ")} at ${percent(sparsity)}`,
    height: 95 + 27 * labels.length,
    data: { values: rows },
    params: [FOCUS],
    layer: [
      {
        mark: { type: "bar", stroke: tone("--quiet"), strokeWidth: 0.6, tooltip: { content: "data" } },
        encoding: {
          y,
          x: { ...x, stack: "zero", scale: name === "share" ? { domain: [0, 100] } : {} },
          order: { field: "order" },
          color: {
            ...{ field: "part", type: "nominal", scale: { domain: names, range } },
            legend: { title: null, orient: "top", symbolStrokeColor: tone("--quiet"), symbolType: "square" },
          },
          opacity: apart(1, 0.25),
        },
      },
      {
        transform: [{ filter: "datum.last" }],
        mark: { type: "text", align: "left", dx: 6, color: tone("--ink"), tooltip: null, clip: false },
        encoding: { y, x: { field: "end", type: "quantitative", title }, text: { field: "whole" } },
      },
    ],
  };
}

// A bar of no length has no shares.
const hasLength = (row) =>
  Object.keys(source.parts).some((part) => row[`${part}_seconds_median`] > 0);

// A row for each part of a bar, with the whole at the end of the last one.
function divided(row, name) {
  const seconds = Object.keys(source.parts).map((part) => [part, row[`${part}_seconds_median`]]);
  const sum = seconds.reduce((before, [, value]) => before + value, 0);
  const scale = name === "share" ? 100 / sum : 1;
  const shares = seconds.map(([part, value]) => [
    part,
    `${lasting(value)}, ${Math.round((100 * value) / sum)} %`,
  ]);
  const whole = lasting(row.prune_seconds_median);
  return seconds.map(([part, value], order) => ({
    ...{ label: row.label, part, order, length: value * scale, whole },
    ...{ last: order === seconds.length - 1, end: sum * scale },
    tip: [`${row.label}, ${percent(row.sparsity)}`, ["whole", whole], ...shares],
  }));
}
