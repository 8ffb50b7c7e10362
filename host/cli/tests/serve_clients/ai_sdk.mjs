// What the AI SDK sees of a server whose address is the first argument, through its openai-compatible and its groq provider.

import assert from "node:assert/strict";
import { generateText, streamText } from "ai";
import { createGroq } from "@ai-sdk/groq";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const address = process.argv[2];
const compatible = createOpenAICompatible({ name: "lpu", baseURL: `${address}/v1`, apiKey: "none", includeUsage: true });
const groq = createGroq({ baseURL: `${address}/openai/v1`, apiKey: "none" });
const asked = { prompt: "Once upon a time", temperature: 0, maxOutputTokens: 24, maxRetries: 0 };

for (const [name, model] of [["openai-compatible", compatible("stories-lpu")], ["groq", groq("stories-lpu")]]) {
  const whole = await generateText({ ...asked, model });
  assert.equal(whole.finishReason, "length");
  assert.equal(whole.usage.outputTokens, 24);

  const stream = streamText({ ...asked, model });
  let text = "";
  for await (const part of stream.textStream) text += part;
  assert.equal(text, whole.text);
  assert.equal((await stream.usage).outputTokens, 24);
  assert.equal((await stream.usage).inputTokens, whole.usage.inputTokens);

  await assert.rejects(generateText({ ...asked, model, topP: 7 }), (error) => error.statusCode === 400 && /`top_p`/.test(error.message));
  console.log(`passed: ${name}`);
}

const providerOptions = { groq: { serviceTier: "on_demand", parallelToolCalls: false, user: "somebody" } };
const tuned = await generateText({ ...asked, model: groq("stories-lpu"), providerOptions });
assert.equal(tuned.usage.outputTokens, 24);

const continued = await generateText({ ...asked, model: compatible.completionModel("stories-lpu") });
assert.equal(continued.usage.outputTokens, 24);
console.log("passed: options and completions");
