"use strict";

const files = document.getElementById("files");
const answers = document.getElementById("answers");
const status = document.getElementById("status");
const maxBytes = Number(files.dataset.maxBytes);
let queue = Promise.resolve(); // one image after the other

async function send(path, file) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  }).catch(() => {
    throw new Error("The server does not answer. Is it still running?");
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text; // HTML in which all that data say is escaped
}

function complain(place, error) {
  const text = document.createElement("p");
  text.className = "warning";
  text.textContent = error.message;
  place.replaceChildren(text);
}

async function explain(place, file, asked, focused) {
  try {
    place.innerHTML = await send("explanation?" + new URLSearchParams(asked), file);
  } catch (error) {
    complain(place, error);
    return;
  }
  const selects = [...place.querySelectorAll("select")];
  for (const select of selects) {
    select.addEventListener("change", () => {
      const [target, against] = selects.map((each) => each.value);
      const asked = against && against !== target ? { target, against } : { target };
      queue = queue.then(() => explain(place, file, asked, select.name));
    });
    if (select.name === focused) select.focus();
  }
}

async function predict(file, place) {
  status.textContent = `Looking at ${file.name} …`;
  try {
    if (file.size > maxBytes) {
      throw new Error(`The file has ${file.size.toLocaleString("en")} bytes, more than ${maxBytes.toLocaleString("en")}.`);
    }
    place.innerHTML = await send("prediction", file);
  } catch (error) {
    complain(place, error);
    status.textContent = `${file.name}: ${error.message}`;
    return;
  }
  status.textContent = `${file.name}: ${place.firstElementChild.dataset.summary}`;
  await explain(place.querySelector(".explanation"), file, {});
}

function take(list) {
  const articles = [...list].map((file) => {
    const article = document.createElement("article");
    const title = document.createElement("h2");
    const place = document.createElement("div");
    title.textContent = file.name;
    place.textContent = "Waiting …";
    article.append(title, place);
    queue = queue.then(() => predict(file, place));
    return article;
  });
  answers.prepend(...articles);
}

files.addEventListener("change", () => {
  take([...files.files]);
  files.value = "";
});
addEventListener("paste", (event) => take(event.clipboardData.files));
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  take(event.dataTransfer.files);
});
