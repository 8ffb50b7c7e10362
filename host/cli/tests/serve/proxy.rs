//! Two servers behind HAProxy, with the configuration that the project ships.

use crate::support::{Served, get, post};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// The shipped configuration with the addresses of this test: where it serves, and where it tells its metrics.
fn start(folder: &Path, servers: [&Served; 2]) -> Option<(Proxy, SocketAddr, SocketAddr)> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/haproxy.cfg");
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (address, metrics) = (local(free_port()), local(free_port()));
    let text = std::fs::read_to_string(shipped).expect("the shipped configuration");
    let replaced = [
        ("192.0.2.11:8080", servers[0].address.to_string()),
        ("192.0.2.12:8080", servers[1].address.to_string()),
        ("bind :80", format!("bind {address}")),
        ("bind 127.0.0.1:8404", format!("bind {metrics}")),
    ];
    let text = replaced.iter().fold(text, |text, (old, new)| {
        assert!(text.contains(old), "{old} is not in the configuration");
        text.replace(old, new)
    });
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text).expect("the folder can be written");
    let haproxy =
        ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"].into_iter().find(|path| Path::new(path).exists());
    let Some(haproxy) = haproxy else {
        println!("skipped: haproxy is missing; run `make setup`");
        return None;
    };
    let process = Command::new(haproxy).arg("-db").arg("-f").arg(file).spawn().expect("it starts");
    let proxy = Proxy(process);
    for _ in 0..200 {
        if std::net::TcpStream::connect(address).is_ok() {
            return Some((proxy, address, metrics));
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("haproxy does not listen");
}

/// Waits until the proxy's metrics say that the first server is down.
fn wait_for_down(metrics: SocketAddr) {
    let is_down = |line: &str| {
        line.starts_with("haproxy_server_status")
            && line.contains("server=\"one\"")
            && line.contains("state=\"DOWN\"")
            && line.ends_with(" 1")
    };
    for _ in 0..400 {
        if get(metrics, "/metrics").body.lines().any(is_down) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not down: {:?}", get(metrics, "/metrics"));
}

#[test]
fn one_of_two_servers_dies_under_load_and_no_request_is_lost_that_had_not_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, second) = (Served::start(&[]), Served::start(&[]));
    let Some((_proxy, address, metrics)) = start(folder.path(), [&first, &second]) else { return };
    let body = r#"{"prompt": "Lily", "max_tokens": 16, "temperature": 1, "seed": 3, "stream": true}"#;
    let expected = post(second.address, "/v1/completions", body).events().len();
    let (ended, answered, cut) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let answer = crate::support::send(
                        address,
                        &crate::support::request("POST", "/v1/completions", "", body),
                    );
                    let answer = answer.expect("every request has an answer");
                    assert_eq!(answer.status, 200, "lost before it began: {answer:?}");
                    let whole = answer.body.ends_with("data: [DONE]\n\n");
                    assert!(!whole || answer.events().len() == expected, "{answer:?}");
                    if whole { &answered } else { &cut }.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(700));
        first.process.kill().expect("it was running");
        std::thread::sleep(Duration::from_millis(2500));
        ended.store(true, Ordering::Relaxed);
    });
    wait_for_down(metrics);
    let (answered, cut) = (answered.into_inner(), cut.into_inner());
    println!("{answered} answers whole, {cut} cut off in mid-stream by the death of their server");
    assert!(answered > 8, "{answered}");
    // Only streams that the dead server had begun may be cut: at most one for each client.
    assert!(cut <= 8, "{cut}");
}
