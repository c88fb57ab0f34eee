use super::*;
use bytes::Bytes;
use futures::poll;
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use std::cell::Cell;
use tokio::sync::Notify;

const EVERYBODY: (&str, &str) = ("cache-control", "public, max-age=60");

/// A cache in front of a component that says the number of the request that it answers.
struct Fixture {
    cache: HttpCache,
    asked: Cell<u32>,
    /// What the component answers beside that.
    fields: Vec<(&'static str, &'static str)>,
    status: u16,
    /// The component waits for this, if it is to.
    go_on: Option<Notify>,
}

/// What a client gets.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    status: u16,
    text: String,
    cache_status: String,
}

fn got(status: u16, text: &str, cache_status: &str) -> Got {
    Got { status, text: text.to_owned(), cache_status: format!("vwp; {cache_status}") }
}

impl Fixture {
    fn new(fields: &[(&'static str, &'static str)]) -> Self {
        let cache = HttpCache::new(1 << 20);
        Self { cache, asked: Cell::new(0), fields: fields.to_vec(), status: 200, go_on: None }
    }

    async fn send(&self, method: &str, fields: &[(&str, &str)]) -> Result<Response<WasiBody>, Problem> {
        let request = Request::builder().method(method).uri("http://host.test/a?b=c");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        Ok(self.cache.answer(request, |_| self.component()).await?.0)
    }

    async fn component(&self) -> Result<Response<WasiBody>, Problem> {
        self.asked.set(self.asked.get() + 1);
        let number = self.asked.get();
        if let Some(go_on) = &self.go_on {
            go_on.notified().await;
        }
        if self.status == 0 {
            return Err(Problem::unavailable("too many requests at once"));
        }
        let answer = Response::builder().status(self.status);
        let answer = self.fields.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value));
        Ok(answer.body(crate::settle::whole(Bytes::from(format!("answer {number}")))).expect("an answer"))
    }

    async fn ask(&self, method: &str, fields: &[(&str, &str)]) -> Got {
        let answer = self.send(method, fields).await.expect("an answer");
        let status = answer.status().as_u16();
        let cache_status = answer.headers()[CACHE_STATUS].to_str().expect("text").to_owned();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        Got { status, text: String::from_utf8(body.to_vec()).expect("text"), cache_status }
    }

    async fn get(&self, fields: &[(&str, &str)]) -> Got {
        let mut got = self.ask("GET", fields).await;
        // A minute is long enough for this test, and not long enough that all of it is left.
        if got.cache_status.contains("ttl=") {
            got.cache_status = "vwp; hit".to_owned();
        }
        got
    }
}

#[tokio::test]
async fn what_everybody_may_keep_is_asked_for_once() {
    let port = Fixture::new(&[EVERYBODY]);
    assert_eq!(port.get(&[]).await, got(200, "answer 1", "fwd=miss; stored"));
    assert_eq!(port.get(&[]).await, got(200, "answer 1", "hit"));
    let head = port.send("HEAD", &[]).await.expect("an answer");
    assert_eq!(head.headers()["content-length"], "8");
    assert!(head.headers().contains_key("age") && head.headers().contains_key("date"));
    assert!(head.into_body().collect().await.expect("a body").to_bytes().is_empty());
    // Whoever wants a new one gets it, and so do those after it.
    assert_eq!(port.get(&[("cache-control", "no-cache")]).await, got(200, "answer 2", "fwd=miss; stored"));
    assert_eq!(port.get(&[]).await, got(200, "answer 2", "hit"));
    assert_eq!(port.get(&[("cookie", "a=b")]).await, got(200, "answer 3", "fwd=bypass"));
    assert_eq!(port.get(&[]).await, got(200, "answer 2", "hit"));
}

