// The heatmap by mouse and by keyboard: arrows move a cell, Enter opens it, Escape closes the panel.
(function () {
  const ns = (window.dash_clientside = window.dash_clientside || {});
  const drift = (ns.drift = ns.drift || {});

  // Dash hands over x and y of a cell, not its place in the matrix: the place is looked up.
  drift.click = function (click) {
    const plot = document.querySelector(".chart-heat .js-plotly-plot");
    const points = (click && click.points) || [];
    const cell = points.find((item) => plot._fullData[item.curveNumber] && plot._fullData[item.curveNumber].type === "heatmap");
    if (cell) {
      const { heat, x } = parts(plot);
      const at = x.d2c(cell.x);
      const column = Array.from(heat.x).findIndex((value) => Math.abs(x.d2c(value) - at) < 0.5);
      const row = typeof cell.y === "number" ? cell.y : Array.from(heat.y).indexOf(cell.y);
      return heat.meta.batches[column] ? { feature: heat.meta.features[row], batch: heat.meta.batches[column], at: Date.now() } : ns.no_update;
    }
    const sign = points.find((item) => item.customdata);
    return sign ? { feature: null, batch: String(sign.customdata[0]), at: Date.now() } : ns.no_update;
  };

  // The button of many that was pressed; new buttons that were never pressed say nothing.
  drift.verb = function () {
    const by = ns.callback_context.triggered.find((one) => one.value);
    return by ? { ...JSON.parse(by.prop_id.slice(0, by.prop_id.lastIndexOf("."))), at: Date.now() } : ns.no_update;
  };
  drift.set = drift.verb; // one of those that set what a page shows (parts.choice)

  // Which columns of a strip lie in a stretch that was dragged out: their keys, in order.
  function inside(selected, selector) {
    const range = selected && selected.range && selected.range.x;
    const plot = document.querySelector(`${selector} .js-plotly-plot`);
    if (!range || !plot) return [];
    const trace = plot._fullData[0], axis = plot._fullLayout.xaxis;
    const [low, high] = range.map((end) => axis.d2c(end)).sort((a, b) => a - b);
    return trace.meta.batches.filter((_, at) => { const x = axis.d2c(trace.x[at]); return x >= low && x <= high; });
  }
  const isBatches = (key) => /^\d+(-\d+)?$/.test(key);

  drift.brush = function (selected) {
    const keys = inside(selected, ".brush");
    if (!keys.length) return ns.no_update;
    const ends = keys.flatMap((key) => key.split("-").map(Number));
    return { start: String(Math.min(...ends)), end: String(Math.max(...ends)), at: Date.now() };
  };

  // On the feature's own line: a sign opens its batch, a stretch that is dragged out opens the batches in it as one.
  drift.pick = function (click, selected) {
    const by = ns.callback_context.triggered[0].prop_id;
    if (by.endsWith(".clickData")) {
      const point = click && click.points && click.points.find((item) => item.customdata);
      return point ? { batch: String(point.customdata[0]), one: true, at: Date.now() } : ns.no_update;
    }
    const keys = inside(selected, ".brush");
    if (!keys.length) return ns.no_update;
    if (keys.length === 1) return { batch: keys[0], at: Date.now() };
    if (!keys.every(isBatches)) return { batch: `${keys[0]}--${keys[keys.length - 1]}`, at: Date.now() };
    return { batch: `${keys[0].split("-")[0]}-${keys[keys.length - 1].split("-").pop()}`, at: Date.now() };
  };

  const parts = (plot) => {
    const heat = plot._fullData.find((trace) => trace.type === "heatmap");
    return { heat, x: plot._fullLayout[heat.xaxis.replace("x", "xaxis")], y: plot._fullLayout[heat.yaxis.replace("y", "yaxis")] };
  };

  function move(box, plot, row, column) {
    const { heat, x, y } = parts(plot);
    let cursor = box.querySelector(".cell-cursor");
    if (!cursor) { cursor = document.createElement("div"); cursor.className = "cell-cursor"; box.append(cursor); }
    const values = Array.from(heat.x, (value) => x.d2c(value));
    const step = values.length > 1 ? Math.abs(values[Math.min(column + 1, values.length - 1)] - values[Math.max(column - 1, 0)]) / (column > 0 && column < values.length - 1 ? 2 : 1) : 1;
    const left = x._offset + x.c2p(values[column] - step / 2), right = x._offset + x.c2p(values[column] + step / 2);
    const top = y._offset + y.c2p(row - 0.5), bottom = y._offset + y.c2p(row + 0.5);
    const svg = plot.getBoundingClientRect(), host = box.getBoundingClientRect();
    Object.assign(cursor.style, { left: `${Math.min(left, right) + svg.left - host.left - 2}px`, top: `${Math.min(top, bottom) + svg.top - host.top - 1}px`, width: `${Math.abs(right - left) + 4}px`, height: `${Math.abs(bottom - top) + 2}px` });
    box.dataset.row = row;
    box.dataset.column = column;
    const score = heat.z[row][column];
    const live = document.getElementById("heat-says");
    if (live) live.textContent = `${heat.meta.features[row]}, batch ${heat.meta.batches[column]}: ${score === null || Number.isNaN(score) ? "not checked" : `score ${score.toFixed(2)}`}`;
  }

  document.addEventListener("keydown", (event) => {
    const box = event.target.closest && event.target.closest(".chart-heat");
    if (!box || event.target !== box) return;
    const plot = box.querySelector(".js-plotly-plot");
    if (!plot || !plot._fullData) return;
    const { heat } = parts(plot);
    const rows = heat.meta.features.length, columns = heat.meta.batches.length;
    let row = box.dataset.row === undefined ? 0 : +box.dataset.row;
    let column = box.dataset.column === undefined ? columns - 1 : +box.dataset.column;
    const fresh = box.dataset.row === undefined;
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -columns], End: [0, columns] };
    if (steps[event.key]) {
      event.preventDefault();
      if (!fresh) { row = Math.min(rows - 1, Math.max(0, row + steps[event.key][0])); column = Math.min(columns - 1, Math.max(0, column + steps[event.key][1])); }
      move(box, plot, Math.min(row, rows - 1), Math.min(column, columns - 1));
    } else if (event.key === "Enter" && !fresh) {
      event.preventDefault();
      if (heat.meta.batches[column]) ns.set_props("cell", { data: { feature: heat.meta.features[row], batch: heat.meta.batches[column], at: Date.now() } });
    }
  });
  document.addEventListener("focusout", (event) => {
    const box = event.target.closest && event.target.closest(".chart-heat");
    if (box) { const cursor = box.querySelector(".cell-cursor"); if (cursor) cursor.remove(); }
  });

  // j and k step through features, h and l through batches, where a page offers them.
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { j: "next-feature", k: "previous-feature", l: "next-batch", h: "previous-batch" }[event.key];
    const link = way && document.querySelector(`a[data-step="${way}"], [data-step="${way}"] a`);
    if (link) link.click();
  });
})();
