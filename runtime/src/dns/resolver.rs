//! The resolver component, with its instances: each does one thing after the other, and
//! is replaced when it fails.

use super::bindings::exports::vwp::discovery::resolver;
use super::bindings::vwp::discovery::types;
use super::bindings::{Resolving, ResolvingPre};
use crate::host::{Grants, State, store};
use anyhow::{Context, Result};
pub use resolver::{Notification, Reply, Transport};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use vwp_storage::kv::Version;
use wasmtime::Engine;
use wasmtime::component::{Accessor, InstancePre};

/// How many instances answer at once, at most; one for each processor is enough, as a
/// question that waits for nothing but the processor gains nothing from another instance.
const INSTANCES_MAX: usize = 8;
/// How many calls wait for an instance; beyond that UDP drops and streams wait.
const WAITING_MAX: usize = 4096;
/// How long a broken resolver rests before it is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// How long after its deadline a call is given up that is stuck in the host, where the
/// deadline is not looked at.
const STUCK: Duration = Duration::from_secs(1);

/// Why the resolver did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Too many calls wait already.
    #[error("too many questions wait")]
    Busy,
    /// It took too long.
    #[error("there was no answer in time")]
    Late,
    /// The instance trapped, or took too long for the host's patience.
    #[error("the instance ended")]
    Ended,
    /// It failed at the same question, which somebody else asked.
    #[error("it failed when somebody else asked the same")]
    Shared,
    /// The component says so.
    #[error("the component says: {0}")]
    Refused(String),
}

/// A reply, and the version of the store from before it was made.
#[derive(Debug)]
pub struct Answered {
    /// What the component said.
    pub reply: Reply,
    /// Everything up to this version was seen by whatever it read.
    pub since: Version,
}

type Returned<T> = oneshot::Sender<Result<T, Failure>>;

enum Call {
    Answer(Vec<u8>, Transport, Returned<Answered>),
    Resume(Vec<u8>, Returned<Answered>),
    Notifications(Returned<Vec<Notification>>),
}

/// The resolver component, with its instances.
#[derive(Clone)]
pub struct Resolver {
    calls: mpsc::Sender<Call>,
}

impl Resolver {
    /// Starts the resolver's instances.
    pub fn start(engine: &Engine, pre: &InstancePre<State>, grants: &Arc<Grants>) -> Result<Self> {
        let pre = ResolvingPre::new(pre.clone())
            .map_err(anyhow::Error::from)
            .with_context(|| format!("component `{}` exports no vwp:discovery/resolver", grants.component))?;
        let (calls, queue) = mpsc::channel(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        // Two at least, so that a question that computes for long does not stop the others.
        for _ in 0..processors.clamp(2, INSTANCES_MAX) {
            let worker = Worker {
                engine: engine.clone(),
                pre: pre.clone(),
                grants: grants.clone(),
                queue: queue.clone(),
            };
            tokio::spawn(worker.run());
        }
        Ok(Self { calls })
    }

    /// Answers a message, or refuses at once if too many wait.
    pub async fn answer_or_drop(&self, message: Vec<u8>, transport: Transport) -> Result<Answered, Failure> {
        let (returned, answered) = oneshot::channel();
        let call = Call::Answer(message, transport, returned);
        self.calls.try_send(call).map_err(|_| Failure::Busy)?;
        answered.await.unwrap_or(Err(Failure::Ended))
    }

    /// Answers a message, after waiting for as long as it takes.
    pub async fn answer(&self, message: Vec<u8>, transport: Transport) -> Result<Answered, Failure> {
        self.call(|returned| Call::Answer(message, transport, returned)).await
    }

    /// The next messages of a zone transfer.
    pub async fn resume(&self, more: Vec<u8>) -> Result<Answered, Failure> {
        self.call(|returned| Call::Resume(more, returned)).await
    }

    /// What is to be told to other name servers now.
    pub async fn notifications(&self) -> Result<Vec<Notification>, Failure> {
        self.call(Call::Notifications).await
    }

    async fn call<T>(&self, call: impl FnOnce(Returned<T>) -> Call) -> Result<T, Failure> {
        let (returned, result) = oneshot::channel();
        self.calls.send(call(returned)).await.map_err(|_| Failure::Ended)?;
        result.await.unwrap_or(Err(Failure::Ended))
    }
}

struct Worker {
    engine: Engine,
    pre: ResolvingPre<State>,
    grants: Arc<Grants>,
    queue: Arc<Mutex<mpsc::Receiver<Call>>>,
}

/// Why an instance answers no more.
enum Retired {
    /// It has answered as much as one instance may.
    Spent,
    /// Nobody can ask any more.
    Unneeded,
}

impl Worker {
    /// Does what is asked; an instance that fails, or has done its share, is replaced.
    async fn run(self) {
        loop {
            match self.serve().await {
                Ok(Retired::Spent) => {}
                Ok(Retired::Unneeded) => return,
                Err(error) => {
                    let component = &*self.grants.component;
                    tracing::error!(component, "defect: the resolver failed: {error:#}");
                    tokio::time::sleep(RESTART_PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self) -> wasmtime::Result<Retired> {
        let mut store = store(&self.engine, &self.grants)?;
        let deadline = store.data().deadline.clone();
        deadline.extend(self.grants.request_ms_max);
        let resolving = self.pre.instantiate_async(&mut store).await?;
        let patience = Duration::from_millis(self.grants.request_ms_max) + STUCK;
        store
            .run_concurrent(async |accessor| {
                for _ in 0..self.grants.limits.requests_per_instance_max {
                    let next = self.queue.lock().await.recv().await;
                    let Some(call) = next else {
                        return Ok(Retired::Unneeded);
                    };
                    deadline.extend(self.grants.request_ms_max);
                    timeout(patience, self.perform(&resolving, accessor, call)).await??;
                }
                Ok::<_, wasmtime::Error>(Retired::Spent)
            })
            .await?
    }

    async fn perform(
        &self,
        resolving: &Resolving,
        accessor: &Accessor<State>,
        call: Call,
    ) -> wasmtime::Result<()> {
        let resolver = resolving.vwp_discovery_resolver();
        let since = self.grants.store.version();
        let answered = |reply| Answered { reply, since };
        // Whoever no longer waits need not be told.
        match call {
            Call::Answer(message, transport, returned) => {
                let reply = resolver.call_answer(accessor, message, transport).await?;
                let _ = returned.send(reply.map(answered).map_err(refused));
            }
            Call::Resume(more, returned) => {
                let reply = resolver.call_resume(accessor, more).await?;
                let _ = returned.send(reply.map(answered).map_err(refused));
            }
            Call::Notifications(returned) => {
                let notifications = resolver.call_notifications(accessor).await?;
                let _ = returned.send(notifications.map_err(refused));
            }
        }
        Ok(())
    }
}

fn refused(error: types::Error) -> Failure {
    Failure::Refused(match error {
        types::Error::Refused(refusal) => format!("{}: {}", refusal.reason, refusal.detail),
        types::Error::Unavailable(text) | types::Error::Unknown(text) => text,
        types::Error::Internal => "a mistake of its own".to_owned(),
    })
}
