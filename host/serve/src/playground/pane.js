
/** Milliseconds between two times that what has arrived is shown, at least. */
const SHOW_PAUSE_MS = 16;
/** Tokens shown at a time while more arrive. */
const SHOWN_MAX = 256;

/** One answer with its model, its device and its figures. */
class Pane {
  constructor(models, devices) {
    this.root = document.getElementById("pane").content.firstElementChild.cloneNode(true);
    this.models = models;
    this.tokens = [];
    this.arrived = [];
    this.conversation = [];
    const find = (selector) => this.root.querySelector(selector);
    this.model = find(".model");
    this.device = find(".device");
    this.log = find(".log");
    this.error = find(".error");
    this.state = find(".state");
    this.stats = find(".stats");
    this.inspector = find(".inspector");
    this.model.append(...models.map((model) => new Option(model.id, model.id)));
    this.device.append(new Option("any device", ""), ...devices.map((device) => new Option(device.name, device.name)));
    this.log.addEventListener("click", (event) => this.choose(this.numberOf(event.target)));
    this.log.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.drawSchedule()).observe(find(".plot"));
  }

  /** The path below /v1 and the body of what would be asked now. */
  request(mode, prompt, settings) {
    const body = { model: this.model.value };
    const chat = mode === "chat";
    if (chat) body.messages = [...this.conversation, { role: "user", content: prompt }];
    else body.prompt = prompt;
    body[chat ? "max_completion_tokens" : "max_tokens"] = settings.tokens;
    body.temperature = settings.temperature;
    if (settings.topP < 1) body.top_p = settings.topP;
    if (settings.topK !== undefined) body.top_k = settings.topK;
    if (settings.seed !== undefined) body.seed = settings.seed;
    if (settings.stop.length) body.stop = settings.stop;
    body.stream = true;
    return { path: chat ? "chat/completions" : "completions", body };
  }

  /** Asks and shows the answer as it comes. */
  async run(mode, prompt, settings, signal) {
    const { path, body } = this.request(mode, prompt, settings);
    const chat = mode === "chat";
    Object.assign(body, chat ? { logprobs: true, top_logprobs: 5 } : { logprobs: 5 });
    body.stream_options = { include_usage: true };
    body.x_lpu = { tokens: true };
    if (this.device.value) body.x_lpu.device = this.device.value;
    this.begin(chat, prompt);
    const answer = this.answer;
    let text = "";
    try {
      for await (const event of events(`/v1/${path}`, body, settings.key, signal)) {
        text += this.take(event, chat);
      }
      this.showAll();
      this.showStats();
      answer.classList.add("ended");
      this.tell(`done in ${this.elapsed()}`);
    } catch (error) {
      this.showAll();
      if (error.name === "AbortError") this.tell("stopped");
      else this.fail(error);
    }
    answer.classList.remove("making");
    if (chat && text) this.conversation.push({ role: "user", content: prompt }, { role: "assistant", content: text });
  }

  begin(chat, prompt) {
    if (!chat) this.clear();
    this.error.hidden = true;
    this.inspector.hidden = true;
    this.root.classList.toggle("chat", chat);
    this.tokens = [];
    this.showPause = 0;
    this.usage = this.machine = this.reason = undefined;
    this.stats.replaceChildren();
    this.started = performance.now();
    const said = document.createElement("span");
    said.className = "said";
    said.textContent = prompt;
    this.answer = document.createElement("span");
    this.answer.className = "answer making";
    this.log.append(said, this.answer);
    this.tell("waiting", true);
  }

  clear() {
    this.log.replaceChildren();
    this.stats.replaceChildren();
    this.error.hidden = true;
    this.inspector.hidden = true;
    this.conversation = [];
    this.tell("");
  }

  tell(text, busy = false) {
    this.state.textContent = text;
    this.state.classList.toggle("busy", busy);
  }

  fail(error) {
    this.error.textContent = error instanceof ServerError ? error.message : String(error);
    this.error.hidden = false;
    this.tell("failed");
  }

  elapsed() {
    const seconds = (performance.now() - this.started) / 1000;
    return seconds < 1 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(1)} s`;
  }

  /** Keeps what one event adds until it is shown, and gives its text. */
  take(event, chat) {
    if (event.usage) this.usage = event.usage;
    const choice = event.choices?.[0];
    if (event.x_lpu?.cycles_measured) this.machine = event.x_lpu;
    if (!choice) return "";
    if (choice.finish_reason) this.reason = choice.finish_reason;
    const text = chat ? choice.delta.content ?? "" : choice.text;
    const machine = chat ? event.x_lpu?.tokens?.[0] : choice.x_lpu_tokens?.[0];
    if (machine || text) this.arrived.push({ text, machine, logprobs: choice.logprobs, chat });
    // Not an animation frame: a hidden page has none.
    if (this.arrived.length) this.timer ??= setTimeout(() => this.show(SHOWN_MAX), this.showPause);
    return text;
  }

  /**
   * Puts tokens that have arrived into the page, with one layout for all of them. A layout takes longer the longer the text is:
   * twice that time stays free before the next one, for keys and for what arrives.
   */
  show(count) {
    clearTimeout(this.timer);
    this.timer = undefined;
    const began = performance.now();
    // On a narrow screen the whole page scrolls.
    const box = getComputedStyle(this.log).overflowY === "auto" ? this.log : document.scrollingElement;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    this.answer.append(...this.arrived.splice(0, count).map((part) => this.part(part)));
    if (atEnd) box.scrollTop = box.scrollHeight;
    this.tell(`${this.tokens.length} tokens`, true);
    this.showPause = Math.max(SHOW_PAUSE_MS, 2 * (performance.now() - began));
    if (this.arrived.length) this.timer = setTimeout(() => this.show(SHOWN_MAX), this.showPause);
  }

  showAll() {
    if (this.arrived.length) this.show(this.arrived.length);
  }

  /** What stands for one event in the text. */
  part({ text, machine, logprobs, chat }) {
    if (!machine) return text;
    const options = alternatives(logprobs, chat);
    const span = document.createElement("span");
    span.className = "tok";
    span.textContent = text;
    span.dataset.number = this.tokens.length;
    span.tabIndex = this.tokens.length === 0 ? 0 : -1;
    const taken = options.find((option) => option.token === machine.token);
    if (taken) span.style.setProperty("--doubt", (1 - taken.probability).toFixed(3));
    this.tokens.push({ machine, options, span });
    return span;
  }

  showStats() {
    const { usage, machine, tokens } = this;
    if (!machine || !usage) return;
    const mean = machine.cycles_measured / Math.max(1, machine.positions);
    const equal = tokens.every(({ machine: one }) => one.cycles_predicted === one.cycles_measured);
    const figures = [
      ["chip", `${Math.round(machine.clock_hz / mean).toLocaleString("en")} tokens/s at ${machine.clock_hz / 1e6} MHz`],
      ["cycles/token", mean.toLocaleString("en", { maximumFractionDigits: 1 })],
      ["predicted", equal ? "equal at every token" : "different", equal ? "equal" : "differs"],
      ["tokens", `${usage.prompt_tokens} + ${usage.completion_tokens}${this.reason === "length" ? ", the limit" : ""}`],
      ["device", machine.device],
      ["queue", `${(usage.queue_time * 1000).toFixed(1)} ms`],
      ["first token", `${(usage.prompt_time * 1000).toFixed(1)} ms`],
      ["seed", machine.seed],
    ];
    this.stats.replaceChildren(...figures.map(([name, value, mood]) => {
      const row = document.createElement("div");
      row.append(term("dt", name), term("dd", value, mood));
      return row;
    }));
  }

  numberOf(target) {
    const span = target.closest?.(".tok");
    const number = Number(span?.dataset.number);
    return span && this.tokens[number]?.span === span ? number : undefined;
  }

  /** Arrow keys go from token to token. */
  walk(event) {
    const number = this.numberOf(event.target);
    if (number === undefined) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -number, End: this.tokens.length - 1 - number, Enter: 0, " ": 0 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(this.tokens.length - 1, number + steps[event.key]));
    this.tokens[next].span.focus();
    this.choose(next);
  }

  /** Shows all about one token. */
  async choose(number) {
    const token = this.tokens[number];
    if (!token) return;
    this.tokens.forEach(({ span }) => {
      span.classList.toggle("chosen", span === token.span);
      span.tabIndex = span === token.span ? 0 : -1;
    });
    const { machine, options } = token;
    const same = machine.cycles_predicted === machine.cycles_measured;
    const facts = [
      ["token", `${machine.id}, number ${number + 1}`],
      ["position", machine.position],
      ["predicted", `${machine.cycles_predicted.toLocaleString("en")} cycles`],
      ["measured", `${machine.cycles_measured.toLocaleString("en")} cycles${same ? " ✓" : " ✗"}`],
      ["time", `${Math.round(machine.seconds * 1e6).toLocaleString("en")} µs at the device`],
    ];
    this.inspector.querySelector("h3").textContent = JSON.stringify(machine.token);
    this.inspector.querySelector("dl").replaceChildren(...facts.flatMap(([name, value]) => [term("dt", name), term("dd", value)]));
    this.inspector.querySelector("ol").replaceChildren(...options.map((option) => {
      const item = document.createElement("li");
      item.classList.toggle("taken", option.token === machine.token);
      item.style.setProperty("--share", `${(option.probability * 100).toFixed(1)}%`);
      item.append(term("span", JSON.stringify(option.token)), term("span", `${(option.probability * 100).toFixed(1)} %`));
      return item;
    }));
    this.inspector.hidden = false;
    await this.showSchedule(machine.position);
    token.span.scrollIntoView({ block: "nearest" });
  }

  async showSchedule(position) {
    const query = new URLSearchParams({ model: this.model.value, position });
    try {
      const response = await fetch(`/lpu/schedule?${query}`);
      if (!response.ok) return;
      this.trace = await response.json();
    } catch {
      this.fail(new ServerError("the server cannot be reached: is `lpu serve` still running?"));
      return;
    }
    this.drawnRoom = undefined;
    this.drawSchedule();
  }

  /** Draws the schedule, unless it is drawn for this width. */
  drawSchedule() {
    const figure = this.inspector.querySelector(".schedule");
    const room = figure.querySelector(".plot").clientWidth;
    if (!this.trace || room === 0 || room === this.drawnRoom) return;
    this.drawnRoom = room;
    drawSchedule(figure, this.trace, room);
  }
}

function term(name, text, mood) {
  const element = document.createElement(name);
  element.textContent = text;
  if (mood) element.className = mood;
  return element;
}

/** Tokens with their probabilities, best first; the chosen one is among them. */
function alternatives(logprobs, chat) {
  if (!logprobs) return [];
  const found = new Map();
  if (chat) {
    for (const one of logprobs.content) {
      one.top_logprobs.forEach((top) => found.set(top.token, top.logprob));
      found.set(one.token, one.logprob);
    }
  } else {
    logprobs.top_logprobs.forEach((top) => Object.entries(top).forEach(([token, value]) => found.set(token, value)));
    logprobs.tokens.forEach((token, index) => found.set(token, logprobs.token_logprobs[index]));
  }
  return [...found]
    .map(([token, logprob]) => ({ token, probability: Math.exp(logprob) }))
    .sort((a, b) => b.probability - a.probability);
}
