//! Trees, their roots and proofs, beside other implementations' values and a plain definition.

use proptest::prelude::*;
use vwp_tlog::frontier::{Edge, Frontier};
use vwp_tlog::hash::{self, Hash};
use vwp_tlog::leaf::Blocks;
use vwp_tlog::node::Node;
use vwp_tlog::proof::{Head, Plan, ProofError, verify_consistency, verify_inclusion};
use vwp_tlog::tile::{self, Kind, Tile};
use vwp_tlog::{LEAF_LENGTH, Leaf};

/// The largest tree whose proofs are all tried.
const SIZE_MAX: u64 = 300;

/// The leaves that implementations of Certificate Transparency test with.
const LEAVES: [&[u8]; 8] = [b"", b"\0", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"];

/// The roots of the trees of the first of them, from none to all.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The hashes of this many different leaves.
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| hash::leaf(&index.to_be_bytes())).collect()
}

fn head(leaves: &[Hash]) -> Head {
    Head { size: leaves.len() as u64, root: hash::root(leaves) }
}

/// The hash of a complete node, by definition.
fn of_node(leaves: &[Hash], node: Node) -> Hash {
    let range = node.leaves().unwrap();
    hash::root(&leaves[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()])
}

fn proof(leaves: &[Hash], plan: &Plan) -> Vec<Hash> {
    let hashes: Vec<Hash> = plan.nodes().iter().map(|node| of_node(leaves, *node)).collect();
    plan.proof(&hashes).unwrap()
}

#[test]
fn roots_are_those_of_other_implementations() {
    let hashes: Vec<Hash> = LEAVES.iter().map(|leaf| hash::leaf(leaf)).collect();
    let (mut frontier, mut edge) = (Frontier::default(), Edge::default());
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(hex(&hash::root(&hashes[..size])), *root);
        assert_eq!(hex(&frontier.root()), *root);
        assert_eq!(hex(&edge.root()), *root);
        if let Some(leaf) = hashes.get(size) {
            frontier.push(*leaf);
            edge.push(*leaf, |_, _| panic!("no tile is full yet"));
        }
    }
}

#[test]
fn a_tree_grows_to_the_root_of_its_definition_and_every_full_tile_is_told() {
    let all = leaves(70_000);
    let (mut frontier, mut edge, mut told) = (Frontier::default(), Edge::default(), Vec::new());
    for (size, leaf) in (1_u64..).zip(&all) {
        frontier.push(*leaf);
        edge.push(*leaf, |level, hash| told.push((level, size, hash)));
        if size % 9973 == 0 || size.is_power_of_two() || size % 256 < 2 && size < 2000 {
            let expected = hash::root(&all[..usize::try_from(size).unwrap()]);
            assert_eq!((frontier.root(), edge.root()), (expected, expected), "{size}");
            assert_eq!((frontier.size(), edge.size()), (size, size));
        }
    }
    let levels: Vec<_> = told.iter().filter(|(level, ..)| *level == 8).collect();
    assert_eq!(levels.len(), 273);
    assert_eq!(told.iter().filter(|(level, ..)| *level == 16).count(), 1);
    for (level, size, hash) in &told {
        assert_eq!(*hash, of_node(&all, Node { level: *level, index: (size >> level) - 1 }));
    }
    let kept = |level: u8, start: u64, count: u64| {
        let node = |index| of_node(&all, Node { level, index });
        Ok::<_, ()>(Some((start..start + count).map(node).collect()))
    };
    assert_eq!(Edge::restore(70_000, kept), Ok(Some(edge)));
}

