"""The standard suites of langchain-tests for its OpenAI and Groq models, on a server whose address is in LPU_ADDRESS. It serves two models."""

import os

from langchain_groq import ChatGroq
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

ADDRESS = os.environ["LPU_ADDRESS"]


class Suite(ChatModelIntegrationTests):
    """What the server offers: text, without tools and forced forms."""

    has_tool_calling = False
    has_tool_choice = False
    has_structured_output = False
    supports_json_mode = False
    supports_model_override = True
    model_override_value = "second"
    enable_vcr_tests = False


class TestOpenAI(Suite):
    chat_model_class = ChatOpenAI
    # Streams of other servers than OpenAI's carry no usage unless they are asked for it.
    chat_model_params = {"model": "stories-lpu", "base_url": f"{ADDRESS}/v1", "api_key": "none", "max_tokens": 24, "stream_usage": True}


class TestGroq(Suite):
    chat_model_class = ChatGroq
    # The model is changed, but ChatGroq reports the name that it was made with, whatever the answer says.
    supports_model_override = False
    chat_model_params = {"model": "stories-lpu", "base_url": f"{ADDRESS}/", "api_key": "none", "max_tokens": 24}
