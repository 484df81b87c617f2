// Makes a page inside Airflow's frame look like Airflow: same light or dark, same colours, same font.
// The frame has Airflow's origin, so its live values can be read; alone, the page follows the system.
"use strict";
(() => {
  const tokens = {
    "--page": "bg", "--raised": "bg-subtle", "--sunken": "bg-muted", "--ink": "fg", "--soft": "fg-muted",
    "--line": "border", "--brand": "brand-solid",
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
    own.classList.toggle("dark", outer ? outer.documentElement.classList.contains("dark") : system.matches);
    own.classList.toggle("framed", outer !== null);
    if (!outer) return;
    const live = outer.defaultView.getComputedStyle(outer.documentElement);
    for (const [ours, theirs] of Object.entries(tokens)) {
      const value = live.getPropertyValue(`--chakra-colors-${theirs}`).trim();
      if (value) own.style.setProperty(ours, value);
      else own.style.removeProperty(ours);
    }
  }

  // Airflow has loaded its font already; a second copy of the file would only make the page heavier.
  function borrowFonts() {
    const outer = host();
    if (!outer) return;
    for (const sheet of outer.styleSheets) {
      let rules = [];
      try {
        rules = sheet.cssRules;
      } catch {
        continue; // a sheet of another origin can't be read
      }
      for (const rule of rules) {
        if (rule.constructor.name !== "CSSFontFaceRule") continue;
        const family = rule.style.getPropertyValue("font-family").replaceAll(/["']/g, "");
        if (!family.startsWith("Inter")) continue;
        const base = sheet.href || outer.baseURI;
        const source = rule.style.getPropertyValue("src").replaceAll(
          /url\(["']?([^"')]+)["']?\)/g, (_, url) => `url("${new URL(url, base)}")`);
        const range = rule.style.getPropertyValue("unicode-range");
        const face = new FontFace("Inter", source, {
          weight: rule.style.getPropertyValue("font-weight") || "100 900",
          style: rule.style.getPropertyValue("font-style") || "normal",
          ...(range ? {unicodeRange: range} : {}),
          display: "swap",
        });
        document.fonts.add(face);
      }
    }
  }

  paint();
  borrowFonts();
  const outer = host();
  if (outer) new MutationObserver(paint).observe(outer.documentElement, {attributeFilter: ["class", "style"]});
  system.addEventListener("change", paint);
})();
