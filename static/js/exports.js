/* Keeps the Annotations tab in place while it changes: when the history waits, the end of a dialog, and a switch that
   follows the format. The page works without it. */

"use strict";

/* Nobody looks at a page in the background: its history waits until somebody does. */
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.id === "job-history") event.preventDefault();
});

/* What was asked for before the last click was answered is old by now: the history waits for the next answer. */
let changed = 0;

document.addEventListener("htmx:beforeRequest", (event) => {
  event.detail.xhr.askedAt = performance.now();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (requestConfig.verb !== "get") changed = performance.now();
  else if (event.target.id === "job-history" && xhr.askedAt < changed) event.detail.shouldSwap = false;
});

/* A dialog that did its work closes; the focus goes back to where it came from. */
document.addEventListener("exports:done", () => {
  document.querySelectorAll("dialog:modal").forEach((dialog) => dialog.close());
});

/* While it waits for the answer, the button is off and loses the focus: that goes to the first wrong field, or back. */
document.addEventListener("htmx:afterRequest", ({ detail: { elt } }) => {
  if (elt.id !== "export-form" || document.activeElement !== document.body) return;
  elt.querySelector("[aria-invalid], #export-submit")?.focus();
});

/* “Include images” follows the format until somebody decides; some formats leave no choice. */
const decided = new WeakMap();

document.addEventListener("change", ({ target }) => {
  const images = document.getElementById("include-images");
  if (target === images) decided.set(images, images.checked);
  if (target.name !== "format" || !images) return;
  const always = target.dataset.images === "always";
  document.getElementById("images-always")?.remove();
  images.disabled = always;
  images.checked = always || (decided.get(images) ?? target.dataset.images === "on");
});