#[tokio::test]
async fn what_is_for_one_client_is_kept_for_nobody() {
    for fields in [
        &[][..],
        &[("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[("cache-control", "private, max-age=60")],
        &[("cache-control", "public")],
        &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")],
        &[EVERYBODY, ("set-cookie", "a=b")],
        &[EVERYBODY, ("ratelimit", "\"a\";r=1;t=1")],
        &[EVERYBODY, ("dpop-nonce", "a")],
        &[EVERYBODY, ("vary", "*")],
        &[EVERYBODY, ("vary", "accept, *")],
        &[EVERYBODY, ("age", "60")],
    ] {
        let port = Fixture::new(fields);
        for number in 1..4 {
            let answer = port.get(&[]).await;
            assert_eq!(answer.text, format!("answer {number}"), "{fields:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_for_requests_that_accept_the_same() {
    let port = Fixture::new(&[EVERYBODY, ("vary", "Accept-Language, Accept")]);
    let language = |language| [("accept-language", language)];
    assert_eq!(port.get(&language("de")).await, got(200, "answer 1", "fwd=miss; stored"));
    assert_eq!(port.get(&language("fr")).await, got(200, "answer 2", "fwd=miss; stored"));
    assert_eq!(port.get(&[]).await, got(200, "answer 3", "fwd=miss; stored"));
    assert_eq!(port.get(&language("de")).await, got(200, "answer 1", "hit"));
    assert_eq!(port.get(&language("fr")).await, got(200, "answer 2", "hit"));
    // Which of two lines the component went by, nobody knows: it must not become everybody's.
    let both = [("accept-language", "es"), ("accept-language", "de")];
    assert_eq!(port.get(&both).await, got(200, "answer 4", "fwd=miss"));
    assert_eq!(port.get(&language("es")).await.text, "answer 5");
}

#[tokio::test]
async fn who_has_the_answer_is_told_by_the_cache() {
    let port = Fixture::new(&[EVERYBODY, ("etag", "\"v1\"")]);
    let known = [("if-none-match", "\"v1\"")];
    // The first of them asks for everybody, and still gets what is for it.
    assert_eq!(port.get(&known).await, got(304, "", "fwd=miss; stored"));
    assert_eq!(port.get(&known).await, got(304, "", "hit"));
    assert_eq!(port.get(&[]).await, got(200, "answer 1", "hit"));
}

#[tokio::test]
async fn a_change_makes_what_was_kept_forgotten() {
    let mut port = Fixture::new(&[EVERYBODY]);
    assert_eq!(port.get(&[]).await.text, "answer 1");
    port.status = 403;
    assert_eq!(port.ask("DELETE", &[]).await, got(403, "answer 2", "fwd=bypass"));
    port.status = 200;
    assert_eq!(port.get(&[]).await.text, "answer 1", "nothing was changed");
    assert_eq!(port.ask("DELETE", &[]).await, got(200, "answer 3", "fwd=bypass"));
    assert_eq!(port.get(&[]).await, got(200, "answer 4", "fwd=miss; stored"));
}

#[tokio::test]
async fn a_request_is_called_by_its_own_name() {
    let port = Fixture::new(&[EVERYBODY, ("x-request-id", "the-first")]);
    let id = async |fields: &[(&str, &str)]| {
        let answer = port.send("GET", fields).await.expect("an answer");
        answer.headers()["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(id(&[]).await, "the-first");
    assert_eq!(id(&[("x-request-id", "the-second")]).await, "the-second");
    assert_eq!(id(&[("x-request-id", "<script>")]).await.len(), 32);
    assert_ne!(id(&[]).await, id(&[]).await);
}

#[tokio::test]
async fn who_asks_for_what_is_being_asked_for_waits_for_that_answer() {
    let mut port = Fixture::new(&[EVERYBODY]);
    port.go_on = Some(Notify::new());
    let mut first = Box::pin(port.get(&[]));
    let mut others: Vec<_> = (0..5).map(|_| Box::pin(port.get(&[]))).collect();
    assert!(poll!(&mut first).is_pending());
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    assert_eq!(port.asked.get(), 1);
    // The first client goes away; one of the others asks now.
    drop(first);
    let mut second = others.remove(0);
    assert!(poll!(&mut second).is_pending());
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    assert_eq!(port.asked.get(), 2);
    port.go_on.as_ref().expect("it waits").notify_one();
    assert_eq!(second.await, got(200, "answer 2", "fwd=miss; stored"));
    for other in others {
        assert_eq!(other.await, got(200, "answer 2", "fwd=miss; collapsed"));
    }
    assert_eq!(port.asked.get(), 2);
}

#[tokio::test]
async fn nobody_waits_twice_for_what_may_not_be_kept() {
    let mut port = Fixture::new(&[]);
    port.go_on = Some(Notify::new());
    let (mut first, mut second) = (Box::pin(port.get(&[])), Box::pin(port.get(&[])));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let go_on = port.go_on.as_ref().expect("it waits");
    go_on.notify_one();
    assert_eq!(first.await, got(200, "answer 1", "fwd=miss"));
    let mut third = Box::pin(port.get(&[]));
    assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
    assert_eq!(port.asked.get(), 3, "both were forwarded at once");
}

#[tokio::test]
async fn nobody_can_have_others_ask_one_by_one() {
    let mut port = Fixture::new(&[EVERYBODY, ("vary", "accept-language")]);
    let both = [("accept-language", "es"), ("accept-language", "de")];
    assert_eq!(port.get(&both).await, got(200, "answer 1", "fwd=miss"));
    assert_eq!(port.get(&[("cache-control", "no-store")]).await, got(200, "answer 2", "fwd=bypass"));
    port.go_on = Some(Notify::new());
    let (mut first, mut second) = (Box::pin(port.get(&[])), Box::pin(port.get(&[])));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert_eq!(port.asked.get(), 3, "one asks for both");
}

#[tokio::test]
async fn a_refusal_is_nobody_elses() {
    let mut port = Fixture::new(&[EVERYBODY]);
    port.status = 0;
    assert_eq!(port.send("GET", &[]).await.expect_err("refused").status, StatusCode::SERVICE_UNAVAILABLE);
    port.status = 503;
    assert_eq!(port.get(&[]).await.status, 503);
    port.status = 200;
    assert_eq!(port.get(&[]).await, got(200, "answer 3", "fwd=miss; stored"));
}

#[tokio::test]
async fn a_flood_of_targets_takes_no_more_than_the_cache_may_have() {
    let cache = HttpCache::new(1 << 18);
    for number in 0..2_000 {
        let uri = format!("http://host.test/{number}");
        let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
        let content = Bytes::from(vec![0; 1024]);
        let answer = Response::builder().header(EVERYBODY.0, EVERYBODY.1).body(crate::settle::whole(content));
        let answer = answer.expect("an answer");
        cache.answer(request, |_| std::future::ready(Ok(answer))).await.expect("an answer");
    }
    let (taken, kept) = cache.shelf.taken();
    assert!(taken <= 1 << 18 && kept > 50, "{taken} bytes for {kept} targets");
}

#[tokio::test]
async fn content_that_is_too_long_is_sent_whole_and_not_kept() {
    let cache = HttpCache::new(1 << 16);
    for _ in 0..2 {
        let request = Request::get("http://host.test/a").body(Empty::<Bytes>::new()).expect("a request");
        let content = Bytes::from(vec![7; 1 << 14]);
        let answer = Response::builder().header(EVERYBODY.0, EVERYBODY.1).body(crate::settle::whole(content));
        let answer = answer.expect("an answer");
        let (answer, outcome) =
            cache.answer(request, |_| std::future::ready(Ok(answer))).await.expect("sent");
        assert_eq!(outcome, Outcome::Miss(false));
        let content = answer.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(content, vec![7; 1 << 14]);
    }
}
