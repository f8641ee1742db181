/* What the pages do beyond links and forms: dialogs, copying, and lighting up a phrase and its boxes. Each page works
   without it. */

"use strict";

document.documentElement.classList.add("has-script");

/* Dialogs: see the components at the top of portal.css. */

function openModal(dialog) {
  if (dialog.matches(":modal")) return;
  dialog.removeAttribute("open");
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-closes]");
  const open = closer && closer.closest("dialog");
  if (open && open.matches(":modal")) {
    event.preventDefault();
    open.close();
  }
});

document.addEventListener("htmx:load", (event) => {
  const found = event.target.matches("dialog[data-modal]")
    ? event.target
    : event.target.querySelector("dialog[data-modal]");
  if (found) openModal(found);
});

/* What was typed or chosen before the scripts were there counts as typed when they are. */

document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) return; // a part of the page that came later
  for (const field of document.querySelectorAll("input:not([type=file])")) {
    if (field.value === field.defaultValue && field.checked === field.defaultChecked) continue;
    field.dispatchEvent(new Event(field.type === "search" ? "search" : "input", { bubbles: true }));
  }
});

/* Copying. */

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copies).textContent;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text.trim());
  } catch {
    said = "Your browser did not allow it";
  }
  const before = button.dataset.tooltip;
  button.dataset.tooltip = said;
  say(said);
  setTimeout(() => (before === undefined ? delete button.dataset.tooltip : (button.dataset.tooltip = before)), 2000);
});

/* For screen readers: `text` is read out, and nothing is seen. */
function say(text) {
  const line = document.getElementById("announcement");
  if (line) line.textContent = text;
}

/* A request that got no answer, or a wrong one, is told; the page stays as it is. */

function complain(text) {
  const shown = [...document.querySelectorAll(".notice-floating")];
  if (shown.some((old) => old.textContent === text)) return; // a page that asks every second would say it every second
  shown.forEach((old) => old.remove());
  const notice = document.createElement("p");
  notice.className = "notice notice-error notice-floating";
  notice.setAttribute("role", "alert");
  notice.textContent = text;
  document.body.append(notice);
  setTimeout(() => notice.remove(), 8000);
}

document.addEventListener("htmx:sendError", () => complain("The portal does not answer. Check your connection, then try again."));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 503) complain("The portal cannot answer just now. Nothing is lost; try again in a moment.");
  else complain(`The portal answered with an error (${status}). Reload the page and try again.`);
});

/* One asset: pointing at a phrase lights up its boxes and dims the others, and the reverse. A click keeps it lit. */

let kept = null;

function light(viewer, source) {
  const groups = source ? source.dataset.groups.split(" ") : [];
  viewer.classList.toggle("has-lit", groups.length > 0);
  viewer.querySelectorAll("[data-groups]").forEach((part) => {
    part.classList.toggle("is-lit", part.dataset.groups.split(" ").some((group) => groups.includes(group)));
  });
}

function partOf(target) {
  const part = target instanceof Element ? target.closest("[data-groups]") : null;
  return part && { part, viewer: part.closest("[data-viewer]") };
}

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const found = partOf(event.target);
    if (found) light(found.viewer, found.part);
  });
}

for (const kind of ["pointerout", "focusout"]) {
  document.addEventListener(kind, (event) => {
    const found = partOf(event.target);
    if (found && !partOf(event.relatedTarget)) light(found.viewer, kept);
  });
}

document.addEventListener("click", (event) => {
  const found = partOf(event.target);
  if (!found) return;
  event.preventDefault();
  kept = kept === found.part ? null : found.part;
  light(found.viewer, kept);
});

/* Keys: links with data-key are followed when that key is pressed and nothing is being typed. */

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && kept) {
    light(kept.closest("[data-viewer]"), null);
    kept = null;
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
  if (typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
  if (link) link.click();
});
