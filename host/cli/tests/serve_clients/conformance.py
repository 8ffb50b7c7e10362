"""What the official Python clients see of a server whose address is the only argument."""

import inspect
import sys

import groq
import openai
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.inference._common import ValidationError

PROMPT = "Once upon a time"
MESSAGES = [{"role": "user", "content": PROMPT}]
address = sys.argv[1]
ai = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
fast = groq.Groq(base_url=address + "/", api_key="none", max_retries=0)
hub = InferenceClient(base_url=address)
bare = InferenceClient(address)


def refused(error, call, status, *words):
    """Checks that a call is refused with this status and these words."""
    try:
        call()
    except error as found:
        code = getattr(found, "status_code", None) or getattr(getattr(found, "response", None), "status_code", None)
        assert status is None or code == status, (code, str(found))
        for word in words:
            assert word in str(found), (word, str(found))
    else:
        raise AssertionError(f"not refused: {words}")


def chat(client=ai, **fields):
    fields = {"model": "stories-lpu", "messages": MESSAGES, "temperature": 0, "max_completion_tokens": 24, **fields}
    return client.chat.completions.create(**fields)


def complete(**fields):
    return ai.completions.create(**{"model": "stories-lpu", "prompt": PROMPT, "temperature": 0, "max_tokens": 24, **fields})


def test_models():
    (model,) = ai.models.list().data
    assert model.id == "stories-lpu" and model.object == "model", model
    assert ai.models.retrieve("stories-lpu").context_window > 100
    refused(openai.NotFoundError, lambda: ai.models.retrieve("gpt-9"), 404, "stories-lpu")
    assert fast.models.list().data[0].id == "stories-lpu"


def test_chat():
    answer = chat()
    (choice,) = answer.choices
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-"), answer
    assert choice.message.role == "assistant" and choice.message.content, choice
    assert choice.finish_reason == "length" and choice.logprobs is None, choice
    usage = answer.usage
    assert usage.completion_tokens == 24 and usage.total_tokens == usage.prompt_tokens + 24, usage
    assert abs(usage.total_time - usage.prompt_time - usage.completion_time) < 1e-9 and usage.queue_time >= 0, usage
    machine = answer.x_lpu
    assert machine["cycles_predicted"] == machine["cycles_measured"] > 0, machine
    assert machine["device"].startswith("emu-") and answer.system_fingerprint == f"lpu_{machine['program_hash']}", machine


def test_groq():
    answer = chat(fast)
    assert answer.choices[0].message.content == chat().choices[0].message.content
    assert answer.usage.queue_time >= 0 and answer.usage.total_time > 0, answer.usage
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chat(fast, stream=True) if chunk.choices)
    assert text == answer.choices[0].message.content
    refused(groq.BadRequestError, lambda: chat(fast, temperature=3), 400, "expected 0 to 2")


def test_chat_stream():
    whole = chat().choices[0]
    for fields in [{}, {"stream_options": {"include_usage": False}}]:
        chunks = list(chat(stream=True, **fields))
        assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in chunks)
        assert chunks[0].choices[0].delta.role == "assistant", chunks[0]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["length"]
        last = chunks[-1].choices[0]
        assert last.finish_reason and not last.delta.content, last
        assert len({chunk.id for chunk in chunks}) == 1
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 24, chunks[-1]
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks[:-1])


