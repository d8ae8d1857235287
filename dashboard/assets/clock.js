// Moments of the program ("3 Mar 2026, 14:05 UTC", as the server writes them) in the time of the browser's own zone, as
// "3 Mar 2026, 23:05 UTC+9".
// Dates of the data, axes, exports and addresses stay in UTC: a day of the data is the same day for everybody.
(function () {
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const MOMENT = new RegExp(`\\b(\\d{1,2}) (${MONTHS.join("|")}) (\\d{4}), (\\d{2}):(\\d{2}) UTC(?![+−])`, "g");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const home = /^(UTC|Etc\/(UTC|GMT|Universal|Zulu)|GMT)$/.test(zone);
  const two = (number) => String(number).padStart(2, "0");
  const day = (when) => `${when.getDate()} ${MONTHS[when.getMonth()]}`;

  // How far the zone's clocks were ahead of UTC at a moment: "UTC+9", "UTC−3:30".
  function ahead(when) {
    const minutes = -when.getTimezoneOffset(), size = Math.abs(minutes);
    return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ""}`;
  }

  const local = (text) => text.replace(MOMENT, (_, date, month, year, hour, minute) => {
    const when = new Date(Date.UTC(+year, MONTHS.indexOf(month), +date, +hour, +minute));
    return `${day(when)} ${when.getFullYear()}, ${two(when.getHours())}:${two(when.getMinutes())} ${ahead(when)}`;
  });

  // A line of the ledger has its hour only.
  function hour(element) {
    const when = new Date(element.dateTime);
    const text = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
    if (!isNaN(when) && element.textContent !== text) element.textContent = text;
  }

  // The headings above the lines are days in UTC: the first line of each day here bears its own instead.
  function days(ledger) {
    ledger.dataset.local = "";
    let last = "";
    for (const line of ledger.querySelectorAll(":scope > .ledger > li")) {
      const when = new Date(line.querySelector("time").dateTime);
      const today = `${day(when)} ${when.getFullYear()}`;
      if (today !== last) line.dataset.day = today;
      else delete line.dataset.day;
      last = today;
    }
  }

  function words(node) {
    if (node.parentElement && node.parentElement.closest("script, style, textarea")) return;
    const inTime = node.parentElement && node.parentElement.closest("time[datetime]");
    if (inTime) hour(inTime);
    else if (node.nodeValue.includes(" UTC")) {
      const text = local(node.nodeValue);
      if (text !== node.nodeValue) node.nodeValue = text;
    }
  }

  function all(root) {
    if (root.nodeType === Node.TEXT_NODE) { words(root); return; }
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    if (root.closest("svg, .js-plotly-plot")) return;
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) words(walker.currentNode);
    for (const ledger of root.closest(".days") ? [root.closest(".days")] : root.querySelectorAll(".days")) days(ledger);
    for (const one of [root, ...root.querySelectorAll("[title], .zone")]) {
      if (one.title) { const text = local(one.title); if (text !== one.title) one.title = text; }
      if (one.classList.contains("zone") && one.textContent !== zone) one.textContent = zone;
    }
  }

  if (home) return;
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "characterData") words(change.target);
      else if (change.type === "attributes") all(change.target);
      else change.addedNodes.forEach(all);
    }
  }).observe(document.documentElement, { childList: true, characterData: true, subtree: true, attributes: true, attributeFilter: ["title"] });
  if (document.body) all(document.body);
})();
