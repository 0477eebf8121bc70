"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const cards = [...document.querySelectorAll(".card")];
  if (!cards.length) return;
  const picture = find("picture");
  const save = find("save");
  const token = `fishsk-labels-${save.dataset.token}`;
  const keys = "123456789abcdefghijklmnopqrstvwxyz";
  const labels = cards.map(() => "");
  const history = [];
  let now = 0;

  const count = () => labels.filter(Boolean).length;
  const say = (text) => (find("status").textContent = text);
  const buttons = () => [...find("classes").children];

  function keep() {
    try {
      localStorage.setItem(token, JSON.stringify(labels));
    } catch {
      // a browser that keeps nothing for files: the labels live as long as the page
    }
  }

  function mark(index) {
    const given = cards[index].querySelector(".given");
    given.textContent = labels[index] || "no label";
    cards[index].classList.toggle("done", Boolean(labels[index]));
  }

  function show(index) {
    cards[now].removeAttribute("aria-current");
    now = Math.min(Math.max(index, 0), cards.length - 1);
    const { path, reason, image, box } = cards[now].dataset;
    cards[now].setAttribute("aria-current", "true");
    picture.setAttribute("viewBox", box);
    picture.setAttribute("aria-label", `Image ${now + 1}`);
    picture.firstElementChild.setAttribute("href", `#${image}`);
    find("place").textContent = `Image ${now + 1} of ${cards.length}`;
    find("given").textContent = labels[now] ? `is labeled ${labels[now]}` : "has no label";
    find("reason").textContent = reason;
    find("name").textContent = path;
    for (const button of buttons()) {
      button.setAttribute("aria-pressed", String(button.dataset.label === labels[now]));
    }
    return `Image ${now + 1} of ${cards.length}: ${reason}.`;
  }

  function give(label) {
    const index = now;
    history.push([index, labels[index]]);
    labels[index] = label;
    mark(index);
    keep();
    const shown = show(index + 1);
    const done = `Image ${index + 1} ${label ? `is ${label}` : "was skipped"}. ${count()} labeled.`;
    say(index + 1 < cards.length ? `${done} ${shown}` : `${done} This was the last one: save the labels.`);
  }

  function undo() {
    if (!history.length) return say("There is nothing to take back.");
    const [index, label] = history.pop();
    labels[index] = label;
    mark(index);
    keep();
    return say(`Taken back. ${show(index)}`);
  }

  function add(label) {
    const known = buttons().find((button) => button.dataset.label === label);
    if (!label || known) return;
    const button = document.createElement("button");
    const key = keys[buttons().length];
    button.type = "button";
    button.dataset.label = label;
    button.setAttribute("aria-pressed", "false");
    if (key) {
      const sign = document.createElement("kbd");
      sign.textContent = key;
      button.setAttribute("aria-keyshortcuts", key);
      button.append(sign, " ");
    }
    button.append(label);
    find("classes").append(button);
  }

  function write() {
    const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    const given = cards.map((card, index) => [card.dataset.path, labels[index]]).filter(([, label]) => label);
    const before = find("whole")?.checked ? JSON.parse(save.dataset.labeled) : [];
    const rows = [["path", "label"], ...before, ...given];
    const text = rows.map((row) => `${row.map(quote).join(",")}\r\n`).join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "labels.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(`${given.length} labels were saved as labels.csv${before.length ? `, after ${before.length} of before` : ""}.`);
  }

  find("classes").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) give(button.dataset.label);
  });
  find("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const label = find("another").value.trim();
    add(label);
    find("another").value = "";
    if (label) say(`The class ${label} was added.`);
  });
  find("back").addEventListener("click", () => say(show(now - 1)));
  find("next").addEventListener("click", () => say(show(now + 1)));
  find("skip").addEventListener("click", () => give(""));
  find("undo").addEventListener("click", undo);
  save.addEventListener("click", write);
  cards.forEach((card, index) =>
    card.addEventListener("click", () => {
      show(index);
      find("place").focus();
    }),
  );
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.id === "another" || !find("keys").checked) return;
    const button = buttons().find((each) => each.getAttribute("aria-keyshortcuts") === event.key);
    const moves = { 0: "skip", u: "undo", ArrowLeft: "back", ArrowRight: "next" };
    const chosen = button ?? find(moves[event.key]);
    if (!chosen) return;
    event.preventDefault();
    chosen.click();
  });

  try {
    const kept = JSON.parse(localStorage.getItem(token) ?? "[]");
    kept.slice(0, cards.length).forEach((label, index) => (labels[index] = label));
  } catch {
    // as above
  }
  labels.forEach((label, index) => {
    add(label);
    mark(index);
  });
  find("labeler").hidden = false;
  find("saving").hidden = false;
  show(Math.max(labels.indexOf(""), 0));
  if (count()) say(`${count()} labels of before are here.`);
})();
