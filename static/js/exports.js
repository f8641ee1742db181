/* Keeps the Annotations tab in place while it changes: a swap that touches only what differs, the end of a dialog,
   and a switch that follows the format. The page works without it. */

"use strict";

/* hx-swap="morph": bring the target to the state of the answer, and leave alone what is the same in both. What has the
   focus keeps it, what is open stays open, and what was typed stays typed. Elements with an id are matched by it. */

function morph(node, wanted) {
  if (node.isEqualNode(wanted)) return;
  if (node.nodeType === Node.TEXT_NODE) {
    node.nodeValue = wanted.nodeValue;
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  for (const { name } of [...node.attributes]) {
    if (name !== "open" && !wanted.hasAttribute(name)) node.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "open" && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  morphChildren(node, wanted);
}

function morphChildren(node, wanted) {
  const kept = new Set([...wanted.children].map((child) => child.id));
  for (const child of [...node.children]) if (child.id && !kept.has(child.id)) child.remove();
  let place = node.firstChild;
  for (const child of [...wanted.childNodes]) {
    const match = child.id ? [...node.children].find((each) => each.id === child.id) : isAlike(place, child) && place;
    if (!match) {
      node.insertBefore(child, place);
      continue;
    }
    while (place !== match) place = removed(place);
    place = match.nextSibling;
    morph(match, child);
  }
  while (place) place = removed(place);
}

function isAlike(node, wanted) {
  return node && !node.id && node.nodeName === wanted.nodeName;
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

htmx.defineExtension("morph", {
  handleSwap(style, target, fragment) {
    if (style !== "morph") return false;
    const wanted = fragment.querySelector(`#${target.id}`);
    if (!wanted) {
      location.reload();
      return [];
    }
    const focused = target.contains(document.activeElement) && document.activeElement.closest("tbody");
    morph(target, wanted);
    if (focused && document.activeElement === document.body) {
      const fallback = focused.isConnected ? focused.querySelector("summary") : target.querySelector("h2");
      fallback?.focus();
    }
    return [target];
  },
});

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
