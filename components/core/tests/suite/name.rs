//! The names of worlds and assets.

use vwp_core::name::{AssetName, WorldName};

#[test]
fn a_worlds_name_is_one_lower_case_label() {
    let longest = "a".repeat(63);
    for name in ["a", "arena", "a-b", "0", "7up", "xn--bcher-kva", "a--b", &longest] {
        let parsed: WorldName = name.parse().unwrap();
        assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (name, name));
        assert!(!parsed.is_domain());
    }
}

#[test]
fn a_worlds_name_may_be_a_domain() {
    for name in ["arena.example", "a.b", "7.up", "xn--bcher-kva.example", "play.arena.example"] {
        let parsed: WorldName = name.parse().unwrap();
        assert_eq!(parsed.as_str(), name);
        assert!(parsed.is_domain());
    }
    let asset: AssetName = "gold@arena.example".parse().unwrap();
    assert_eq!((asset.code.as_str(), asset.world.as_str()), ("gold", "arena.example"));
}

#[test]
fn what_is_no_label_and_no_domain_is_no_worlds_name() {
    let too_long = "a".repeat(64);
    let too_long_in_all = format!("{}.example", "a".repeat(56));
    for name in [
        "",
        "A",
        "a_b",
        "-a",
        "a-",
        "-",
        "ab--c",
        "bücher",
        "a b",
        "a\n",
        "a/b",
        &too_long,
        ".",
        "a.",
        ".a",
        "a..b",
        "a.-b",
        "a-.b",
        "192.0.2.1",
        "a.1",
        "a_b.example",
        &too_long_in_all,
    ] {
        assert!(name.parse::<WorldName>().is_err(), "{name:?} was accepted");
    }
}

#[test]
fn an_asset_is_a_code_at_a_world() {
    let asset: AssetName = "gold@arena".parse().unwrap();
    assert_eq!((asset.code.as_str(), asset.world.as_str()), ("gold", "arena"));
    assert_eq!(asset.to_string(), "gold@arena");
    assert!("0123456789abcdef@a".parse::<AssetName>().is_ok());
}

#[test]
fn what_has_no_code_or_no_world_is_no_asset() {
    for name in
        ["", "gold", "@arena", "gold@", "Gold@arena", "go-ld@arena", "gold@a@b", "gold@A", "gold @arena"]
    {
        assert!(name.parse::<AssetName>().is_err(), "{name:?} was accepted");
    }
    assert!("0123456789abcdefg@a".parse::<AssetName>().is_err());
}
