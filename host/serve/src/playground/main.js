
const element = (id) => document.getElementById(id);
const state = { models: [], devices: [], panes: [], running: null };

function mode() {
  return document.querySelector("input[name=mode]:checked").value;
}

function settings() {
  const seed = element("seed").value.trim();
  const topK = element("top-k").value.trim();
  return {
    topP: Number(element("top-p").value) || 1,
    topK: topK === "" ? undefined : Number(topK),
    temperature: Number(element("temperature").value),
    tokens: Math.max(1, Number(element("tokens").value) || 1),
    seed: seed === "" ? undefined : Number(seed),
    stop: element("stop").value.split("|").filter((text) => text !== ""),
    key: element("key").value.trim(),
  };
}

function showSettings() {
  const { temperature, tokens, seed } = settings();
  element("temperature-value").value = temperature;
  const chosen = seed === undefined ? "" : ` · seed ${seed}`;
  element("settings-summary").textContent = `temperature ${temperature} · ${tokens} tokens${chosen}`;
}

function addPane() {
  const pane = new Pane(state.models, state.devices);
  pane.log.dataset.empty = "Write the beginning of a text below, and the chip goes on.";
  state.panes.push(pane);
  element("panes").append(pane.root);
  return pane;
}

function compare() {
  const button = element("compare");
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  if (!on) {
    state.panes.splice(1).forEach((pane) => pane.root.remove());
    return;
  }
  const pane = addPane();
  pane.model.selectedIndex = Math.min(1, state.models.length - 1);
  if (state.models.length === 1 && state.devices.length > 1) {
    state.panes[0].device.selectedIndex = 1;
    pane.device.selectedIndex = 2;
  }
}

async function run(event) {
  event?.preventDefault();
  if (state.running) {
    state.running.abort();
    return;
  }
  const prompt = element("prompt").value;
  const chosen = settings();
  // Two answers are compared on the same random numbers.
  if (state.panes.length > 1 && chosen.seed === undefined) chosen.seed = Math.floor(Math.random() * 2 ** 31);
  state.running = new AbortController();
  showRunning();
  const { signal } = state.running;
  await Promise.all(state.panes.map((pane) => pane.run(mode(), prompt, chosen, signal)));
  state.running = null;
  showRunning();
  if (mode() === "chat") element("prompt").value = "";
}

function showRunning() {
  const button = element("run");
  button.textContent = state.running ? "Stop" : "Run";
  button.classList.toggle("stop", Boolean(state.running));
}

function clear() {
  state.panes.forEach((pane) => pane.clear());
  element("prompt").focus();
}

function changeMode() {
  clear();
  const chat = mode() === "chat";
  element("prompt").placeholder = chat ? "Say something…" : "Once upon a time…";
}

function showCode() {
  const { path, body } = state.panes[0].request(mode(), element("prompt").value, settings());
  const texts = programs(location.origin, path, body);
  const tabs = Object.keys(texts).map((name) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.role = "tab";
    tab.textContent = name;
    tab.addEventListener("click", () => choose(tab));
    return tab;
  });
  const choose = (chosen) => {
    tabs.forEach((tab) => tab.setAttribute("aria-selected", tab === chosen));
    element("code-text").textContent = texts[chosen.textContent];
    element("code-copy").textContent = "Copy";
  };
  element("code-tabs").replaceChildren(...tabs);
  choose(tabs[0]);
  element("code").showModal();
}

async function copyCode() {
  const text = element("code-text").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without permission or without TLS, the text is selected and copied as a user would.
    const range = document.createRange();
    range.selectNodeContents(element("code-text"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  element("code-copy").textContent = "Copied";
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

function beginTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const saved = localStorage.getItem("theme");
  document.documentElement.dataset.theme = saved ?? (dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => {
    if (!localStorage.getItem("theme")) document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
  });
}

function listen() {
  element("composer").addEventListener("submit", run);
  element("compare").addEventListener("click", compare);
  element("clear").addEventListener("click", clear);
  element("view-code").addEventListener("click", showCode);
  element("code-close").addEventListener("click", () => element("code").close());
  element("code-copy").addEventListener("click", copyCode);
  element("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  element("settings").addEventListener("input", showSettings);
  document.querySelectorAll("input[name=mode]").forEach((input) => input.addEventListener("change", changeMode));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(event);
    if (event.key === "Escape" && state.running && !element("code").open) state.running.abort();
  });
}

async function begin() {
  beginTheme();
  listen();
  showSettings();
  const key = element("key").value.trim();
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  try {
    const [models, devices] = await Promise.all(
      ["/v1/models", "/lpu/devices"].map((path) => fetch(path, { headers }).then((response) => response.json())),
    );
    state.models = models.data ?? [{ id: "default" }];
    state.devices = devices;
  } catch {
    state.models = [{ id: "default" }];
  }
  addPane();
  element("prompt").focus();
}

begin();
