// The hints of the first look: one at a time, beside what they point at, put away for good by a cookie. Esc ends them.
(function () {
  const done = () => /(?:^|; )tour=done/.test(document.cookie);
  let at = 0;

  function target(item) { return item && document.querySelector(item.dataset.target); }

  function show(box, next) {
    const items = [...box.querySelectorAll("li")];
    document.querySelectorAll(".tour-target").forEach((one) => one.classList.remove("tour-target"));
    at = Math.min(items.length - 1, Math.max(0, next));
    items.forEach((item, number) => { item.hidden = number !== at; });
    box.querySelector("#tour-at").textContent = `${at + 1} of ${items.length}`;
    box.querySelector("[data-tour=back]").disabled = at === 0;
    box.querySelector("[data-tour=next]").textContent = at === items.length - 1 ? "Done" : "Next";
    box.hidden = false;
    const pointed = target(items[at]);
    if (!pointed) return;
    pointed.classList.add("tour-target");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    pointed.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }

  function end(box) {
    document.cookie = "tour=done; path=/; max-age=31536000; samesite=strict";
    document.querySelectorAll(".tour-target").forEach((one) => one.classList.remove("tour-target"));
    box.hidden = true;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tour]");
    const box = button && button.closest("#tour");
    if (!box) return;
    const last = at === box.querySelectorAll("li").length - 1;
    if (button.dataset.tour === "done" || (button.dataset.tour === "next" && last)) end(box);
    else show(box, at + (button.dataset.tour === "next" ? 1 : -1));
  });
  document.addEventListener("keydown", (event) => {
    const box = document.getElementById("tour");
    if (event.key === "Escape" && box && !box.hidden && !document.querySelector(".modal.show")) end(box);
  });
  new MutationObserver(() => {
    const box = document.getElementById("tour");
    if (box && !box.dataset.ready && !done()) { box.dataset.ready = "1"; show(box, 0); }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
