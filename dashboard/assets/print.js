// On paper: charts as wide as a page and in light colours; afterwards all is as it was.
(function () {
  const WIDE = 660; // pixels of a chart on a page of A4 or letter, see "print" in app.css
  let before = null;

  function enter() {
    if (before) return;
    const plots = [...document.querySelectorAll(".js-plotly-plot")].filter((plot) => plot._fullLayout && plot.clientWidth);
    const dark = window.driftTheme.get() === "dark";
    before = { dark, plots: plots.map((plot) => ({ plot, data: plot.data, layout: plot.layout })) };
    if (dark) document.documentElement.setAttribute("data-bs-theme", "light");
    for (const { plot, data, layout } of before.plots) {
      const [ink, ground] = dark ? [window.driftTheme.exchange(data, "light"), window.driftTheme.exchange(layout, "light")] : [data, layout];
      window.Plotly.react(plot, ink, { ...ground, width: WIDE });
    }
  }

  function leave() {
    if (!before) return;
    const was = before;
    before = null;
    if (was.dark) document.documentElement.setAttribute("data-bs-theme", "dark");
    for (const { plot, data, layout } of was.plots) {
      if (!plot.isConnected) continue;
      window.Plotly.react(plot, data, layout);
      requestAnimationFrame(() => window.Plotly.Plots.resize(plot)); // the page has its own width back by then
    }
  }

  addEventListener("beforeprint", enter);
  addEventListener("afterprint", leave);
  matchMedia("print").addEventListener("change", (change) => (change.matches ? enter() : leave()));
})();
