//! `lpu chat`: a conversation with a model.

use super::choice::{ChoiceArguments, cost_text, failure};
use super::device::{self, DeviceChoice};
use super::interrupt::Interrupt;
use super::output::{FAINT, STRONG, WARNING, grouped, megahertz, note, paint, rate};
use super::source::{self, Source};
use super::template::TemplateArguments;
use super::wrap::Wrapper;
use super::write::Target;
use super::{Failure, ModelArguments};
use lpu_runtime::chat::{Message, Template};
use lpu_runtime::sampling::{Engine, Event, Finish, Options, Reason};
use lpu_runtime::saturation;
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Lines of history that are kept.
const HISTORY_LINES_MAX: usize = 1000;
const HELP: &str = "\
  /clear          start a new conversation
  /system TEXT    start a new conversation with this system message
  /help           show this list
  /quit           leave, as Ctrl-D does
Ctrl-C stops an answer, or clears the line";

/// Chat with a model.
///
/// The conversation is put into the model's own chat template. A model without one continues your lines as they are. Earlier turns
/// stay on the chip, so that only new tokens are run. Ctrl-C stops an answer. If standard input is no terminal, each of its
/// lines is a message.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu chat stories260K.bin
  lpu chat SmolLM2-135M-Instruct.Q4_1.gguf --system \"Answer in one sentence.\"
  echo \"Once upon a time\" | lpu chat stories260K.bin --temperature 0.8 --tokens 40")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Device that executes the program: emu, rtl (the Verilated chip), netlist (the synthesised chip), auto (the board that
    /// is plugged in), or serial:PORT[?baud=N].
    #[arg(long, value_parser = device::parse, default_value = "emu")]
    device: DeviceChoice,
    /// System message at the start of the conversation.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// File that stores the history of your lines [default: none].
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    #[command(flatten)]
    template: TemplateArguments,
    #[command(flatten)]
    choice: ChoiceArguments,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Source { image, tokenizer, .. } = source::open(&arguments.model)?;
    let Some(tokenizer) = tokenizer else {
        return Err(Failure::input(format!(
            "{}; expected one to chat with the model: name it with --tokenizer",
            source::missing_tokenizer(&arguments.model.model, image.model.vocab)
        )));
    };
    let template = arguments.template.choose(&tokenizer)?;
    let tokenizer = template.with_turn_end(tokenizer);
    let options = arguments.choice.options();
    let device = device::make(&arguments.device, &image, None)?;
    let engine = Engine::new(device, &image, Some(tokenizer)).map_err(Failure::machine)?;
    let is_terminal = std::io::stdin().is_terminal();
    let mut chat = Chat {
        engine,
        template,
        options,
        messages: Vec::new(),
        context: image.model.context,
        is_simulated: arguments.device.is_simulated(),
        is_warned: false,
        interrupt: is_terminal.then(Interrupt::listen).transpose()?,
    };
    chat.begin(arguments.system.as_deref());
    if is_terminal {
        greet(&chat, &image.model.name);
        interactive(arguments, &mut chat)
    } else {
        let unreadable = |error| Failure::unreadable(Path::new("standard input"), &error);
        std::io::stdin().lines().try_for_each(|line| match chat.line(&line.map_err(unreadable)?)? {
            Next::More => Ok(()),
            Next::Quit => Err(Failure::Closed),
        })
    }
}

fn greet(chat: &Chat, name: &str) {
    let kind = if chat.template.is_trained() {
        "its chat template"
    } else {
        "no chat template, so it continues your lines"
    };
    note(format!("{}, {kind}; /help lists the commands", paint(STRONG, name)));
    if let Some(cost) = cost_text(&chat.options, chat.engine.model()) {
        note(paint(FAINT, cost));
    }
}

fn interactive(arguments: &Arguments, chat: &mut Chat) -> Result<(), Failure> {
    let broken = |error: ReadlineError| Failure::machine(format!("the terminal failed: {error}"));
    let config =
        Config::builder().max_history_size(HISTORY_LINES_MAX).map_err(broken)?.auto_add_history(true);
    let mut editor = DefaultEditor::with_config(config.build()).map_err(broken)?;
    if let Some(file) = arguments.history.as_ref().filter(|file| file.is_file()) {
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
        Some(file) => save_history(&mut editor, file),
    }
}

/// Lines may be private, so that a new file is for its owner only.
fn save_history(editor: &mut DefaultEditor, file: &Path) -> Result<(), Failure> {
    let draft = Target::new(file)?.draft()?;
    let written = editor.save_history(draft.path());
    written
        .map_err(|error| Failure::input(format!("cannot write the history {}: {error}", file.display())))?;
    draft.finish()
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
    is_simulated: bool,
    /// Whether it has been said that values were cut off.
    is_warned: bool,
    /// Ctrl-C, where it does not end the command.
    interrupt: Option<Interrupt>,
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
        // What was pressed before this answer is not about it.
        let is_interrupted = || self.interrupt.as_ref().is_some_and(Interrupt::take);
        is_interrupted();
        let begin = Instant::now();
        let mut generation = self.engine.generate(&prompt, &self.options).map_err(failure)?;
        let cancel = generation.canceller();
        let mut text = String::new();
        let mut out = Wrapper::of_stdout();
        while let Some(event) = generation.next_event().map_err(failure)? {
            if let Event::Token(token) = event {
                out.push(&token.text)?;
                text.push_str(&token.text);
            }
            if is_interrupted() {
                cancel.cancel();
            }
        }
        out.finish()?;
        let finish = generation.finish().map_err(failure)?;
        self.messages.push(Message::new("assistant", text));
        self.summarise(&finish, begin.elapsed());
        Ok(())
    }

    fn summarise(&mut self, finish: &Finish, wall: Duration) {
        let Finish { prompt_tokens, reused_tokens, completion_tokens, cycles_measured, .. } = *finish;
        let clock_hz = self.engine.geometry().clock_hz;
        let kind = if self.is_simulated { "simulated" } else { "measured on the board" };
        let positions = (prompt_tokens - reused_tokens + completion_tokens) as f64;
        let seconds = cycles_measured as f64 / clock_hz as f64;
        let device = match self.is_simulated {
            true => {
                format!("; the simulation ran {} a second", rate(positions / wall.as_secs_f64().max(1e-9)))
            }
            false => String::new(),
        };
        let end = match finish.reason {
            Reason::Context => "; the context is full, /clear starts a new one",
            Reason::Length => "; stopped at the limit of --tokens",
            Reason::Cancelled => "; interrupted",
            _ => "",
        };
        // Once is enough: it would be said of most answers.
        if let Some(warning) = saturation::warning(finish.saturations).filter(|_| !self.is_warned) {
            note(paint(WARNING, warning));
            self.is_warned = true;
        }
        note(paint(
            FAINT,
            format!(
                "{completion_tokens} tokens after {prompt_tokens} ({reused_tokens} of them reused) in {:.1} ms at {}, {kind}: \
                 {} tokens/s{device}{end}",
                1e3 * seconds,
                megahertz(clock_hz),
                rate(positions / seconds.max(1e-9)),
            ),
        ));
    }
}
