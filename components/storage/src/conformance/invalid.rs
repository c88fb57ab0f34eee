//! What breaks a bound is refused as invalid, and nothing is written.

use super::{put, value};
use crate::StorageError;
use crate::kv::{Check, Direction, KeyRange, Kv, Write};

pub(super) async fn suite<K: Kv>(make: &impl AsyncFn() -> K) {
    reads_out_of_bounds_are_invalid(&make().await).await;
    commits_out_of_bounds_are_invalid(&make().await).await;
    a_commit_at_its_bounds_is_taken(&make().await).await;
}

fn assert_invalid<T: std::fmt::Debug>(answer: &Result<T, StorageError>, what: &str) {
    assert!(matches!(answer, Err(StorageError::Invalid(_))), "{what}: found {answer:?}");
}

async fn reads_out_of_bounds_are_invalid(kv: &impl Kv) {
    let long = vec![b'k'; 1025];
    assert_invalid(&kv.get(b"").await, "an empty key");
    assert_invalid(&kv.get(&long).await, "a long key");
    assert_invalid(&kv.get_many(&vec![b"s/a".to_vec(); 1001]).await, "many keys");
    assert!(kv.get_many(&vec![b"s/a".to_vec(); 1000]).await.is_ok());
    let range = KeyRange::prefix("s/");
    for limit in [0, 1001] {
        assert_invalid(&kv.scan(&range, limit, Direction::Forward).await, "a limit");
        assert_invalid(&kv.changes(b"s/", 0, limit, 0).await, "a limit of changes");
    }
    let unbounded = KeyRange { start: b"s/".to_vec(), end: vec![] };
    assert_invalid(&kv.scan(&unbounded, 1, Direction::Forward).await, "a range without end");
    assert_invalid(&kv.changes(b"", 0, 1, 0).await, "an empty prefix");
    assert_invalid(&kv.changes(b"s/", 0, 1, 60_001).await, "a long wait");
}

async fn commits_out_of_bounds_are_invalid(kv: &impl Kv) {
    let good = Write::put("s/good", "1");
    let append = |prefix: usize, suffix: usize| Write::Append {
        prefix: vec![b'p'; prefix],
        suffix: vec![b's'; suffix],
        value: vec![],
    };
    let bad: Vec<(&str, Vec<Write>)> = vec![
        ("an empty key", vec![Write::put("", "")]),
        ("a long key", vec![Write::delete(vec![b'k'; 1025])]),
        ("a long value", vec![Write::put("s/a", vec![0; 65_537])]),
        ("a long appended key", vec![append(1000, 17)]),
        ("an append without prefix", vec![append(0, 1)]),
        ("a key changed twice", vec![Write::put("s/a", ""), Write::delete("s/a")]),
        ("many writes", (0..256).map(|n| Write::put(format!("s/{n}"), "")).collect()),
        ("many bytes", (0..16).map(|n| Write::put(format!("s/{n}"), vec![0; 65_536])).collect()),
        ("bounds upside down", vec![Write::Add { key: b"s/n".to_vec(), delta: 1, minimum: 2, maximum: 1 }]),
    ];
    for (what, mut writes) in bad {
        writes.insert(0, good.clone());
        assert_invalid(&kv.commit(&[], &writes).await, what);
    }
    assert_invalid(
        &kv.commit(&[Check::absent("")], std::slice::from_ref(&good)).await,
        "a check of an empty key",
    );
    let checks: Vec<_> = (0..257).map(|n| Check::absent(format!("s/{n}"))).collect();
    assert_invalid(&kv.commit(&checks, &[good]).await, "many checks");
    assert_eq!(value(kv, "s/good").await, None, "an invalid commit writes nothing");
}

async fn a_commit_at_its_bounds_is_taken(kv: &impl Kv) {
    let writes: Vec<_> = (0..256).map(|n| Write::put(format!("s/{n:03}"), vec![1; 4000])).collect();
    put(kv, &writes).await;
    assert_eq!(value(kv, "s/255").await.map(|value| value.len()), Some(4000));
    let append = Write::Append { prefix: vec![b'p'; 1000], suffix: vec![b's'; 16], value: vec![0; 65_536] };
    put(kv, &[append]).await;
}
