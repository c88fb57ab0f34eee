//! What the process that serves does for others of the same user: it takes backups, and says how
//! it is.
//!
//! It listens on a Unix socket, `STATE/control/socket`, in a folder that is its user's alone. Who
//! can reach the socket can read the state folder as well, so nothing else needs to be proved, no
//! port is taken, and nothing can come from the network. The language is HTTP:
//!
//! - `GET /health`: what `/readyz` says.
//! - `POST /backup`: a backup, as it is taken; with `?secrets=true` the files of `STATE/secrets`
//!   are in it. One at a time. An answer that breaks off is no backup, and its bytes tell.

use super::chunks::{CHUNKS_MAX, ChunkWriter};
use super::health::Health;
use super::probes;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use vwp_store::Engine;
use vwp_store::backup::{Extra, FILE_LENGTH_MAX, FILES_MAX};

/// The media type of a backup.
pub const MEDIA_TYPE: &str = "application/octet-stream";
/// How many connections are served at once.
const CONNECTIONS_MAX: usize = 8;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest path of a socket, in bytes (unix(7)).
const PATH_LENGTH_MAX: usize = 107;
/// How long who reads a backup may take for a chunk. One that stalls would keep the store open, and its
/// turn from others.
const CHUNK_TIMEOUT: Duration = Duration::from_mins(1);

/// Where a state folder's socket is.
pub fn socket(state: &Path) -> PathBuf {
    state.join("control").join("socket")
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The process that serves, as others of its user see it.
pub struct Control {
    health: Arc<Health>,
    /// What is backed up. Not held, so that it ends with what serves.
    store: Weak<dyn Engine>,
    secrets: PathBuf,
    /// One permit: who takes a backup has it.
    backups: Arc<Semaphore>,
}

impl Control {
    /// Of a process with this store and these secrets.
    pub fn new(health: &Arc<Health>, store: &Arc<dyn Engine>, secrets: &Path) -> Self {
        Self {
            health: health.clone(),
            store: Arc::downgrade(store),
            secrets: secrets.to_owned(),
            backups: Arc::new(Semaphore::new(1)),
        }
    }

    /// Serves until the process ends, in a task of its own. What the application serves does not
    /// need it.
    pub fn start(self, state: &Path) {
        match bind(state) {
            Ok(listener) => {
                tokio::spawn(self.serve(listener));
            }
            Err(error) => tracing::warn!("no backups can be taken while this serves: {error:#}"),
        }
    }

    async fn serve(self, listener: UnixListener) {
        let control = Arc::new(self);
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // The semaphore is never closed.
        while let Ok(permit) = connections.clone().acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let control = control.clone();
            tokio::spawn(async move {
                control.converse(stream).await;
                drop(permit);
            });
        }
    }

    async fn converse(self: Arc<Self>, stream: UnixStream) {
        let service = service_fn(|request: Request<Incoming>| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // A client that goes away is no event.
        let _ = connection.await;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/health") => whole(probes::answer(StatusCode::OK, &self.health.report().said)),
            (&Method::POST, "/backup") => self.backup(request.uri().query() == Some("secrets=true")),
            _ => whole(probes::problem(StatusCode::NOT_FOUND)),
        }
    }

    fn backup(&self, with_secrets: bool) -> Response<Body> {
        let (Ok(turn), Some(store)) = (self.backups.clone().try_acquire_owned(), self.store.upgrade()) else {
            return whole(probes::problem(StatusCode::SERVICE_UNAVAILABLE));
        };
        let extras = if with_secrets { secrets(&self.secrets) } else { Ok(Vec::new()) };
        let extras = match extras {
            Ok(extras) => extras,
            Err(error) => {
                tracing::error!("a backup was not taken: {error:#}");
                return whole(probes::problem(StatusCode::INTERNAL_SERVER_ERROR));
            }
        };
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_MAX);
        tokio::task::spawn_blocking(move || {
            let runtime = Handle::current();
            let send = |chunk| runtime.block_on(sender.send_timeout(Ok(chunk), CHUNK_TIMEOUT)).is_ok();
            let mut writer = ChunkWriter::new(send);
            let taken = store.backup().map_err(Into::into);
            let taken = taken.and_then(|backup| backup.write(&mut writer, &extras, &mut |_| {}));
            drop(writer);
            match taken {
                Ok(summary) => {
                    tracing::info!(version = summary.version, bytes = summary.bytes, "a backup was taken");
                }
                Err(error) => {
                    tracing::warn!(%error, "a backup was not taken to its end");
                    // Then the answer breaks off, instead of ending well. Its reader may be gone.
                    let _ = sender.try_send(Err(io::ErrorKind::BrokenPipe.into()));
                }
            }
            drop(turn);
        });
        let frames = stream::unfold(receiver, async |mut receiver| {
            let chunk = receiver.recv().await?;
            Some((chunk.map(Frame::data), receiver))
        });
        let mut answer = Response::new(StreamBody::new(Box::pin(frames)).boxed_unsync());
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        answer
    }
}

/// Binds the socket, in a folder that is the user's alone. The process holds the store's lock,
/// so a socket that is there was left by one that has ended.
fn bind(state: &Path) -> Result<UnixListener> {
    let path = socket(state);
    let folder = state.join("control");
    if path.as_os_str().len() > PATH_LENGTH_MAX {
        bail!("the path {} is longer than {PATH_LENGTH_MAX} bytes", path.display());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    let made = made.and_then(|()| std::fs::set_permissions(&folder, Permissions::from_mode(0o700)));
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
        _ => {}
    }
    UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))
}

/// The files of a folder of secrets, by name.
pub(super) fn secrets(folder: &Path) -> Result<Vec<Extra>> {
    let mut extras = Vec::new();
    let listed = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in listed {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata()?;
        // What begins with a dot is the draft of a secret that is being made.
        if !metadata.is_file() || name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        if metadata.len() > FILE_LENGTH_MAX as u64 || extras.len() == FILES_MAX {
            bail!(
                "{} is longer than {FILE_LENGTH_MAX} bytes, or one of more than {FILES_MAX}",
                path.display()
            );
        }
        let contents = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        extras.push(Extra { name, contents });
    }
    extras.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(extras)
}

fn whole(answer: Response<http_body_util::Full<Bytes>>) -> Response<Body> {
    answer.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}
