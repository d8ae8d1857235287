// The switch between light and dark: exchanges every colour of every drawn chart for its partner; zoom is kept.
(function () {
  const ns = (window.dash_clientside = window.dash_clientside || {});
  const drift = (ns.drift = ns.drift || {});

  function exchange(value, map) {
    if (typeof value === "string") return map[value] || value;
    if (Array.isArray(value)) return value.map((item) => exchange(item, map));
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exchange(item, map)]));
    }
    return value;
  }

  // Dash forgets a zoom when a whole figure is returned: write the ranges in.
  function keepZoom(figure, plot) {
    for (const [name, axis] of Object.entries(plot._fullLayout || {})) {
      if (/^[xy]axis\d*$/.test(name) && axis && axis.autorange === false && figure.layout[name]) {
        figure.layout[name] = { ...figure.layout[name], range: [...axis.range], autorange: false };
      }
    }
  }

  // Each light colour and its dark partner stand on the shell.
  function partners(next) {
    const pairs = JSON.parse(document.getElementById("shell").dataset.pairs);
    return next === "dark" ? pairs : Object.fromEntries(Object.entries(pairs).map(([a, b]) => [b, a]));
  }
  window.driftTheme.exchange = (value, next) => exchange(value, partners(next));

  drift.theme = function (clicks, ids, figures) {
    if (!clicks) return figures.map(() => ns.no_update);
    const next = window.driftTheme.get() === "dark" ? "light" : "dark";
    window.driftTheme.set(next);
    const map = partners(next);
    return figures.map((figure, at) => {
      const changed = exchange(figure, map);
      const box = document.getElementById(JSON.stringify(ids[at], Object.keys(ids[at]).sort()));
      const plot = box && box.querySelector(".js-plotly-plot");
      if (plot) keepZoom(changed, plot);
      return changed;
    });
  };
})();
