//! Signed notes, checkpoints and receipts: what is believed, and that nothing else is.
#![cfg(feature = "notes")]

use p256::ecdsa::SigningKey;
use vwp_tlog::Leaf;
use vwp_tlog::checkpoint::{Checkpoint, CheckpointError};
use vwp_tlog::hash::{self, Hash};
use vwp_tlog::leaf::Blocks;
use vwp_tlog::note::{self, NoteError, Verifier};
use vwp_tlog::proof::{Head, Plan};
use vwp_tlog::receipt::{Evidence, LogProof, ReceiptError};

const ORIGIN: &str = "port.example/v1/ledger";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn verifier(seed: u8) -> Verifier {
    Verifier::new(ORIGIN, key(seed).verifying_key()).unwrap()
}

/// The key of a public log (Sigstore's Rekor), as its verifiers are configured with it.
const REKOR: &str = "AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwBcK5AW5i0hrZLOC96l\
                     +smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=";

#[test]
fn a_verifier_key_reads_back_and_has_the_id_that_public_logs_use() {
    let text = verifier(1).to_string();
    assert_eq!(text.parse(), Ok(verifier(1)));
    assert!(text.starts_with("port.example/v1/ledger+"));
    // Rekor's log id begins with the same bytes: SHA-256 of the key.
    let rekor = format!("rekor.sigstore.dev+c0d23d6a+{REKOR}");
    assert_eq!(rekor.parse::<Verifier>().map(|key| key.to_string()), Ok(rekor));
    let refused = ["", "a", "a+b", "a+00000000+", &text.replace('+', " "), &text.to_uppercase(), &text[1..]];
    for text in refused.iter().take(6) {
        assert_eq!(text.parse::<Verifier>(), Err(NoteError::Verifier), "{text}");
    }
    let ed25519 = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(ed25519.parse::<Verifier>(), Err(NoteError::Verifier));
}

