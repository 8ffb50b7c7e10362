// What the official JavaScript client sees of a server whose address is the first argument.

import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });
const asked = { model: "stories-lpu", temperature: 0, max_completion_tokens: 24, messages: [{ role: "user", content: "Once upon a time" }] };

const tests = {
  async models() {
    const models = await client.models.list();
    assert.deepEqual(models.data.map((model) => model.id), ["stories-lpu"]);
  },

  async chat() {
    const answer = await client.chat.completions.create(asked);
    assert.equal(answer.choices[0].finish_reason, "length");
    assert.equal(answer.usage.completion_tokens, 24);
    assert.equal(answer.x_lpu.cycles_predicted, answer.x_lpu.cycles_measured);
  },

  async streams() {
    const whole = await client.chat.completions.create(asked);
    const stream = await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
    let text = "";
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(usage.completion_tokens, 24);
  },

  async "a stream helper"() {
    const runner = client.chat.completions.stream(asked);
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.content, (await client.chat.completions.create(asked)).choices[0].message.content);
  },

  async stopping() {
    const stream = await client.chat.completions.create({ ...asked, max_completion_tokens: 200, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) break;
    }
    stream.controller.abort();
    assert.equal((await client.chat.completions.create(asked)).choices.length, 1);
  },

  async completions() {
    const answer = await client.completions.create({ model: "stories-lpu", prompt: "Once upon a time", max_tokens: 8, seed: 1, logprobs: 1 });
    assert.equal(answer.choices[0].logprobs.tokens.length, 8);
  },

  async errors() {
    const refused = client.chat.completions.create({ ...asked, top_p: 7 });
    await assert.rejects(refused, (error) => error instanceof OpenAI.BadRequestError && error.param === "top_p");
  },
};

for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
  } catch (error) {
    console.log(`failed: ${name}`);
    throw error;
  }
  console.log(`passed: ${name}`);
}
