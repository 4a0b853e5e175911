// The sparsity of each layer under each method.

FORMS.layers = (kind, legend) => {
  const sparsity = Number(chosenSparsity(kind));
  const { column, times, title } = kind.y;
  const names = source.layers.names[state.pair] ?? [];
  const rows = shownMeans()
    .filter((row) => row.sparsity === sparsity && row[column])
    .flatMap((row) =>
      names.map((layer, k) => ({
        label: row.label,
        layer,
        y: row[column][k] === null ? null : +(times * row[column][k]).toPrecision(6),
        tip: [row.label, ["layer", layer], ["sparsity", `${fixed(times * row[column][k])} %`]],
      })),
    )
    .filter((row) => row.y !== null);
  if (!rows.length) return null;
  const labels = distinct(rows, "label");
  const x = {
    ...{ field: "layer", type: "ordinal", sort: names, title: null },
    scale: { type: "point", padding: 0.4 },
    axis: { labelAngle: names.length > 4 ? -40 : 0, labelLimit: 130, labelOverlap: "greedy" },
  };
  const y = {
    ...{ field: "y", type: "quantitative", title },
    scale: { zero: false, nice: true },
  };
  return {
    description: `${kind.y.name} in each layer of ${state.pair} at ${percent(sparsity)}`,
    data: { values: rows },
    params: [FOCUS],
    layer: [
      {
        mark: { type: "line", strokeWidth: 1.8 },
        encoding: {
          x,
          y,
          color: look("color", labels, legend),
          strokeDash: look("strokeDash", labels, legend),
          opacity: apart(0.9, 0.1),
        },
      },
      points({ x, y }, labels, legend),
      {
        data: { values: [{ y: times * sparsity }] },
        mark: { type: "rule", strokeDash: [6, 4], color: tone("--quiet"), tooltip: null },
        encoding: { y },
      },
    ],
  };
};
