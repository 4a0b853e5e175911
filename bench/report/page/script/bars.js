// Bars that are divided into parts: what share of the whole each part is, or how large it is.

FORMS.bars = (kind) => {
  const sparsity = Number(chosenSparsity(kind));
  const [first] = Object.values(kind.parts);
  const means = shownMeans().filter(
    (row) => row.sparsity === sparsity && row[first] !== null && hasLength(kind, row),
  );
  const rows = means.flatMap((row) => divided(kind, row));
  if (!rows.length) return null;
  const labels = distinct(means, "label");
  const names = Object.keys(kind.parts);
  const { title } = kind.x;
  const y = { field: "label", type: "nominal", sort: labels, title: null, axis: { labelLimit: 260 } };
  const x = {
    ...{ field: "length", type: "quantitative", title },
    axis: { tickCount: 6, format: "~r" },
  };
  const range = names.map((part) =>
    part === "rest" ? tone("--paper") : source.parts[part][isDark() ? "dark" : "light"],
  );
  return {
    description: `${title} of ${labels.join(", ")} at ${percent(sparsity)}, by ${names.join(", ")}`,
    height: 95 + 27 * labels.length,
    data: { values: rows },
    params: [FOCUS],
    layer: [
      {
        mark: { type: "bar", stroke: tone("--quiet"), strokeWidth: 0.6, tooltip: { content: "data" } },
        encoding: {
          y,
          x: { ...x, stack: "zero", scale: kind.share ? { domain: [0, 100] } : {} },
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
};

// A bar of no length has no shares.
const hasLength = (kind, row) => Object.values(kind.parts).some((column) => row[column] > 0);

// A row for each part of a bar, with the whole at the end of the last one.
function divided(kind, row) {
  const parts = Object.entries(kind.parts).map(([part, column]) => [part, row[column]]);
  const sum = parts.reduce((before, [, value]) => before + value, 0);
  const scale = kind.share ? 100 / sum : kind.x.times;
  const shares = parts.map(([part, value]) => [
    part,
    `${lasting(value)}, ${Math.round((100 * value) / sum)} %`,
  ]);
  const whole = lasting(row[kind.whole]);
  return parts.map(([part, value], order) => ({
    ...{ label: row.label, part, order, length: value * scale, whole },
    ...{ last: order === parts.length - 1, end: sum * scale },
    tip: [`${row.label}, ${percent(row.sparsity)}`, ["whole", whole], ...shares],
  }));
}