#[test]
fn every_inclusion_proof_verifies_and_no_change_of_it_does() {
    let all = leaves(SIZE_MAX);
    for size in (1..=SIZE_MAX).filter(|size| *size < 70 || size % 37 == 0 || *size > 254 && *size < 260) {
        let tree = &all[..usize::try_from(size).unwrap()];
        let root = hash::root(tree);
        for (index, leaf) in (0..size).zip(tree) {
            let path = proof(tree, &Plan::inclusion(index, size).unwrap());
            assert_eq!(verify_inclusion(index, leaf, size, &root, &path), Ok(()), "{index} of {size}");
            assert_ne!(verify_inclusion(index ^ 1, leaf, size, &root, &path), Ok(()), "another place");
            assert!(size == 1 || verify_inclusion(index, &root, size, leaf, &path).is_err(), "another leaf");
            let longer = [path.as_slice(), &[root]].concat();
            assert_ne!(verify_inclusion(index, leaf, size, &root, &longer), Ok(()), "a longer path");
            if let Some((_, shorter)) = path.split_last() {
                assert_ne!(verify_inclusion(index, leaf, size, &root, shorter), Ok(()), "a shorter path");
            }
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at][at % 32] ^= 1;
                assert_eq!(verify_inclusion(index, leaf, size, &root, &changed), Err(ProofError::Root));
                let mut swapped = path.clone();
                swapped.swap(at, (at + 1) % path.len());
                assert!(swapped == path || verify_inclusion(index, leaf, size, &root, &swapped).is_err());
            }
        }
        assert_eq!(Plan::inclusion(size, size), None);
        assert_eq!(verify_inclusion(size, &root, size, &root, &[]), Err(ProofError::Shape));
    }
}

#[test]
fn every_consistency_proof_verifies_and_no_change_of_it_does() {
    let all = leaves(SIZE_MAX);
    let sizes = |size: &u64| *size < 40 || size.is_multiple_of(41) || *size > 253 && *size < 259;
    for new in (0..=SIZE_MAX).filter(sizes) {
        let tree = &all[..usize::try_from(new).unwrap()];
        let now = head(tree);
        for old in 0..=new {
            let before = head(&tree[..usize::try_from(old).unwrap()]);
            let path = proof(tree, &Plan::consistency(old, new).unwrap());
            assert_eq!(verify_consistency(&before, &now, &path), Ok(()), "{old} of {new}");
            let forked = Head { root: hash::leaf(b"another log"), ..before };
            assert_ne!(verify_consistency(&forked, &now, &path), Ok(()), "another beginning");
            let forked = Head { root: hash::leaf(b"another log"), ..now };
            assert!(old == 0 || verify_consistency(&before, &forked, &path).is_err(), "another end");
            let longer = [path.as_slice(), &[now.root]].concat();
            assert_ne!(verify_consistency(&before, &now, &longer), Ok(()), "a longer path");
            if let Some((_, shorter)) = path.split_last() {
                assert_ne!(verify_consistency(&before, &now, shorter), Ok(()), "a shorter path");
            }
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at][at % 32] ^= 1;
                assert_eq!(verify_consistency(&before, &now, &changed), Err(ProofError::Root));
            }
        }
        assert_eq!(Plan::consistency(new + 1, new), None);
    }
}

#[test]
fn the_proofs_that_rfc_9162_draws_are_made_of_the_nodes_that_it_names() {
    // Section 2.1.5: of the tree with seven leaves, the path of d0 is [b, h, l], and so on.
    let of = |level, index| Node { level, index };
    let nodes = |plan: Option<Plan>| plan.unwrap().nodes().to_vec();
    let l = [of(1, 2), of(0, 6)];
    assert_eq!(nodes(Plan::inclusion(0, 7)), [&[of(0, 1), of(1, 1)], l.as_slice()].concat());
    assert_eq!(nodes(Plan::inclusion(3, 7)), [&[of(0, 2), of(1, 0)], l.as_slice()].concat());
    assert_eq!(nodes(Plan::inclusion(4, 7)), [of(0, 5), of(0, 6), of(2, 0)]);
    assert_eq!(nodes(Plan::inclusion(6, 7)), [of(1, 2), of(2, 0)]);
    assert_eq!(nodes(Plan::consistency(3, 7)), [&[of(0, 2), of(0, 3), of(1, 0)], l.as_slice()].concat());
    assert_eq!(nodes(Plan::consistency(4, 7)), l);
    assert_eq!(nodes(Plan::consistency(6, 7)), [of(1, 2), of(0, 6), of(2, 0)]);
}

