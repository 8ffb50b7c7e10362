//! `lpu chat`: a conversation with a model.

use super::choice::{ChoiceArguments, cost_text, failure};
use super::output::{FAINT, STRONG, grouped, note, paint};
use super::source::{self, Source};
use super::template::TemplateArguments;
use super::{DeviceKind, Failure, ModelArguments, session};
use lpu_host::chat::{Message, Template};
use lpu_host::sampling::{Engine, Event, Finish, Options, Reason};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Lines of history that are kept.
const HISTORY_LINES_MAX: usize = 1000;
const HELP: &str = "\
  /clear          forget the conversation
  /system TEXT    forget it, and begin again with this instruction
  /help           this list
  /quit           end; so does Ctrl-D. Ctrl-C ends the line";

/// Talk with a model.
///
/// The model's own chat template turns the conversation into text; a model without one gets your lines as they are, and continues them.
/// What was said before is still on the chip, so that only new tokens are run. Lines come from the terminal, or from standard input
/// when that is none.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu chat stories260K.bin
  lpu chat SmolLM2-135M-Instruct/ --geometry virtual --system \"Answer in one sentence.\"
  echo \"Once upon a time\" | lpu chat stories260K.bin --temperature 0.8 --tokens 40")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Machine that executes the program.
    #[arg(long, value_enum, default_value_t = DeviceKind::Emu)]
    device: DeviceKind,
    /// Instruction that stands before the conversation.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// File for the history of your lines [default: none].
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    #[command(flatten)]
    template: TemplateArguments,
    #[command(flatten)]
    choice: ChoiceArguments,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Source { image, tokenizer } = source::open(&arguments.model)?;
    let Some(tokenizer) = tokenizer else {
        return Err(Failure::input(format!(
            "no tokenizer of {} pieces belongs to the model; expected one to talk with it: name it with --tokenizer",
            image.model.vocab
        )));
    };
    let template = arguments.template.choose(&tokenizer)?;
    let tokenizer = template.with_turn_end(tokenizer);
    let options = arguments.choice.options();
    let device = session::device(arguments.device, &image)?;
    let engine = Engine::new(device, &image, Some(tokenizer)).map_err(Failure::machine)?;
    let mut chat = Chat { engine, template, options, messages: Vec::new(), context: image.model.context };
    chat.begin(arguments.system.as_deref());
    if std::io::stdin().is_terminal() {
        greet(&chat, &image.model.name);
        interactive(arguments, &mut chat)
    } else {
        std::io::stdin().lines().try_for_each(|line| match chat.line(&line?)? {
            Next::More => Ok(()),
            Next::Quit => Err(Failure::Closed),
        })
    }
}

fn greet(chat: &Chat, name: &str) {
    let kind = if chat.template.is_trained() {
        "its chat template"
    } else {
        "no chat template: it continues your lines"
    };
    note(format!("{}, {kind}; /help lists commands", paint(STRONG, name)));
    if let Some(cost) = cost_text(&chat.options, chat.engine.model()) {
        note(paint(FAINT, cost));
    }
}

fn interactive(arguments: &Arguments, chat: &mut Chat) -> Result<(), Failure> {
    let broken = |error: ReadlineError| Failure::machine(format!("the terminal failed: {error}"));
    let config =
        Config::builder().max_history_size(HISTORY_LINES_MAX).map_err(broken)?.auto_add_history(true);
    let mut editor = DefaultEditor::with_config(config.build()).map_err(broken)?;
    if let Some(file) = arguments.history.as_ref().filter(|file| file.exists()) {
        editor.load_history(file).map_err(|error| {
            Failure::input(format!("cannot read the history {}: {error}", file.display()))
        })?;
    }
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                if let Next::Quit = chat.line(&line)? {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(broken(error)),
        }
    }
    match &arguments.history {
        None => Ok(()),
        Some(file) => editor
            .save_history(file)
            .map_err(|error| Failure::input(format!("cannot write the history {}: {error}", file.display()))),
    }
}

enum Next {
    More,
    Quit,
}

struct Chat {
    engine: Engine,
    template: Template,
    options: Options,
    messages: Vec<Message>,
    context: u32,
}

impl Chat {
    fn begin(&mut self, system: Option<&str>) {
        self.messages.clear();
        self.messages.extend(system.map(|text| Message::new("system", text)));
    }

    /// Answers a line, or obeys it.
    fn line(&mut self, line: &str) -> Result<Next, Failure> {
        let line = line.trim();
        match line.split_once(' ').unwrap_or((line, "")) {
            ("", _) => {}
            ("/quit", _) => return Ok(Next::Quit),
            ("/clear", _) => {
                let system = self.messages.first().filter(|first| first.role == "system").cloned();
                self.begin(system.as_ref().map(|message| message.content.as_str()));
            }
            ("/system", text) => self.begin(Some(text)),
            (command, _) if command.starts_with('/') => note(HELP),
            _ => self.answer(line)?,
        }
        Ok(Next::More)
    }

    fn answer(&mut self, line: &str) -> Result<(), Failure> {
        self.messages.push(Message::new("user", line));
        let tokenizer = self.engine.tokenizer().expect("a chat begins with a tokenizer");
        let prompt = self.template.encode(tokenizer, &self.messages).map_err(Failure::input)?;
        if prompt.len() >= self.context as usize {
            self.messages.pop();
            note(format!(
                "the conversation has {} tokens, the chip has room for {}: shorten the line, or /clear",
                grouped(prompt.len() as u64),
                grouped(u64::from(self.context))
            ));
            return Ok(());
        }
        let mut generation = self.engine.generate(&prompt, &self.options).map_err(failure)?;
        let mut text = String::new();
        let mut out = std::io::stdout().lock();
        while let Some(event) = generation.next_event().map_err(failure)? {
            if let Event::Token(token) = event {
                out.write_all(token.text.as_bytes())?;
                out.flush()?;
                text.push_str(&token.text);
            }
        }
        writeln!(out)?;
        let finish = generation.finish().map_err(failure)?;
        self.messages.push(Message::new("assistant", text));
        summarise(&finish, self.engine.geometry().clock_hz);
        Ok(())
    }
}

fn summarise(finish: &Finish, clock_hz: u64) {
    let Finish { prompt_tokens, reused_tokens, completion_tokens, cycles_measured, .. } = *finish;
    let end = match finish.reason {
        Reason::Context => ", the context is full: /clear to go on",
        Reason::Length => ", as many as asked for",
        _ => "",
    };
    note(paint(
        FAINT,
        format!(
            "{completion_tokens} tokens after {prompt_tokens} ({reused_tokens} were on the chip) in {:.1} ms of the board's clock{end}",
            1e3 * cycles_measured as f64 / clock_hz as f64
        ),
    ));
}
