//! Running out of descriptors: connections that are open go on, others get their turn.

use crate::raw::Raw;
use crate::support::{Host, MANIFEST, Start, folder};

#[tokio::test]
async fn more_connections_than_descriptors_end_neither_the_host_nor_each_other() {
    let start = Start { descriptors_max: Some(128), ..Start::with(&["--variable", "password=open sesame"]) };
    let host = Host::start_with(folder(MANIFEST), &start).await;
    let mut open = Vec::new();
    for at in 0..8 {
        let mut client = Raw::connect(&host).await;
        client.get(&format!("/spin3/get/default/key{at}")).await;
        assert_eq!(client.answer().await, (200, "absent".into()));
        open.push(client);
    }
    // More than the host may have; the system completes them, and the host takes what it can.
    let mut crowd = Vec::new();
    for _ in 0..150 {
        crowd.push(Raw::connect(&host).await);
    }
    for client in &mut open {
        client.get("/hello").await;
        assert_eq!(client.answer().await, (200, "hello".into()), "it was open before");
        client.post("/spin3/set/default/key", &["Content-Length: 5"]).await;
        client.send("value").await;
        assert_eq!(client.answer().await, (200, "ok".into()), "the store has its descriptors");
    }
    drop(crowd);
    for _ in 0..20 {
        let mut client = Raw::connect(&host).await;
        client.get("/spin3/get/default/key").await;
        assert_eq!(client.answer().await, (200, "found value".into()), "it is served again");
    }
    host.terminate();
    host.ended().await;
}
