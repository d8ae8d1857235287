// What the browser's upload is silent about: the same file again, a file too large, a kind of file we do not read.
(function () {
  const ns = (window.dash_clientside = window.dash_clientside || {});
  const drift = (ns.drift = ns.drift || {});
  const MOST = 50 * 1024 * 1024;
  const KINDS = /\.(csv|tsv|txt|parquet|pq|json|jsonl|ndjson)(\.gz)?$/i;

  // Emptying the input (and, on the server, its contents) lets the same file be chosen again.
  drift.emptied = function (contents) {
    document.querySelectorAll(".drop input[type=file]").forEach((input) => { input.value = ""; });
    return Date.now();
  };

  function refuse(zone, text) {
    const box = zone.closest(".upload-box").querySelector(".upload-says");
    if (box) box.textContent = text;
  }

  function check(event, files) {
    const zone = event.target.closest(".drop");
    if (!zone || !files || !files.length) return;
    refuse(zone, "");
    const file = files[0];
    let text = "";
    if (files.length > 1) text = "One file at a time, please: choose one.";
    else if (file.size === 0) text = `${file.name} is empty (0 bytes). Choose a file with a header and rows.`;
    else if (file.size > MOST) text = `${file.name} has ${Math.round(file.size / 1e6)} MB; the browser takes 50 MB. Put it into the inbox folder, or use: run.py ingest FILE.`;
    else if (!KINDS.test(file.name)) text = `${file.name} is not a kind of file that is read here. Choose CSV, TSV, Parquet or JSON lines, plain or gzip.`;
    if (!text) { refuse(zone, `Reading ${file.name} ...`); return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.target.value !== undefined) event.target.value = "";
    refuse(zone, text);
  }

  document.addEventListener("change", (event) => { if (event.target.type === "file") check(event, event.target.files); }, true);
  document.addEventListener("drop", (event) => check(event, event.dataTransfer && event.dataTransfer.files), true);

  // The input comes without a name for readers.
  new MutationObserver(() => {
    document.querySelectorAll(".drop input[type=file]:not([aria-label])").forEach((input) => input.setAttribute("aria-label", "Choose a file"));
  }).observe(document.documentElement, { childList: true, subtree: true });

  // Messages go by themselves, unless they tell of an error.
  new MutationObserver(() => {
    document.querySelectorAll(".toast-note:not([data-timed])").forEach((note) => {
      note.dataset.timed = "1";
      if (!note.classList.contains("tone-bad")) setTimeout(() => { note.style.display = "none"; }, 9000);
    });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