#[test]
fn a_leaf_reads_back_and_its_blocks_are_where_they_are() {
    for length in [0, 1, 511, 512, 513, 1024, 5000, 1_048_576] {
        let command: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        let leaf = Leaf::new(7, &command);
        assert_eq!(Leaf::decode(&leaf.encode()), Some(leaf));
        assert_eq!(leaf.encode().len(), LEAF_LENGTH);
        let paths = Blocks::new(7, &command);
        assert_eq!(*paths.leaf(), leaf);
        for (index, block) in (0..).zip(command.chunks(512)).step_by(97) {
            let path = paths.path(index).unwrap();
            assert_eq!(leaf.verify_block(index, block, &path), Ok(()));
            assert!(leaf.verify_block(index + 1, block, &path).is_err());
            assert!(leaf.verify_block(index, &block[1..], &path).is_err());
        }
        assert_eq!(paths.path(leaf.blocks()), None);
        assert_ne!(Leaf::new(8, &command).hash(), leaf.hash());
    }
    assert_eq!(Leaf::decode(&[2; LEAF_LENGTH]), None);
    assert_eq!(Leaf::decode(&[1; LEAF_LENGTH + 1]), None);
}

#[test]
fn a_leaf_is_the_bytes_that_are_written_down() {
    // Computed with Python's hashlib from docs/protocol/receipts.md.
    let leaf = Leaf::new(0x0102, &[0x61; 600]);
    let root = "77e102339c8709990fc3ff7720c8edb996f5bea8bdecaf962454582201befefc";
    let text = hex(&leaf.encode());
    assert_eq!(text, format!("0100000000000001020000000000000258{root}"));
    assert_eq!(hex(&leaf.hash()), "8fd88f1f84a5dbebf3b91a82db51afd54113b35e4b761ffed67617f7eb8f9dcc");
}

#[test]
fn tiles_have_the_paths_that_the_specification_gives_them() {
    let tile = |kind, index, width| Tile { kind, index, width };
    let cases = [
        (tile(Kind::Hashes(0), 0, 256), "0/000"),
        (tile(Kind::Hashes(2), 1_234_067, 256), "2/x001/x234/067"),
        (tile(Kind::Entries, 999, 7), "entries/999.p/7"),
        (tile(Kind::Entries, 1000, 255), "entries/x001/000.p/255"),
        (tile(Kind::Hashes(63), u64::MAX, 1), "63/x018/x446/x744/x073/x709/x551/615.p/1"),
    ];
    for (tile, path) in cases {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
    let refused = [
        "",
        "0",
        "0/",
        "0/00",
        "0/0000",
        "0/x000",
        "0/x000/001",
        "0/001/002",
        "64/000",
        "00/000",
        "+1/000",
        "-1/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/07",
        "0/000.p/",
        "0/000.p/1/2",
        "entry/000",
        "0/x/000",
        "0/x01a/000",
        "0/x999/x999/x999/x999/x999/x999/999",
    ];
    for path in refused {
        assert!(path.parse::<Tile>().is_err(), "{path}");
    }
}

#[test]
fn a_bundle_holds_leaves_after_their_lengths() {
    let leaves = [Leaf::new(1, b"a").encode(), Leaf::new(2, b"b").encode()];
    let bundle = tile::bundle(&leaves.concat());
    assert_eq!(bundle[..3], [0, 49, 1]);
    assert_eq!(tile::unbundle(&bundle), Some(leaves.iter().map(<[u8; 49]>::as_slice).collect()));
    assert_eq!(tile::unbundle(&bundle[1..]), None);
    assert_eq!(tile::unbundle(&bundle[..bundle.len() - 1]), None);
    assert_eq!(tile::unbundle(&[]), Some(vec![]));
}

proptest! {
    #[test]
    fn complete_nodes_cover_a_range_without_gap_or_overlap(start in 0..1_000_000_u64, length in 0..100_000_u64) {
        let mut at = start;
        for node in Node::covering(&(start..start + length)) {
            let leaves = node.leaves().unwrap();
            prop_assert_eq!(leaves.start, at);
            prop_assert!(node.is_complete(start + length));
            prop_assert!(leaves.end == start + length || !node.is_complete(leaves.end - 1));
            let stored = node.stored().unwrap();
            prop_assert_eq!(stored.level % 8, 0);
            prop_assert_eq!(stored.indices.start << stored.level, leaves.start);
            prop_assert_eq!(stored.indices.end << stored.level, leaves.end);
            at = leaves.end;
        }
        prop_assert_eq!(at, start + length);
    }
}
