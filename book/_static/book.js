// Boxes that scroll sideways can be reached and scrolled by keyboard, and say what they are.
// Boxes that fit are left alone, so that the Tab key does not stop at them.
(() => {
  const kinds = {
    ".math-scroll": "Formula",
    ".pst-scrollable-table-container, .cell_output > .text_html": "Table",
  };

  function update() {
    for (const [selector, kind] of Object.entries(kinds)) {
      document.querySelectorAll(selector).forEach((box, index) => {
        if (box.scrollWidth > box.clientWidth) {
          box.tabIndex = 0;
          box.setAttribute("role", "region");
          box.setAttribute("aria-label", `${kind} ${index + 1} of this page, scrolls sideways`);
        } else {
          ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
        }
      });
    }
  }

  window.addEventListener("load", update); // after the mathematical font, which decides the widths
  window.addEventListener("resize", update);
  document.addEventListener("toggle", update, true); // a folded solution has no width until it opens
})();

// What is folded away would be missing on paper: it is opened for printing, and closed after it. A
// dark page is printed with the colours of the light one, its pictures and explorers too.
(() => {
  const { dataset } = document.documentElement;
  let opened = [];
  let theme;

  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".bd-article details:not([open])")];
    opened.forEach((details) => { details.open = true; });
    ({ theme } = dataset);
    dataset.theme = "light";
  });

  window.addEventListener("afterprint", () => {
    opened.forEach((details) => { details.open = false; });
    opened = [];
    dataset.theme = theme;
  });
})();
