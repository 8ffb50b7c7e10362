//! Connections, each within limits: of header size, of time, of their number.

use super::api::Server;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// Lines of a header.
const HEADER_LINES_MAX: usize = 100;
/// Pause after the system refused a connection, for instance for want of files.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// hyper's smallest buffer.
const BUFFER_BYTES_MIN: usize = 8192;

/// Accepts connections until `shutdown` is ready, calls `drain`, then lets them end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    server: &Arc<Server>,
    shutdown: impl Future<Output = ()>,
    drain: impl FnOnce(),
) {
    let permits = Arc::new(Semaphore::new(server.limits.connections_max));
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Some((stream, address, permit)) => {
                let service = router.clone();
                let connection = Connection { server: Arc::clone(server), address, closed: closed.clone() };
                connections.spawn(async move {
                    connection.serve(stream, service).await;
                    drop(permit);
                });
            }
            None => tokio::time::sleep(REFUSED_PAUSE).await,
        }
    }
    drop(listener);
    drain();
    _ = closing.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(server.limits.drain, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "answers were cut off: they did not end in time");
        connections.abort_all();
    }
}

/// The next connection, as soon as there may be one more.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, permit)),
        Err(error) => {
            tracing::warn!(error = %error, "a connection could not be accepted");
            None
        }
    }
}

struct Connection {
    server: Arc<Server>,
    address: SocketAddr,
    closed: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, router: Router) {
        let limits = &self.server.limits;
        // Tokens must not wait for each other in the kernel; where that cannot be set, they still arrive.
        _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write_timeout));
        let address = self.address;
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            router.clone().oneshot(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
        builder.max_headers(HEADER_LINES_MAX).max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MIN));
        self.server.metrics.connections.inc();
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = async { _ = self.closed.wait_for(|closed| *closed).await } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        self.server.metrics.connections.dec();
        if let Err(error) = ended {
            tracing::debug!(%address, error = %error, "connection ended early");
        }
    }
}
