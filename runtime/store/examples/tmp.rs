//! t
use std::path::Path;
use std::sync::Arc;
use vwp_storage::kv::*;
use vwp_store::*;
fn cp(a: &Path, b: &Path) { std::process::Command::new("cp").arg("-r").arg(a).arg(b).status().unwrap(); }
fn main() {
    let d = tempfile::tempdir_in("/work/t").unwrap();
    let f = d.path().join("a");
    let o = || FjallOptions { maintain_every: std::time::Duration::from_secs(999), clock: Arc::new(|| 1), log: log::LogOptions { segment_bytes: 16384 }, ..Default::default() };
    let e = FjallEngine::open(&f, o()).unwrap();
    let fill = |e: &FjallEngine, a: usize, n: usize| for n in a..a + n { futures::executor::block_on(e.commit(vec![], vec![Write::put(format!("s/{n:05}"), vec![7; 1000])])).unwrap(); };
    fill(&e, 0, 60);
    e.prune().unwrap();
    fill(&e, 60, 20);
    let g = d.path().join("g");
    cp(&f, &g);
    for x in std::fs::read_dir(g.join("kv/index")).unwrap() {
        let p = x.unwrap().path();
        println!("{} {}", p.display(), std::fs::metadata(&p).unwrap().len());
        if p.extension().is_some_and(|e| e == "jnl") {
            let mut b = std::fs::read(&p).unwrap();
            let used = b.iter().rposition(|b| *b != 0).unwrap_or_default();
            let at = used / 3;
            println!("used {used} at {at}");
            b[at..(at + 100).min(used + 1)].fill(0xa5);
            std::fs::write(&p, b).unwrap();
        }
    }
    for x in std::fs::read_dir(g.join("kv/log")).unwrap() { println!("{:?}", x.unwrap().path()); }
    let h = d.path().join("h");
    cp(&g, &h);
    let r = fjall::Database::builder(&h.join("kv/index")).open();
    println!("{:?}", r.as_ref().map(|_| ()));
    if let Ok(db) = r {
        let k = db.keyspace("kv", fjall::KeyspaceCreateOptions::default).unwrap();
        println!("count {} applied {:?}", k.len().unwrap(), k.get("mapplied"));
    }
    let e = FjallEngine::open(&g, o()).unwrap();
    println!("{}", futures::executor::block_on(e.scan(KeyRange::prefix("s/"), 1000, Direction::Forward)).unwrap().items.len());
}
