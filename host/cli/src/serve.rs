//! `lpu serve`: models behind OpenAI-, Groq- and Hugging Face-compatible addresses.

use super::device::{self, DeviceChoice};
use super::number::whole;
use super::output::{FAINT, STRONG, note, paint};
use super::template::TemplateArguments;
use super::{DeviceKind, Failure, GeometryChoice, ModelArguments, geometry_of_name, geometry_parser, source};
use clap::ValueEnum;
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_model::text;
use lpu_serve::{DeviceSpec, Limits, Running, ServedModel, Settings, openapi};
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const PORT_DEFAULT: u16 = 8080;

/// Serve models over HTTP, with a playground in the browser.
///
/// The API is compatible with OpenAI's and Groq's (/v1, /openai/v1) and with Hugging Face's Text Generation Inference (/, /generate).
/// Command-line options override environment variables, which override the file given by --config.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu serve models/stories-lpu/model.bin
  lpu serve stories=stories260K.bin stories.lpu --device emu --device emu
  lpu serve stories.lpu --device serial:/dev/ttyUSB0 --device serial:/dev/ttyUSB1
  lpu serve --config serve.toml
  lpu serve stories.lpu --host 0.0.0.0 --keys keys.toml --usage usage.redb

A file for --config:
  models = [\"models/stories-lpu/model.bin\"]
  devices = [\"emu\", \"emu\"]
  port = 8080
  keys = \"keys.toml\"

Then: http://127.0.0.1:8080 in a browser, or base_url=\"http://127.0.0.1:8080/v1\" in a client.")]
pub struct Arguments {
    /// Models or images to serve; NAME=FILE sets the name that clients ask for.
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Device that executes the programs: emu, rtl (the Verilated chip), netlist (the synthesised chip), auto (the board that
    /// is plugged in), or serial:PORT[?baud=N]; can be repeated [default: emu].
    #[arg(long = "device", value_parser = device::parse, value_name = "DEVICE")]
    devices: Vec<DeviceChoice>,
    /// Tokenizer for models without their own.
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    #[command(flatten)]
    template: TemplateArguments,
    /// Chip to compile for; `virtual` is a chip as large as the model needs, for the emulator only [default: ulx3s-85f].
    #[arg(long, value_name = "NAME", value_parser = geometry_parser())]
    geometry: Option<GeometryChoice>,
    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, env = "LPU_SERVE_HOST")]
    host: Option<IpAddr>,
    /// Port to listen on; 0 takes any free one [default: 8080].
    #[arg(long, env = "LPU_SERVE_PORT", value_parser = whole::<u16>(0))]
    port: Option<u16>,
    /// File of API keys (see `lpu key`); requests without a valid key are refused.
    #[arg(long, env = "LPU_SERVE_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,
    /// File that stores the usage of each key [default: kept in memory].
    #[arg(long, env = "LPU_SERVE_USAGE", value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Listen on a public address without API keys.
    #[arg(long, env = "LPU_SERVE_OPEN_TO_ALL")]
    open_to_all: bool,
    /// Answer requests for a model of any other name with the first model.
    #[arg(long, env = "LPU_SERVE_ANY_MODEL_NAME")]
    any_model_name: bool,
    /// Maximum number of requests waiting for a device [default: 256].
    #[arg(long, env = "LPU_SERVE_QUEUE", value_name = "N", value_parser = whole::<usize>(0))]
    queue: Option<usize>,
    /// Maximum number of open connections [default: 4096].
    #[arg(long, env = "LPU_SERVE_CONNECTIONS", value_name = "N", value_parser = whole::<usize>(0))]
    connections: Option<usize>,
    /// Seconds that answers in progress may take at shutdown [default: 30].
    #[arg(long, env = "LPU_SERVE_DRAIN", value_name = "SECONDS", value_parser = whole::<u64>(0))]
    drain: Option<u64>,
    /// Format of the log on standard error; RUST_LOG sets its level [default: text].
    #[arg(long, env = "LPU_SERVE_LOG", value_enum)]
    log: Option<LogForm>,
    /// Configuration file in TOML.
    #[arg(long, env = "LPU_SERVE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the OpenAPI description of the API and exit.
    #[arg(long)]
    openapi: bool,
}

/// The file of `--config`: the arguments' names with underscores.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    models: Vec<String>,
    #[serde(deserialize_with = "devices_of_names")]
    devices: Vec<DeviceChoice>,
    tokenizer: Option<PathBuf>,
    chat_template: Option<PathBuf>,
    geometry: Option<String>,
    host: Option<IpAddr>,
    port: Option<u16>,
    keys: Option<PathBuf>,
    usage: Option<PathBuf>,
    open_to_all: bool,
    any_model_name: bool,
    queue: Option<usize>,
    connections: Option<usize>,
    drain: Option<u64>,
    log: Option<LogForm>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.openapi {
        return super::output::json(&openapi());
    }
    let mut merged = merge(arguments)?;
    log(merged.log.unwrap_or_default());
    let devices = devices(std::mem::take(&mut merged.devices));
    let models = models(&merged)?;
    let limits = Limits::default();
    let settings = Settings {
        address: SocketAddr::new(
            merged.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            merged.port.unwrap_or(PORT_DEFAULT),
        ),
        keys: merged.keys,
        usage: merged.usage,
        is_open_to_all: merged.open_to_all,
        answers_any_name: merged.any_model_name,
        limits: Limits {
            waiting_max: merged.queue.unwrap_or(limits.waiting_max),
            connections_max: merged.connections.unwrap_or(limits.connections_max),
            drain: merged.drain.map_or(limits.drain, Duration::from_secs),
            ..limits
        },
        models,
        devices,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::machine(format!("cannot start threads: {error}")))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let models: Vec<String> = settings.models.iter().map(|model| model.id.clone()).collect();
    let devices: Vec<String> = settings.devices.iter().map(|device| device.name.clone()).collect();
    let running = Running::start(settings).await.map_err(Failure::input)?;
    let address = running.address();
    note(format!("{} on {}", paint(STRONG, models.join(", ")), devices.join(", ")));
    note(format!(
        "playground  http://{address}\nOpenAI      http://{address}/v1\ninterface   http://{address}/docs"
    ));
    note(paint(FAINT, "Ctrl-C stops the server once the answers in progress are complete"));
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
        return Err(Failure::machine("cannot listen to signals"));
    };
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("shutting down");
    };
    running.until(shutdown).await;
    Ok(())
}

