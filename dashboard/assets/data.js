// The table, CSV and PNG behind a chart: made from what is drawn, so that they never disagree with it.
(function () {
  const plotOf = (element) => element.closest("figure").querySelector(".js-plotly-plot");
  const plain = (text) => { const box = document.createElement("textarea"); box.innerHTML = String(text); return box.value; };

  function place(axis, value) {
    if (axis && axis.tickvals && axis.ticktext) {
      const at = Array.from(axis.tickvals).indexOf(value);
      if (at >= 0) return plain(axis.ticktext[at]);
    }
    if (axis && axis.type === "date") {
      const when = new Date(typeof value === "number" ? value : `${String(value).replace(" ", "T").slice(0, 19)}Z`);
      return isNaN(when) ? String(value) : when.toISOString().replace("T", " ").slice(0, 16).replace(" 00:00", "");
    }
    return value;
  }

  function heatmap(trace, layout) {
    const names = trace.meta.features || trace.meta.matrix;
    const across = trace.meta.matrix ? trace.meta.matrix : Array.from(trace.x, (x) => place(layout.xaxis, x));
    const source = trace.meta.matrix ? trace.customdata : trace.z;
    if (trace.meta.matrix) return [["truth", ...across], ...names.map((name, row) => [name, ...Array.from(source[row])])];
    const head = ["batch", "time", ...names];
    const rows = across.map((x, column) => [trace.meta.batches[column], x, ...names.map((_, row) => source[row][column])]);
    return [head, ...rows.filter((row) => row[0])];
  }

  function series(traces, layout) {
    const sideways = traces.some((trace) => trace.orientation === "h") || traces.every((trace) => trace.mode === "markers" && layout.yaxis.ticktext);
    const [key, value] = sideways ? ["y", "x"] : ["x", "y"];
    const columns = [...new Set(traces.map((trace) => trace.meta.column || trace.name))];
    const rows = new Map();
    const counts = new Map();
    traces.forEach((trace) => {
      const column = columns.indexOf(trace.meta.column || trace.name);
      const figures = trace.meta.share ? trace.customdata : trace.meta.value !== undefined ? Array.from(trace.customdata, (cell) => cell[trace.meta.value]) : trace[value];
      Array.from(trace[key] || []).forEach((raw, at) => {
        const seen = `${column}|${raw}`;
        counts.set(seen, (counts.get(seen) || 0) + 1);
        const id = `${raw}|${counts.get(seen)}`;
        if (!rows.has(id)) rows.set(id, [raw, ...columns.map(() => "")]);
        const mark = trace.text && trace.yaxis === "y2" && !trace.meta.share ? plain((Array.isArray(trace.text) ? trace.text[at] : trace.text).replace(/<br>/g, " ")) : figures[at];
        rows.get(id)[column + 1] = mark;
      });
    });
    const axis = layout[sideways ? "yaxis" : "xaxis"];
    const title = plain((axis.title && axis.title.text) || "");
    const sorted = [...rows.values()];
    if (!sideways) sorted.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    return [[title || "", ...columns.map(plain)], ...sorted.map(([raw, ...rest]) => [place(axis, raw), ...rest])];
  }

  function tableOf(plot) {
    const traces = plot._fullData.filter((trace) => !(trace.meta && trace.meta.scenery) && trace.visible !== false);
    const heat = traces.find((trace) => trace.type === "heatmap");
    traces.forEach((trace) => { trace.meta = trace.meta || {}; });
    return heat ? heatmap(heat, plot._fullLayout) : series(traces, plot._fullLayout);
  }

  const shown = (cell) => (typeof cell === "number" ? (Number.isInteger(cell) ? String(cell) : String(+cell.toPrecision(5))) : cell === null || cell === undefined ? "" : String(cell));

  function draw(details) {
    const plot = plotOf(details);
    const box = details.querySelector(".data-table");
    if (!plot || !plot._fullData) return;
    const [head, ...rows] = tableOf(plot);
    const table = document.createElement("table");
    const line = table.createTHead().insertRow();
    head.forEach((cell) => { const th = document.createElement("th"); th.scope = "col"; th.textContent = cell; line.append(th); });
    const body = table.createTBody();
    rows.forEach((row) => { const tr = body.insertRow(); row.forEach((cell) => { tr.insertCell().textContent = shown(cell); }); });
    box.replaceChildren(table);
  }

  // A spreadsheet runs cells that begin like a formula: an apostrophe keeps them text.
  const safe = (cell) => {
    let text = cell === null || cell === undefined ? "" : String(cell);
    if (typeof cell !== "number" && /^[=+\-@\t\r\n＝＋－＠]/.test(text) && !Number.isFinite(Number(text))) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };

  function save(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  const tools = {
    csv(button) {
      const details = button.closest("details");
      save(`${details.dataset.name}.csv`, tableOf(plotOf(button)).map((row) => row.map(safe).join(",")).join("\r\n"), "text/csv");
    },
    png(button) {
      const plot = plotOf(button);
      const ground = getComputedStyle(document.documentElement).getPropertyValue("--surface").trim();
      const layout = { ...plot.layout, paper_bgcolor: ground, plot_bgcolor: ground };
      window.Plotly.downloadImage({ data: plot.data, layout, config: {} }, { format: "png", scale: 2, width: plot.clientWidth, height: plot.clientHeight, filename: button.closest("details").dataset.name });
    },
    reload() { location.reload(); },
    dismiss(button) { button.closest(".toast-note").style.display = "none"; },
    async "copy-link"(button) {
      try { await navigator.clipboard.writeText(location.href); } catch (error) { window.prompt("Link to this view", location.href); return; }
      const words = button.querySelector(".wide-only"), before = "Copy link";
      if (words) { words.textContent = "Copied"; setTimeout(() => { words.textContent = before; }, 1600); }
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tool]");
    if (button && tools[button.dataset.tool]) tools[button.dataset.tool](button);
  });
  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (!(details.classList && details.classList.contains("data-behind")) || !details.open) return;
    draw(details);
    const plot = plotOf(details);
    if (plot && !plot.driftTable) {
      plot.driftTable = true;
      plot.on("plotly_afterplot", () => { const behind = plot.closest("figure").querySelector("details.data-behind"); if (behind && behind.open) draw(behind); });
    }
  }, true);
})();
