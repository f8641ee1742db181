/* Sends the upload form's files in pieces: images a few at a time, annotation files at the end in one. Each answer is
   an outcome per file. Files may be dropped on the form. The form works without it. */

"use strict";

const AT_ONCE = 3;

function isAnnotations(file) {
  return /\.jsonl?$/i.test(file.name);
}

/* One request with `files`; `onProgress` hears how many of its bytes are sent. */
function sendFiles(form, files, onProgress) {
  return new Promise((resolve) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    for (const file of files) body.append("files", file);
    const failed = (sentence) => resolve(files.map(({ name }) => ({ name, tone: "bad", sentence })));
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / (event.total || 1)));
    request.addEventListener("load", () => {
      if (request.status === 200 && request.response) resolve(request.response.outcomes);
      else failed(`The portal answered with an error (${request.status}). Send it again.`);
    });
    request.addEventListener("error", () => failed("The portal did not answer. Send it again."));
    request.send(body);
  });
}

async function upload(form, files) {
  const bar = form.querySelector("progress");
  const status = form.querySelector("[data-upload-status]");
  const list = form.querySelector("[data-upload-outcomes]");
  const button = form.querySelector("button");
  const images = files.filter((file) => !isAnnotations(file)).map((file) => [file]);
  const annotations = files.filter(isAnnotations);
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const sent = new Map();
  let bad = 0;

  list.replaceChildren();
  button.disabled = true;
  bar.hidden = false;
  status.textContent = `Uploading ${files.length} ${files.length === 1 ? "file" : "files"} …`;

  async function send(part) {
    const size = part.reduce((sum, file) => sum + file.size, 0);
    const outcomes = await sendFiles(form, part, (share) => {
      sent.set(part, size * share);
      bar.value = [...sent.values()].reduce((sum, each) => sum + each, 0) / total;
    });
    for (const { name, tone, sentence } of outcomes) {
      if (tone === "bad") bad += 1;
      const item = document.createElement("li");
      const title = document.createElement("b");
      title.textContent = name;
      item.append(title, ` ${sentence}`);
      if (tone === "bad") list.prepend(item);
      else list.append(item);
    }
  }

  const waiting = [...images];
  const lines = Array.from({ length: AT_ONCE }, async () => {
    while (waiting.length) await send(waiting.shift());
  });
  await Promise.all(lines);
  if (annotations.length) await send(annotations);

  bar.hidden = true;
  button.disabled = false;
  status.textContent = `${files.length - bad} of ${files.length} uploaded${bad ? `, ${bad} refused` : ""}. Reload the page to see them.`;
  form.reset();
  if (document.getElementById("job-history") && annotations.length) {
    htmx.ajax("GET", form.dataset.history, { source: "#job-history", target: "#job-history", swap: "morph" });
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload(form, [...form.elements.files.files]);
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length && !form.querySelector("button").disabled) upload(form, files);
  });
}
