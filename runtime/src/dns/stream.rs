//! One connection: messages behind their lengths in two bytes (RFC 1035, section 4.2.2),
//! many at a time, answered in the order in which the answers are ready (RFC 7766, section 7).

use super::rates::Standing;
use super::service::{Asked, Asker, IDLE, Moment, Service, Step};
use crate::server::stopped;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many questions of a connection the resolver works on; while there are as many, no
/// more are read.
const PIPELINED_MAX: usize = 64;
/// How many answers wait to be written; while there are as many, a transfer pauses.
const ANSWERS_MAX: usize = 4;
/// How long a message may take from its first byte to its last.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what was written at once may take to be taken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many bytes of answers are written at once, about.
const WRITE_BYTES: usize = 64 * 1024;
/// How many bytes are read at once.
const READ_BYTES: usize = 8 * 1024;
/// How long a source above its rate is not read from, before it is looked at again.
const PACE: Duration = Duration::from_millis(20);

/// Answers the messages of a connection until it ends, or `stop` turns true.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    asker: Asker,
    service: Arc<Service>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(stream);
    let (answers, queue) = mpsc::channel(ANSWERS_MAX);
    let reader = BufReader::with_capacity(READ_BYTES, reader);
    // When either fails, the other one has nobody left to talk to.
    tokio::try_join!(read(reader, asker, service, answers, stop), write(writer, queue))?;
    Ok(())
}

async fn read(
    mut reader: impl AsyncBufReadExt + Unpin,
    asker: Asker,
    service: Arc<Service>,
    answers: mpsc::Sender<Vec<u8>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut pending = JoinSet::new();
    loop {
        let has_more = tokio::select! {
            Some(done) = pending.join_next(), if !pending.is_empty() => {
                done??;
                continue;
            }
            filled = timeout(IDLE, reader.fill_buf()), if pending.len() < PIPELINED_MAX => match filled {
                Ok(filled) => !filled?.is_empty(),
                // It waits for an answer, and does not idle (RFC 7766, section 6.2.3).
                Err(_) if !pending.is_empty() => continue,
                Err(_) => false,
            },
            () = stopped(&mut stop) => false,
        };
        if !has_more {
            break;
        }
        let message = timeout(READ_TIMEOUT, message(&mut reader)).await??;
        while service.guard.query(asker.address, Instant::now()) == Standing::Over {
            tokio::time::sleep(PACE).await;
        }
        match service.begin(&message, asker, Moment::now()) {
            Step::Send(answer) => answers.send(answer).await.map_err(io::Error::other)?,
            Step::Ask(question) => {
                pending.spawn(answer(service.clone(), *question, answers.clone()));
            }
            // What deserves no answer does not deserve a connection either.
            Step::Silence => break,
        }
    }
    // What was asked is answered, even if nothing more will be (RFC 7766, section 6.2.4).
    while let Some(done) = pending.join_next().await {
        done??;
    }
    Ok(())
}

/// Reads one message with its length.
async fn message(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    reader.read_exact(&mut message).await?;
    Ok(message)
}

/// Asks the resolver, and again for as long as a transfer goes on. A transfer that fails
/// ends the connection, so that it never looks whole.
async fn answer(service: Arc<Service>, question: Asked, answers: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let mut replied = service.ask(question).await;
    let mut turn = None;
    loop {
        let count = replied.messages.len();
        for message in replied.messages {
            answers.send(message).await.map_err(io::Error::other)?;
        }
        let Some(more) = replied.more else {
            return Ok(());
        };
        if count == 0 {
            return Err(io::Error::other("a part of a transfer was empty"));
        }
        if turn.is_none() {
            turn = Some(service.transfers.acquire().await.map_err(io::Error::other)?);
        }
        replied = service.resume(more).await.map_err(|failure| {
            tracing::warn!("a zone transfer broke off: {failure}");
            io::Error::other(failure)
        })?;
    }
}

/// Writes answers, those that are ready together at once.
async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(first) = queue.recv().await {
        buffer.clear();
        frame(&mut buffer, &first)?;
        while buffer.len() < WRITE_BYTES
            && let Ok(next) = queue.try_recv()
        {
            frame(&mut buffer, &next)?;
        }
        timeout(WRITE_TIMEOUT, writer.write_all(&buffer)).await??;
        timeout(WRITE_TIMEOUT, writer.flush()).await??;
    }
    timeout(WRITE_TIMEOUT, writer.shutdown()).await?
}

fn frame(buffer: &mut Vec<u8>, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    buffer.extend(length.to_be_bytes());
    buffer.extend(message);
    Ok(())
}
