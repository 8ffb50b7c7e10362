//! A server as a process, and a client that sees every byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const START_PATIENCE: Duration = Duration::from_secs(60);
const READ_PATIENCE: Duration = Duration::from_secs(60);

pub fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/stories-lpu/model.bin")
}

/// A running `lpu serve`, ended with its value.
pub struct Served {
    pub process: Child,
    pub address: SocketAddr,
    /// Gives all that was told on standard error, when it ends.
    log: Receiver<Result<SocketAddr, String>>,
}

impl Served {
    /// Serves the bundled model on two emulators.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
        command.args(["serve", "--device", "emu", "--device", "emu"]).arg(model());
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(arguments).env("RUST_LOG", "warn");
        Self::run(command)
    }

    /// Waits until a command serves.
    pub fn run(mut command: Command) -> Self {
        command.stderr(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.spawn().expect("the command starts");
        let lines = BufReader::new(process.stderr.take().expect("standard error is piped")).lines();
        let (sender, receiver) = channel();
        // Reads to the end, so that a long log never blocks the server.
        std::thread::spawn(move || {
            let mut told = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("playground  http://") {
                    _ = sender.send(address.parse().map_err(|_| line.clone()));
                }
                told.push_str(&line);
                told.push('\n');
            }
            _ = sender.send(Err(told));
        });
        match receiver.recv_timeout(START_PATIENCE) {
            Ok(Ok(address)) => Self { process, address, log: receiver },
            Ok(Err(told)) => panic!("no address in: {told}"),
            Err(_) => panic!("the server did not start in time"),
        }
    }
}

impl Served {
    /// Ends the server as its operator would, waits, and gives its log.
    pub fn end(mut self) -> String {
        let asked = Command::new("sh").args(["-c", &format!("kill {}", self.process.id())]).status();
        assert!(asked.is_ok_and(|status| status.success()));
        assert!(self.process.wait().is_ok_and(|status| status.success()), "it ends well");
        self.log.recv().ok().and_then(Result::err).unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The data of server-sent events.
    pub fn events(&self) -> Vec<&str> {
        self.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(READ_PATIENCE)).expect("a time limit");
    stream
}

/// A request whose answer ends with the connection: HTTP/1.0 has no chunks.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.0\r\nhost: x\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

pub fn send(address: SocketAddr, text: &str) -> std::io::Result<Answer> {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes())?;
    read(stream)
}

pub fn read(mut stream: TcpStream) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer { status: status.unwrap_or(0), head: head.into(), body: body.into() })
}

pub fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    send(address, &request("POST", path, "", body)).expect("an answer")
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &request("GET", path, "", "")).expect("an answer")
}
