// Makes a page inside Airflow's frame look like Airflow: same light or dark, same colours.
// The frame has Airflow's origin, so its live values can be read; alone, the page follows the system.
"use strict";
(() => {
  const tokens = {
    "--page": "bg", "--ink": "fg", "--soft": "fg-muted", "--line": "border", "--brand": "brand-solid",
  };
  // Airflow's scale of backgrounds runs the other way in the dark, where its lowest step is black.
  const surfaces = {
    light: {"--raised": "bg-subtle", "--sunken": "bg-muted"},
    dark: {"--raised": "bg-muted", "--sunken": "bg-emphasized"},
  };
  const own = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function host() {
    try {
      return window.parent !== window ? window.parent.document : null;
    } catch {
      return null; // framed by another origin: Content-Security-Policy refuses that, but be safe
    }
  }

  function paint() {
    const outer = host();
    const dark = outer ? outer.documentElement.classList.contains("dark") : system.matches;
    own.classList.toggle("dark", dark);
    if (!outer) return;
    const live = outer.defaultView.getComputedStyle(outer.documentElement);
    for (const [ours, theirs] of Object.entries({...tokens, ...surfaces[dark ? "dark" : "light"]})) {
      const value = live.getPropertyValue(`--chakra-colors-${theirs}`).trim();
      if (value) own.style.setProperty(ours, value);
      else own.style.removeProperty(ours);
    }
  }

  paint();
  const outer = host();
  if (outer) new MutationObserver(paint).observe(outer.documentElement, {attributeFilter: ["class", "style"]});
  system.addEventListener("change", paint);
})();
