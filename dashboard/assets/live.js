// The heartbeat of the page: asks for one number, and lets pages redraw only when it moved.
(function () {
  const ns = (window.dash_clientside = window.dash_clientside || {});
  const drift = (ns.drift = ns.drift || {});
  let moved = Date.now(), lost = null, paused = false, silent = false;

  function say() {
    const box = document.getElementById("freshness");
    if (!box) return;
    const passed = Math.max(0, Math.round((Date.now() - moved) / 1000));
    const words = passed < 5 ? "just now" : passed < 100 ? `${passed} s ago` : passed < 5400 ? `${Math.round(passed / 60)} min ago` : `${Math.round(passed / 3600)} h ago`;
    const state = lost ? "lost" : paused ? "paused" : silent ? "stale" : "";
    box.className = `freshness ${state}`;
    box.textContent = lost ? "No answer; showing the last good view" : paused ? "Paused" : silent ? "Jobs are silent" : `Updated ${words}`;
  }
  setInterval(say, 1000);

  drift.pulse = async function (_, known) {
    if (document.hidden) return ns.no_update;
    try {
      const answer = await fetch("/api/changes", { headers: { accept: "application/json" } });
      if (answer.status === 401) { location.reload(); return ns.no_update; }  // the session is over: sign in again
      if (!answer.ok) throw new Error(answer.status);
      const now = await answer.json();
      lost = null;
      silent = now.silent;
      if (now.number === known) { say(); return ns.no_update; }
      moved = Date.now();
      say();
      if (document.getElementById("redraw-on-change")) location.reload();
      return now.number;
    } catch (error) {
      lost = lost || Date.now();
      say();
      return ns.no_update;
    }
  };

  drift.pause = function (clicks) {
    paused = clicks % 2 === 1;
    say();
    return [paused, paused ? "Resume" : "Pause"];
  };

  // What a page hands over for the address bar: a query changes it and nothing else, a path is gone to.
  drift.address = function () {
    const by = ns.callback_context.triggered.find((one) => typeof one.value === "string");
    if (!by) return [ns.no_update, ns.no_update];
    return by.value.startsWith("/") ? [ns.no_update, by.value] : [by.value, ns.no_update];
  };

  // Also called when the picker appears with the monitor that is shown: that is no choice.
  drift.go = (value) => (!value || `${location.pathname}/`.startsWith(`${value}/`) ? ns.no_update : value);
})();