/// What was given, if anything was.
fn or<T>(given: Vec<T>, other: Vec<T>) -> Vec<T> {
    if given.is_empty() { other } else { given }
}

fn devices_of_names<'de, D: Deserializer<'de>>(file: D) -> Result<Vec<DeviceChoice>, D::Error> {
    let names = Vec::<String>::deserialize(file)?;
    names.iter().map(|name| device::parse(name).map_err(serde::de::Error::custom)).collect()
}

/// Arguments and environment before the file.
fn merge(arguments: Arguments) -> Result<Config, Failure> {
    let file = arguments.config.as_deref().map(read_config).transpose()?.unwrap_or_default();
    Ok(Config {
        models: or(arguments.models, file.models),
        devices: or(arguments.devices, file.devices),
        tokenizer: arguments.tokenizer.or(file.tokenizer),
        chat_template: arguments.template.chat_template.or(file.chat_template),
        geometry: arguments.geometry.map(|choice| choice.name().into()).or(file.geometry),
        host: arguments.host.or(file.host),
        port: arguments.port.or(file.port),
        keys: arguments.keys.or(file.keys),
        usage: arguments.usage.or(file.usage),
        open_to_all: arguments.open_to_all || file.open_to_all,
        any_model_name: arguments.any_model_name || file.any_model_name,
        queue: arguments.queue.or(file.queue),
        connections: arguments.connections.or(file.connections),
        drain: arguments.drain.or(file.drain),
        log: arguments.log.or(file.log),
    })
}

/// Reads a file of settings. Files that it names lie beside it.
fn read_config(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let mut config: Config = toml::from_str(&text)
        .map_err(|error| Failure::input(format!("{}: {}", path.display(), text::plain(error))))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for file in [&mut config.tokenizer, &mut config.keys, &mut config.usage].into_iter().flatten() {
        *file = folder.join(&*file);
    }
    // The name of one of the model's templates is no file.
    if let Some(template) = config.chat_template.as_mut().filter(|template| folder.join(template).exists()) {
        *template = folder.join(&*template);
    }
    for model in &mut config.models {
        let (name, file) = named(model);
        let file = folder.join(file).display().to_string();
        *model = name.map_or_else(|| file.clone(), |name| format!("{name}={file}"));
    }
    Ok(config)
}