def test_completions():
    answer = complete()
    assert answer.object == "text_completion" and answer.usage.completion_tokens == 24, answer
    text = answer.choices[0].text
    chunks = list(complete(stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == text
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == answer.usage.total_tokens
    assert complete(echo=True).choices[0].text == PROMPT + text
    several = complete(prompt=[PROMPT, "Lily had a cat"], n=2, temperature=1, seed=3)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert len({choice.text for choice in several.choices}) == 4
    assert several.choices[0].text == complete(temperature=1, seed=3).choices[0].text
    tokens = [token["id"] for token in hub_tokens(PROMPT)]
    assert complete(prompt=tokens).choices[0].text == text


def hub_tokens(text):
    import httpx

    return httpx.post(f"{address}/tokenize", json={"inputs": text}).json()


def test_stop():
    text = complete(max_tokens=60).choices[0].text
    # Begins and ends inside tokens, so that it never is a token or a series of whole ones.
    stop = text[11:19]
    for answer in [complete(max_tokens=60, stop=stop), complete(max_tokens=60, stop=["@@", stop])]:
        assert answer.choices[0].text == text[:11] and answer.choices[0].finish_reason == "stop", answer.choices[0]
    chunks = list(complete(max_tokens=60, stop=stop, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == text[:11]
    assert answer.usage.completion_tokens < 60
    refused(openai.BadRequestError, lambda: complete(stop=["a"] * 5), 400, "at most 4")


def test_utf8():
    # The vocabulary has no such characters: each is several byte tokens.
    tokens = hub_tokens("é€😀")
    assert len(tokens) > 9, tokens
    echoed = complete(prompt="é€😀", echo=True, max_tokens=1).choices[0].text
    assert echoed.startswith("é€😀"), echoed
    pieces = [chunk.choices[0].text for chunk in complete(prompt="é€😀", temperature=2, seed=5, max_tokens=100, stream=True)]
    whole = complete(prompt="é€😀", temperature=2, seed=5, max_tokens=100).choices[0].text
    assert "".join(pieces) == whole


def test_seeds():
    first = chat(temperature=1, seed=7).choices[0].message.content
    assert first == chat(temperature=1, seed=7).choices[0].message.content
    assert first != chat(temperature=1, seed=8).choices[0].message.content
    free = chat(temperature=1)
    assert chat(temperature=1, seed=free.x_lpu["seed"]).choices[0].message.content == free.choices[0].message.content


def test_logprobs():
    content = chat(logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert len(content) == 24
    for token in content:
        assert len(token.top_logprobs) == 3 and token.top_logprobs[0].token == token.token, token
        assert abs(token.logprob - token.top_logprobs[0].logprob) < 1e-12 and token.logprob <= 0
    streamed = [token for chunk in chat(logprobs=True, stream=True) if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
    assert [token.logprob for token in streamed] == [token.logprob for token in content]
    legacy = complete(logprobs=2).choices[0].logprobs
    assert len(legacy.tokens) == len(legacy.token_logprobs) == len(legacy.text_offset) == 24
    assert all(len(top) == 2 for top in legacy.top_logprobs)
    scored = complete(echo=True, logprobs=1, max_tokens=0)
    assert scored.choices[0].text == PROMPT and scored.usage.completion_tokens == 0, scored
    assert scored.choices[0].logprobs.token_logprobs[0] is None and all(found < 0 for found in scored.choices[0].logprobs.token_logprobs[1:])


def test_sampling():
    first, second = (chat(temperature=1, top_p=0.5, frequency_penalty=0.5, seed=7).choices[0].message.content for _ in range(2))
    assert first == second != chat(temperature=1, seed=7).choices[0].message.content
    likeliest = chat().choices[0].message.content
    assert chat(temperature=1, extra_body={"top_k": 1}).choices[0].message.content == likeliest
    (token,) = [token["id"] for token in hub_tokens("!")][-1:]
    assert set(complete(logit_bias={str(token): 100}, max_tokens=4).choices[0].text) - {" "} == {"!"}
    text = bare.text_generation(PROMPT, max_new_tokens=24, do_sample=True, top_k=5, top_p=0.9, repetition_penalty=1.2, seed=3)
    assert text == bare.text_generation(PROMPT, max_new_tokens=24, do_sample=True, top_k=5, top_p=0.9, repetition_penalty=1.2, seed=3)


def test_lpu_options():
    answer = chat(extra_body={"x_lpu": {"tokens": True, "device": "emu-1"}})
    machine = answer.x_lpu
    assert machine["device"] == "emu-1" and len(machine["tokens"]) == 24, machine
    for token in machine["tokens"]:
        assert token["cycles_predicted"] == token["cycles_measured"] > 0, token
    refused(openai.BadRequestError, lambda: chat(extra_body={"x_lpu": {"device": "tpu"}}), 400, "emu-0 or emu-1")


def test_errors():
    refused(openai.BadRequestError, lambda: chat(logit_bias={"x": 1}), 400, "logit_bias")
    refused(openai.BadRequestError, lambda: chat(top_p=0), 400, "top_p")
    refused(openai.BadRequestError, lambda: chat(extra_body={"toolz": []}), 400, "unknown field `toolz`")
    refused(openai.BadRequestError, lambda: chat(tools=[{"type": "function", "function": {"name": "a"}}]), 400, "`tools` is not supported")
    refused(openai.BadRequestError, lambda: chat(max_completion_tokens=0), 400, "expected at least 1")
    refused(openai.BadRequestError, lambda: chat(messages=[]), 400, "at least one message")
    refused(openai.BadRequestError, lambda: chat(messages=[{"role": "user", "content": "word " * 2000}]), 400, "maximum context length is")
    refused(openai.BadRequestError, lambda: chat(top_logprobs=3), 400, "logprobs: true")
    refused(openai.BadRequestError, lambda: chat(stream_options={"include_usage": True}), 400, "stream: true")
    refused(openai.APIStatusError, lambda: chat(messages=[{"role": "user", "content": "a" * (2 << 20)}]), 413, "bytes")
    try:
        chat(n=0)
    except openai.BadRequestError as error:
        assert error.param == "n" and error.type == "invalid_request_error" and error.response.headers["x-request-id"]


def test_fields():
    """Every field that the clients know is documented: null is accepted, whether a value can be honoured or not."""
    kinds = [(openai.resources.chat.Completions, chat), (groq.resources.chat.Completions, chat), (openai.resources.Completions, complete)]
    for kind, call in kinds:
        names = set(inspect.signature(kind.create).parameters) - {"self", "messages", "prompt", "extra_headers", "extra_query", "extra_body", "timeout"}
        assert len(names) > 15, names
        for name in names:
            call(extra_body={name: None})


def test_hub_chat():
    answer = hub.chat_completion(MESSAGES, max_tokens=24, temperature=0.0)
    assert answer.choices[0].message.content == chat().choices[0].message.content
    chunks = list(hub.chat_completion(MESSAGES, max_tokens=24, temperature=0.0, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content


def test_text_generation():
    text = bare.text_generation(PROMPT, max_new_tokens=24)
    assert text == complete().choices[0].text
    assert "".join(bare.text_generation(PROMPT, max_new_tokens=24, stream=True)) == text
    assert bare.text_generation(PROMPT, max_new_tokens=24, return_full_text=True) == PROMPT + text
    full = bare.text_generation(PROMPT, max_new_tokens=24, details=True, do_sample=True, seed=7)
    assert full.details.finish_reason == "length" and full.details.generated_tokens == 24 and full.details.seed == 7
    assert len(full.details.tokens) == 24 and all(token.logprob <= 0 for token in full.details.tokens)
    *_, last = bare.text_generation(PROMPT, max_new_tokens=24, details=True, stream=True)
    assert last.generated_text == text and last.details.finish_reason == "length", last
    refused(ValidationError, lambda: bare.text_generation(PROMPT, typical_p=0.5), None, "typical_p")
    assert InferenceClient(f"{address}/generate").text_generation(PROMPT, max_new_tokens=24) == text
    refused(HfHubHTTPError, lambda: InferenceClient(f"{address}/nowhere").text_generation(PROMPT), 404)


for name, test in [(name, test) for name, test in globals().items() if name.startswith("test_")]:
    try:
        test()
    except BaseException:
        print(f"failed: {name}", flush=True)
        raise
    print(f"passed: {name}", flush=True)
