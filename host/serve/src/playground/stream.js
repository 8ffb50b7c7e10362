
"use strict";

/** What the server told when it refused, or why it could not be reached. */
class ServerError extends Error {}

async function refusal(response) {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    return new ServerError(error.message ?? error);
  } catch {
    return new ServerError(`the server answered ${response.status}`);
  }
}

/** Posts a request and yields the JSON of each server-sent event until `[DONE]`. */
async function* events(path, body, key, signal) {
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("the server cannot be reached: is `lpu serve` still running?");
  }
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError("the server went away in the middle of the answer: is `lpu serve` still running?");
    }
    if (part.done) throw new ServerError("the answer broke off before its end: is `lpu serve` still running?");
    buffer += part.value;
    const messages = buffer.split("\n\n");
    buffer = messages.pop();
    for (const message of messages) {
      if (!message.startsWith("data: ")) continue;
      const data = message.slice(6);
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new ServerError(event.error.message ?? event.error);
      yield event;
    }
  }
}
