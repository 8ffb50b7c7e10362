"""Makes the golden texts of `host/runtime/tests/templates.rs`: every template of `templates/*.jinja`, which are written in the style of the
public formats, and every expression of `templates/expressions.txt`, rendered by Jinja2 set up as Hugging Face's transformers does it.

    pip install jinja2
    python3 templates.py
"""

import datetime
import glob
import json
import os

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
NOW = datetime.datetime(2026, 11, 3, 4, 5, 9, 123456)


class Generation(jinja2.ext.Extension):
    """The tag around what an assistant says; transformers notes where it stands, which changes no text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def render(source, variables):
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    try:
        return environment.from_string(source).render(**variables)
    except Exception:
        return None


def main():
    read = lambda name: open(os.path.join(HERE, name), encoding="utf-8", newline="").read()
    conversations = json.loads(read("conversations.json"))
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(HERE, "*.jinja")))
    templates = {name: [render(read(name), variables) for variables in conversations] for name in names}
    expressions = [[line, render(line, conversations[0])] for line in read("expressions.txt").splitlines()]
    with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as file:
        json.dump({"templates": templates, "expressions": expressions}, file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
