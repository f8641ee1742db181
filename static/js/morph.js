/* hx-swap="morph": bring the target to the state of the answer, and leave alone what is the same in both. What has the
   focus keeps it, what is open stays open, and what was typed stays typed. Elements with an id are matched by it.
   A page that swaps like that loads this, and says hx-ext="morph" around the target. */

"use strict";

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
