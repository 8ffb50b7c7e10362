// Drives the playground in Chromium. Arguments: address, process id of the server, folder for pictures.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** Enough for a machine with other work. */
const PATIENCE_MS = 120_000;

const [address, process_id, pictures] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "lpu-chromium-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  headless: true,
  timeout: PATIENCE_MS,
  viewport: { width: 1280, height: 860 },
  colorScheme: "light",
  permissions: ["clipboard-read", "clipboard-write"],
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
context.setDefaultTimeout(PATIENCE_MS);
const page = context.pages()[0] ?? (await context.newPage());
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("request", (request) => {
  if (!request.url().startsWith(address) && !request.url().startsWith("data:")) problems.push(`fetched ${request.url()}`);
});

const picture = (name, options = {}) => page.screenshot({ path: join(pictures, `${name}.png`), ...options });
const tokens = () => page.locator(".pane").first().locator(".tok");
const state = (text, pane = 0) =>
  page.locator(".pane .state").nth(pane).filter({ hasText: text }).waitFor();

async function set(name, value) {
  const field = page.locator(`#${name}`);
  if (!(await field.isVisible())) await page.locator("#settings summary").click();
  await field.fill(String(value));
}

const steps = {
  async "types and streams"() {
    await page.goto(address);
    await set("tokens", 40);
    await set("seed", 7);
    await page.locator("#settings summary").click();
    await page.locator("#prompt").fill("Once upon a time");
    await page.keyboard.press("Control+Enter");
    await state("done");
    assert.equal(await tokens().count(), 40);
    const text = await page.locator(".log").first().innerText();
    assert.ok(text.startsWith("Once upon a time") && text.length > 60, text);
    assert.match(await page.locator(".stats").first().innerText(), /equal at every token/);
  },

  async "shows each token by keyboard"() {
    await tokens().nth(3).click();
    await page.keyboard.press("ArrowRight");
    const card = page.locator(".token-card").first();
    assert.match(await card.innerText(), /number 5/);
    assert.match(await card.innerText(), /✓/);
    assert.ok((await card.locator(".alternatives li").count()) >= 5);
    await page.locator(".schedule svg rect.rail").first().waitFor();
    assert.equal(await page.locator(".schedule svg rect.rail").count(), 6);
    await picture("light");
    await page.locator("#theme").click();
    await picture("dark");
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `wider than a phone by ${overflow}`);
    await picture("phone");
    const scale = await page.locator(".schedule svg").first().evaluate((svg) => svg.getScreenCTM().a);
    assert.ok(scale > 0.95, `the schedule's letters are shrunk to ${scale}`);
    await picture("phone-whole", { fullPage: true });
    await page.setViewportSize({ width: 1280, height: 860 });
    await page.locator("#theme").click();
  },

  async stops() {
    await set("tokens", 100000);
    await page.locator("#stop").fill("never-in-a-story");
    await page.locator("#settings summary").click();
    // A request that gets no answer is stopped by a key.
    await page.route("**/v1/completions", () => {});
    await page.locator("#run").click();
    await page.locator("#run.stop").waitFor();
    await page.keyboard.press("Escape");
    await state("stopped");
    await page.unroute("**/v1/completions");
    assert.equal(await tokens().count(), 0);
    // A stream as fast as it comes is stopped from within the page: from outside, it could be over before.
    await page.route("**/v1/completions", async (route) => {
      const body = { ...route.request().postDataJSON(), x_lpu: { tokens: true, ignore_eos: true } };
      await route.continue({ postData: JSON.stringify({ ...body, n: 32 }) });
    });
    await page.evaluate(() => {
      const observer = new MutationObserver(() => {
        if (document.querySelectorAll(".tok").length < 500) return;
        observer.disconnect();
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
      });
      observer.observe(document.querySelector(".log"), { childList: true, subtree: true });
    });
    await page.locator("#run").click();
    await state("stopped");
    await page.unroute("**/v1/completions");
    assert.ok((await tokens().count()) >= 500);
    assert.equal(await page.locator("#run").innerText(), "Run");
    await set("tokens", 40);
  },

  async compares() {
    await page.locator("#compare").click();
    assert.equal(await page.locator(".pane").count(), 2);
    await page.locator("#settings summary").click();
    await page.locator("#run").click();
    await Promise.all([state("done", 0), state("done", 1)]);
    const texts = await page.locator(".pane .answer").allInnerTexts();
    assert.equal(texts[0], texts[1], "two devices, one seed, one text");
    const devices = await page.locator(".pane .stats").allInnerTexts();
    assert.match(devices[0], /emu-0/);
    assert.match(devices[1], /emu-1/);
    await page.locator(".pane").nth(1).locator(".tok").nth(9).click();
    await page.locator(".pane").nth(1).locator(".schedule svg").waitFor();
    await picture("compare");
    await page.locator("#compare").click();
  },

  async chats() {
    await page.locator(".modes label").nth(1).click();
    for (const said of ["Tom had a red ball.", "Then he met a dog."]) {
      await page.locator("#prompt").fill(said);
      await page.keyboard.press("Control+Enter");
      await state("done");
    }
    assert.equal(await page.locator(".pane .said").count(), 2);
    await picture("chat");
    await page.locator(".modes label").nth(0).click();
  },

  async "copies code"() {
    await page.locator("#prompt").fill("It's \"quoted\"");
    await page.locator("#view-code").click();
    const tabs = page.locator("#code-tabs button");
    assert.deepEqual(await tabs.allInnerTexts(), ["curl", "Python openai", "Python huggingface_hub", "JavaScript"]);
    await tabs.nth(1).click();
    await page.locator("#code-copy").click();
    await page.getByText("Copied").waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.includes(`base_url="${address}/v1"`) && copied.includes("It's \\\"quoted\\\""), copied);
    await picture("code");
    await page.keyboard.press("Escape");
  },

  async "shows refusals, and that the server is gone"() {
    await set("stop", "a|b|c|d|e");
    await page.locator("#run").click();
    await page.getByRole("alert").filter({ hasText: "expected at most 4" }).waitFor();
    await page.locator("#stop").fill("");
    process.kill(Number(process_id), "SIGKILL");
    await page.locator("#run").click();
    await page.getByRole("alert").filter({ hasText: "is `lpu serve` still running?" }).waitFor();
    await picture("gone");
  },
};

/** What is worth a try, for a page that may answer no more. */
const tried = (what, work) => {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no answer in 20 s")), 20_000).unref());
  return Promise.race([work, late]).catch((error) => console.log(`${what}: ${error.message}`));
};

try {
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (error) {
      console.log(`failed: ${name}\n${error.stack}`);
      await tried("the picture of the failure", picture("failed"));
      throw error;
    }
    console.log(`passed: ${name}`);
  }
  assert.deepEqual(problems, []);
} finally {
  await tried("the end of the browser", context.close());
  rmSync(profile, { recursive: true, force: true });
}