#[test]
fn a_note_is_believed_with_the_key_that_signed_it_and_not_after_any_change() {
    let text = "one\n\ntwo\n";
    let note = note::sign(text, ORIGIN, &key(1)).unwrap();
    assert_eq!(note::open(&note, &[verifier(2), verifier(1)]), Ok(text));
    assert_eq!(note::open(&note, &[verifier(2)]), Err(NoteError::Unsigned));
    assert_eq!(note::open(&note, &[]), Err(NoteError::Unsigned));
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(note::open(&changed, &[verifier(1)]).is_err(), "byte {at}");
        }
    }
    for end in 0..note.len() {
        if let Some(cut) = note.get(..end) {
            assert!(note::open(cut, &[verifier(1)]).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn signatures_of_others_are_passed_over_and_a_wrong_one_of_a_known_key_is_not() {
    let note = note::sign("text\n", ORIGIN, &key(1)).unwrap();
    let line = |note: &str| note.rsplit_once("\n\n").unwrap().1.to_owned();
    let other = note::sign("text\n", ORIGIN, &key(2)).unwrap();
    let both = format!("{note}{}", line(&other));
    assert_eq!(note::open(&both, &[verifier(1)]), Ok("text\n"));
    assert_eq!(note::open(&both, &[verifier(2)]), Ok("text\n"));
    let of_another_text = line(&note::sign("other\n", ORIGIN, &key(2)).unwrap());
    let wrong = format!("{note}{of_another_text}");
    assert_eq!(note::open(&wrong, &[verifier(1)]), Ok("text\n"));
    assert_eq!(note::open(&wrong, &[verifier(1), verifier(2)]), Err(NoteError::Signature));
    let crowd = format!("{note}{}", line(&other).repeat(100));
    assert_eq!(note::open(&crowd, &[verifier(1)]), Err(NoteError::Malformed));
}

#[test]
fn what_cannot_be_a_note_is_not_signed() {
    assert_eq!(note::sign("no line break", ORIGIN, &key(1)), Err(NoteError::Text));
    assert_eq!(note::sign("a\tb\n", ORIGIN, &key(1)), Err(NoteError::Text));
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
        assert_eq!(note::sign("text\n", name, &key(1)), Err(NoteError::Name));
    }
}

fn checkpoint(leaves: &[Hash]) -> Checkpoint {
    let head = Head { size: leaves.len() as u64, root: hash::root(leaves) };
    Checkpoint { origin: ORIGIN.to_owned(), head }
}

#[test]
fn a_checkpoint_is_three_lines_of_the_log_whose_key_signed_it() {
    let made = checkpoint(&[]);
    assert_eq!(made.to_string(), format!("{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"));
    assert_eq!(Checkpoint::open(&made.sign(&key(1)).unwrap(), &[verifier(1)]), Ok(made.clone()));
    // Another log's key does not speak for this one.
    let foreign = Verifier::new("other.example", key(1).verifying_key()).unwrap();
    let note = note::sign(&made.to_string(), "other.example", &key(1)).unwrap();
    let opened = Checkpoint::open(&note, &[foreign]);
    assert_eq!(opened, Err(CheckpointError::Origin));
    for text in ["", "a\n", "a\n0\n", "a\n00\nAA==\n", "a\n-1\nAA==\n", "a\n0\nAA==\n", "\n0\n"] {
        assert_eq!(text.parse::<Checkpoint>(), Err(CheckpointError::Text), "{text:?}");
    }
    let extended = format!("{made}more\n");
    assert_eq!(extended.parse(), Ok(made));
}

/// Evidence for the bytes of one command of a log of seven.
fn evidence(command: &[u8], from: u64, to: u64) -> Option<Evidence> {
    let command = Blocks::new(9, command);
    let mut leaves: Vec<Hash> = (0..7_u8).map(|n| Leaf::new(1, &[n]).hash()).collect();
    leaves[4] = command.leaf().hash();
    let plan = Plan::inclusion(4, 7).unwrap();
    let node = |node: &vwp_tlog::Node| {
        let range = node.leaves().unwrap();
        hash::root(&leaves[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()])
    };
    let path = plan.proof(&plan.nodes().iter().map(node).collect::<Vec<_>>()).unwrap();
    let proof = LogProof { index: 4, path, checkpoint: checkpoint(&leaves).sign(&key(1)).unwrap() };
    assert_eq!(proof.to_string().parse(), Ok(proof.clone()));
    Evidence::new(&command, &(from..to), &proof)
}

#[test]
fn evidence_shows_the_bytes_that_matter_and_proves_them_offline() {
    let command: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let shown = evidence(&command, 1000, 1100).unwrap();
    assert_eq!(shown.blocks.len(), 2, "the bytes reach into a second block");
    let proven = shown.verify(&[verifier(1)]).unwrap();
    assert_eq!((proven.position, proven.leaf.time, proven.offset), (5, 9, 512));
    assert_eq!(proven.bytes, command[512..1536]);
    assert_eq!(proven.checkpoint.head.size, 7);
    assert!(shown.verify(&[verifier(2)]).is_err());
    for (from, to) in [(0, 0), (5, 5), (99_999, 100_001)] {
        assert!(evidence(&command, from, to).is_none());
    }
    assert!(evidence(&[], 0, 1).is_none());
    assert_eq!(evidence(b"short", 0, 5).unwrap().verify(&[verifier(1)]).unwrap().bytes, b"short");
}

#[test]
fn no_change_of_evidence_is_believed() {
    // No two blocks are the same: one that is would be at both places in truth.
    let command: Vec<u8> = (0..750_u32).flat_map(u32::to_le_bytes).collect();
    let shown = evidence(&command, 600, 700).unwrap();
    let text = serde_json::to_string(&shown).unwrap();
    let known = [verifier(1)];
    assert!(shown.verify(&known).is_ok());
    let mut believed = Vec::new();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 2;
        let changed = serde_json::from_slice::<Evidence>(&bytes).ok();
        if changed.is_some_and(|changed| changed.verify(&known).is_ok()) {
            believed.push((at, text[at.saturating_sub(20)..].chars().take(40).collect::<String>()));
        }
    }
    assert_eq!(believed, []);
    let mut swapped = evidence(&command, 600, 1100).unwrap();
    swapped.blocks.swap(0, 1);
    assert!(matches!(swapped.verify(&known), Err(ReceiptError::Malformed(_))));
    swapped.blocks.clear();
    assert!(matches!(swapped.verify(&known), Err(ReceiptError::Malformed(_))));
}
