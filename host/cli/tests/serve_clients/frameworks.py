"""What frameworks and the older Hugging Face client see of a server whose address is in LPU_ADDRESS."""

import asyncio
import os

import instructor
import litellm
import openai
import pydantic
import pytest
import text_generation
from instructor.exceptions import IncompleteOutputException

ADDRESS = os.environ["LPU_ADDRESS"]
PROMPT = "Once upon a time"
MESSAGES = [{"role": "user", "content": PROMPT}]
TOKENS = 24
ai = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key="none", max_retries=0)
hub = text_generation.Client(ADDRESS, timeout=60)


@pytest.fixture(scope="module")
def story():
    """How the model goes on, by the plainest client."""
    return ai.completions.create(model="stories-lpu", prompt=PROMPT, temperature=0, max_tokens=TOKENS).choices[0].text


@pytest.fixture(scope="module")
def said():
    return ai.chat.completions.create(model="stories-lpu", messages=MESSAGES, temperature=0, max_tokens=TOKENS).choices[0].message.content


def test_text_generation(story):
    answer = hub.generate(PROMPT, max_new_tokens=TOKENS, decoder_input_details=True)
    assert answer.generated_text == story
    assert answer.details.generated_tokens == TOKENS == len(answer.details.tokens) and answer.details.seed is None
    prefill = answer.details.prefill
    assert prefill[0].logprob is None and len(prefill) > 3 and all(token.logprob < 0 for token in prefill[1:])
    streamed = list(hub.generate_stream(PROMPT, max_new_tokens=TOKENS))
    assert "".join(message.token.text for message in streamed) == story == streamed[-1].generated_text


def test_text_generation_sampling(story):
    # This client says `do_sample: false` with every temperature; the server it was made for draws all the same.
    first, second = (hub.generate(PROMPT, max_new_tokens=TOKENS, temperature=1.3, seed=5) for _ in range(2))
    assert first.generated_text == second.generated_text != story and first.details.seed == 5
    assert hub.generate(PROMPT, max_new_tokens=TOKENS, temperature=1.0).generated_text == story
    with pytest.raises(text_generation.errors.ValidationError):
        hub.generate(PROMPT, max_new_tokens=TOKENS, typical_p=0.5)


def test_text_generation_chat(said):
    messages = [text_generation.types.Message(**message) for message in MESSAGES]
    answer = hub.chat(messages, max_tokens=TOKENS, temperature=0.0)
    assert answer.choices[0].message.content == said


def test_text_generation_async(story):
    client = text_generation.AsyncClient(ADDRESS, timeout=60)
    assert asyncio.run(client.generate(PROMPT, max_new_tokens=TOKENS)).generated_text == story


@pytest.mark.parametrize(("provider", "base"), [("openai", "/v1"), ("groq", "/openai/v1")])
def test_litellm(said, provider, base):
    asked = {"model": f"{provider}/stories-lpu", "api_base": ADDRESS + base, "api_key": "none", "messages": MESSAGES, "num_retries": 0}
    answer = litellm.completion(**asked, temperature=0, max_tokens=TOKENS)
    assert answer.choices[0].message.content == said and answer.usage.completion_tokens == TOKENS
    chunks = list(litellm.completion(**asked, temperature=0, max_tokens=TOKENS, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said
    assert chunks[-1].usage.completion_tokens == TOKENS
    assert asyncio.run(litellm.acompletion(**asked, temperature=0, max_tokens=TOKENS)).choices[0].message.content == said
    long = [{"role": "user", "content": "word " * 1000}]
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(**{**asked, "messages": long})
    with pytest.raises(litellm.BadRequestError, match="top_p"):
        litellm.completion(**asked, top_p=7)


def test_litellm_text(story):
    asked = {"model": "text-completion-openai/stories-lpu", "api_base": f"{ADDRESS}/v1", "api_key": "none", "prompt": PROMPT}
    assert litellm.text_completion(**asked, temperature=0, max_tokens=TOKENS).choices[0].text == story


class Note(pydantic.BaseModel):
    text: str = "nothing"


def test_instructor():
    # Instructions in the prompt need nothing of a server but text: the answer comes back to instructor, which finds it cut short. A
    # model as small as this one writes no JSON.
    client = instructor.from_openai(ai, mode=instructor.Mode.MD_JSON)
    asked = {"model": "stories-lpu", "messages": [{"role": "user", "content": PROMPT}], "max_retries": 0}
    with pytest.raises(IncompleteOutputException) as cut:
        client.chat.completions.create(**asked, response_model=Note, temperature=0, max_tokens=2)
    assert cut.value.last_completion.usage.completion_tokens == 2
    # The other modes need tools or forms, and hear that at once.
    for mode, field in [(instructor.Mode.TOOLS, "tools"), (instructor.Mode.JSON, "response_format")]:
        client = instructor.from_openai(ai, mode=mode)
        with pytest.raises(Exception, match=f"`{field}` is not supported here|`tool_choice` is not supported here"):
            client.chat.completions.create(**asked, response_model=Note)
