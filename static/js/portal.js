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
  const opener = event.target.closest("[data-opens]");
  const dialog = opener && document.getElementById(opener.dataset.opens);
  if (dialog && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    openModal(dialog);
  }
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

/* Copying. */

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copies]");
  if (!button) return;
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copies).textContent;
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
  document.querySelectorAll(".notice-floating").forEach((old) => old.remove());
  const notice = document.createElement("p");
  notice.className = "notice notice-error notice-floating";
  notice.setAttribute("role", "alert");
  notice.textContent = text;
  document.body.append(notice);
  setTimeout(() => notice.remove(), 8000);
}

document.addEventListener("htmx:sendError", () => complain("The portal does not answer. Check your connection; the page tries again when you do."));
document.addEventListener("htmx:responseError", (event) =>
  complain(`The portal answered with an error (${event.detail.xhr.status}). Reload the page and try again.`));