/// `NAME=FILE` or `FILE`.
fn named(model: &str) -> (Option<&str>, &str) {
    match model.split_once('=') {
        Some((name, file)) if !name.is_empty() && !name.contains(['/', '\\']) => (Some(name), file),
        _ => (None, model),
    }
}

/// A model's name where none is given: its file's, or its folder's if the file is just called `model`.
fn default_name(path: &Path) -> String {
    let name = source::model_name(path);
    let folder = path.parent().filter(|_| name == "model" && path.extension().is_some());
    folder.and_then(Path::file_name).map_or(name, |folder| folder.to_string_lossy().into_owned())
}

fn models(config: &Config) -> Result<Vec<ServedModel>, Failure> {
    if config.models.is_empty() {
        return Err(Failure::input(
            "expected a model to serve, found none; try `lpu serve models/stories-lpu/model.bin`",
        ));
    }
    let geometry = config.geometry.as_deref().map(|name| {
        geometry_of_name(name).ok_or_else(|| {
            let known = Geometry::known().map(|known| known.name).collect::<Vec<_>>().join(", ");
            Failure::input(format!("no chip is named `{name}`; expected virtual, {known}"))
        })
    });
    let geometry = geometry.transpose()?;
    let mut models = Vec::new();
    for model in &config.models {
        let (name, file) = named(model);
        let path = PathBuf::from(file);
        let id = name.map_or_else(|| default_name(&path), Into::into);
        let arguments = ModelArguments { model: path, tokenizer: config.tokenizer.clone(), geometry };
        let source::Source { image, tokenizer, .. } = source::open(&arguments)?;
        let tokenizer = tokenizer.ok_or_else(|| {
            Failure::input(format!(
                "no tokenizer lies beside {file}; expected one to speak text: name it with --tokenizer"
            ))
        })?;
        let template =
            TemplateArguments { chat_template: config.chat_template.clone() }.choose(&tokenizer)?;
        models.push(ServedModel::with_template(id, image, tokenizer, template));
    }
    Ok(models)
}

/// Devices, named by kind and number.
fn devices(choices: Vec<DeviceChoice>) -> Vec<DeviceSpec> {
    let choices = or(choices, vec![DeviceChoice::Inside(DeviceKind::Emu)]);
    let names: Vec<&str> = choices.iter().map(DeviceChoice::name).collect();
    let number = |index: usize| names[..index].iter().filter(|other| **other == names[index]).count();
    let names: Vec<String> =
        names.iter().enumerate().map(|(index, name)| format!("{name}-{}", number(index))).collect();
    let spec = |(choice, name): (DeviceChoice, String)| {
        let opener = move |image: &Image| {
            device::make(&choice, image, None).map_err(|failure| match failure {
                Failure::Input(why) | Failure::Machine(why) => why,
                Failure::Closed | Failure::Interrupted | Failure::No => "it was stopped".into(),
            })
        };
        DeviceSpec { name, opener: Box::new(opener) }
    };
    choices.into_iter().zip(names).map(spec).collect()
}

fn log(form: LogForm) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match form {
        LogForm::Text => builder.with_target(false).init(),
        LogForm::Json => builder.json().flatten_event(true).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_their_user_or_by_their_file() {
        assert_eq!(named("a=b/c.bin"), (Some("a"), "b/c.bin"));
        assert_eq!(named("x=1/c.bin"), (Some("x"), "1/c.bin"));
        assert_eq!(named("b/x=1.bin"), (None, "b/x=1.bin"));
        assert_eq!(default_name(Path::new("models/stories-lpu/model.bin")), "stories-lpu");
        assert_eq!(default_name(Path::new("stories260K.bin")), "stories260K");
    }

    #[test]
    fn a_setting_of_an_unknown_name_is_refused() {
        let error =
            toml::from_str::<Config>("prot = 1").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("unknown field `prot`"), "{error}");
    }
}
