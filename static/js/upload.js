/* Sends the upload form's files in pieces: images a few at a time, annotation files at the end in one. Each answer is
   an outcome per file. Files, or a folder of them, may be dropped on the card. The form works without it. */

"use strict";

const AT_ONCE = 3;
/* How much of an upload passes between two announcements to a screen reader. */
const ANNOUNCED_EVERY = 0.25;

/* Answers after which no other file would fare better. */
const LOST = {
  403: "The portal takes no files from this page any more. Reload it, and see whether you may still upload here.",
  404: "The dataset is no longer there.",
};

function isAnnotations(file) {
  return /\.jsonl?$/i.test(file.name);
}

function weight(files) {
  return files.reduce((sum, file) => sum + file.size, 0);
}

function number(count) {
  return count.toLocaleString("en-US");
}

/* Two sizes in the same unit: kB as long as `whole` is less than a megabyte. */
function sizes(part, whole) {
  const [unit, size, digits] = whole < 1e6 ? ["kB", 1e3, 0] : ["MB", 1e6, 1];
  const told = (bytes) =>
    (bytes / size).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${told(part)} of ${told(whole)} ${unit}`;
}

/* One request with `files`. Its `outcomes` has one for each, unless it is `lost`: the reason why no other would arrive.
   `onProgress` hears which share of it is sent. */
function sendFiles(form, files, onProgress) {
  return new Promise((resolve) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    for (const file of files) body.append("files", file);
    const failed = (sentence) => resolve({ outcomes: files.map(({ name }) => ({ name, tone: "bad", sentence })) });
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / (event.total || 1)));
    request.addEventListener("load", () => {
      const over = LOST[request.status];
      if (over) resolve({ outcomes: [], lost: over });
      else if (request.status !== 200) failed(`The portal answered with an error (${request.status}). Send it again.`);
      else if (request.response) resolve({ outcomes: request.response.outcomes });
      else resolve({ outcomes: [], lost: "You are signed out. Sign in again." });
    });
    request.addEventListener("error", () => resolve({ outcomes: [], lost: "The portal does not answer." }));
    request.send(body);
  });
}

/* The line that tells of one file. */
function told(form, { name, tone, sentence, address, picture }) {
  const item = form.querySelector(`template[data-tone="${tone}"]`).content.firstElementChild.cloneNode(true);
  const title = item.querySelector("b");
  title.textContent = name;
  item.querySelector("span").textContent = sentence;
  if (address) {
    const link = document.createElement("a");
    link.href = address;
    title.replaceWith(link);
    link.append(title);
  }
  if (picture) {
    const image = Object.assign(new Image(64, 48), { className: "outcome-picture", loading: "lazy", alt: "" });
    image.src = picture;
    item.querySelector("p").before(image);
  }
  return item;
}

function warnOfLeaving(event) {
  event.preventDefault();
}

async function upload(form, files, outcomes = []) {
  const part = (name) => form.querySelector(`[data-upload-${name}]`);
  const [bar, button] = [form.querySelector("progress"), form.querySelector("[type=submit]")];
  const images = files.filter((file) => !isAnnotations(file)).map((file) => [file]);
  const annotations = files.filter(isAnnotations);
  const total = weight(files);
  const sent = new Map();
  let [done, bad, announced, lost, stopped] = [0, 0, 0, "", false];

  function show() {
    const bytes = [...sent.values()].reduce((sum, each) => sum + each, 0);
    bar.value = bytes / (total || 1);
    part("count").textContent =
      `${number(done)} of ${number(files.length)} files, ${sizes(bytes, total)}`;
    if (done / files.length < announced + ANNOUNCED_EVERY) return;
    announced = done / files.length;
    part("status").textContent = `${number(done)} of ${number(files.length)} files sent.`;
  }

  function tell(outcome) {
    const item = told(form, outcome);
    if (outcome.tone === "bad") part("outcomes").prepend(item);
    else part("outcomes").append(item);
  }

  async function send(some) {
    const answer = await sendFiles(form, some, (share) => {
      sent.set(some, weight(some) * share);
      show();
    });
    lost ||= answer.lost || "";
    done += answer.outcomes.length;
    bad += answer.outcomes.filter(({ tone }) => tone === "bad").length;
    answer.outcomes.forEach(tell);
    show();
  }

  part("outcomes").replaceChildren();
  outcomes.forEach(tell);
  button.disabled = true;
  bar.hidden = part("stop").hidden = false;
  part("next").hidden = true;
  part("status").textContent = `Uploading ${number(files.length)} ${files.length === 1 ? "file" : "files"} …`;
  part("stop").onclick = () => (stopped = true);
  window.addEventListener("beforeunload", warnOfLeaving);

  const goesOn = () => !stopped && !lost;
  const waiting = [...images];
  const lines = Array.from({ length: AT_ONCE }, async () => {
    while (waiting.length && goesOn()) await send(waiting.shift());
  });
  await Promise.all(lines);
  if (annotations.length && goesOn()) await send(annotations);

  window.removeEventListener("beforeunload", warnOfLeaving);
  const hadFocus = document.activeElement === part("stop");
  bar.hidden = part("stop").hidden = true;
  part("next").hidden = false;
  if (done > bad) document.querySelector("[data-until-upload]")?.remove();
  button.disabled = false;
  if (hadFocus) button.focus();
  part("count").textContent = "";
  const left = files.length - done;
  part("status").textContent = [
    `${number(done - bad)} of ${number(files.length)} uploaded`,
    bad ? `, ${number(bad)} refused` : "",
    left ? `, ${number(left)} not sent. ${lost}${lost ? " " : ""}Send the same files again: those already there are passed over.` : ".",
  ].join("");
  if (!left) form.reset();
  if (document.getElementById("job-history") && annotations.length) {
    htmx.ajax("GET", form.dataset.history, { source: "#job-history", target: "#job-history", swap: "morph" });
  }
}

/* Dropping: files, and what lies in a folder, though not in the folders in it. Two of those may hold files of one name. */

function entriesOf(folder) {
  const reader = folder.createReader();
  const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  return (async () => {
    const found = [];
    for (let some = await read(); some.length; some = await read()) found.push(...some);
    return found;
  })();
}

async function dropped(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const folders = entries.filter((entry) => entry.isDirectory);
  if (!folders.length) return [files, []];
  const names = new Set(folders.map(({ name }) => name));
  const inside = (await Promise.all(folders.map(entriesOf))).flat().filter(({ name }) => !name.startsWith("."));
  const opened = inside.filter((entry) => entry.isFile).map((entry) => new Promise((...both) => entry.file(...both)));
  const deeper = inside.filter((entry) => entry.isDirectory).map(({ name }) => ({
    name,
    tone: "bad",
    sentence: "A folder in a folder; it was not opened. Drop it by itself.",
  }));
  return [[...files.filter(({ name }) => !names.has(name)), ...(await Promise.all(opened))], deeper];
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const card = form.closest(".upload");
  const isBusy = () => form.querySelector("[type=submit]").disabled;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload(form, [...form.elements.files.files]);
  });
  card.addEventListener("dragover", () => card.classList.add("is-over"));
  card.addEventListener("dragleave", (event) => {
    if (!card.contains(event.relatedTarget)) card.classList.remove("is-over");
  });
  card.addEventListener("drop", async (event) => {
    event.preventDefault();
    card.classList.remove("is-over");
    if (isBusy()) return;
    const [files, outcomes] = await dropped(event.dataTransfer);
    card.open = true;
    if (files.length) upload(form, files, outcomes);
  });
}

/* What misses the card is not opened in place of the page. */
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
}
