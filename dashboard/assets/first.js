// Before the first paint: colours and width, so that nothing flashes. Kept in cookies, because the server draws charts.
(function () {
  const cookie = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=strict`; };
  const stored = (document.cookie.match(/(?:^|; )theme=(dark|light)/) || [])[1];
  const theme = stored || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.setAttribute("data-bs-theme", theme);
  if (!stored) cookie("theme", theme);
  const width = () => cookie("narrow", innerWidth < 600 ? "1" : "0");
  width();
  addEventListener("resize", width);
  window.driftTheme = {
    set(next) { document.documentElement.setAttribute("data-bs-theme", next); cookie("theme", next); },
    get() { return document.documentElement.getAttribute("data-bs-theme"); },
  };
})();
