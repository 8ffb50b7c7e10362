
/** The request as programs in the languages of those who will send it. `path` is below /v1. */
function programs(origin, path, body) {
  const chat = path === "chat/completions";
  const known = { ...body };
  delete known.x_lpu;
  delete known.stream_options;
  const text = JSON.stringify(known, null, 2);
  return {
    curl: `curl -N ${origin}/v1/${path} \\\n  -H 'content-type: application/json' \\\n  -d '${text.replaceAll("'", "'\\''")}'\n`,
    "Python openai": openaiPython(origin, chat, known),
    "Python huggingface_hub": hubPython(origin, chat, known),
    JavaScript: openaiJavaScript(origin, chat, known),
  };
}

/** A value as Python writes it. */
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

function pythonArguments(body) {
  return Object.entries(body).map(([name, value]) => `    ${name}=${python(value)},\n`).join("");
}

function openaiPython(origin, chat, { top_k, ...known }) {
  // The client knows no top_k; it sends what stands in extra_body.
  const body = top_k === undefined ? known : { ...known, extra_body: { top_k } };
  const piece = chat ? "chunk.choices[0].delta.content or \"\"" : "chunk.choices[0].text";
  return `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="none")
stream = client.${chat ? "chat.completions" : "completions"}.create(
${pythonArguments(body)})
for chunk in stream:
    print(${piece}, end="", flush=True)
`;
}

function hubPython(origin, chat, body) {
  if (chat) {
    const { model, max_completion_tokens, top_k, ...known } = body;
    const rest = { ...known, max_tokens: max_completion_tokens };
    if (top_k !== undefined) rest.extra_body = { top_k };
    return `from huggingface_hub import InferenceClient

client = InferenceClient(base_url="${origin}")
stream = client.chat_completion(
    model=${python(model)},
${pythonArguments(rest)})
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
`;
  }
  const parameters = { max_new_tokens: body.max_tokens };
  if (body.temperature > 0) Object.assign(parameters, { do_sample: true, temperature: body.temperature });
  if (body.temperature > 0 && body.top_p !== undefined) parameters.top_p = body.top_p;
  if (body.temperature > 0 && body.top_k !== undefined) parameters.top_k = body.top_k;
  if (body.seed !== undefined) parameters.seed = body.seed;
  if (body.stop) parameters.stop = body.stop;
  return `from huggingface_hub import InferenceClient

client = InferenceClient("${origin}")
stream = client.text_generation(
    ${python(body.prompt)},
${pythonArguments(parameters)}    stream=True,
)
for piece in stream:
    print(piece, end="", flush=True)
`;
}

function openaiJavaScript(origin, chat, body) {
  const piece = chat ? "chunk.choices[0].delta.content ?? \"\"" : "chunk.choices[0].text";
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "none" });
const stream = await client.${chat ? "chat.completions" : "completions"}.create(${JSON.stringify(body, null, 2)});
for await (const chunk of stream) {
  process.stdout.write(${piece});
}
`;
}
