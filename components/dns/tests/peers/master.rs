//! Zones as text: out of one port, and into another.

use crate::support::{Port, at, holding, name, txt};
use domain::base::{Rtype, Ttl};
use domain::rdata::Ns;
use futures::executor::block_on;
use vwp_dns::DnsError;
use vwp_dns::edit::{Content, Edit};
use vwp_dns::master::{self, export, import};
use vwp_dns::node::{Glue, Set};

fn text(port: &Port, mut between: impl FnMut()) -> String {
    let head = port.publish();
    let mut page = block_on(export::first(&port.store, &port.zone, &head)).expect("a page");
    let mut text = String::new();
    loop {
        assert_eq!(page.serial, head.serial);
        text.extend(page.records.iter().map(master::line));
        let Some(next) = page.next else {
            return text;
        };
        between();
        page = block_on(export::next(&port.store, &port.zone, &next)).expect("a page");
    }
}

#[test]
fn what_one_port_exports_another_one_imports() {
    let port = Port::new(true);
    let ns = Ns::new(name("ns.cut.vwp.test"));
    let ns = Set::from_records(Rtype::NS, Ttl::from_secs(60), [&ns]).expect("a set");
    let ds = Set::new(Rtype::DS, 60, vec![[&[0x12, 0x34, 13, 2][..], &[7; 32]].concat()]);
    let glue = Glue {
        name: name("ns.cut.vwp.test").as_slice().to_vec(),
        set: Set::new(Rtype::AAAA, 60, vec![vec![0x20; 16]]),
    };
    let svcb = b"\0\x01\0\0\x03\0\x02\x04\xd2\xff\0\0\x03abc".to_vec();
    let edit = Edit::from([
        (
            at("a"),
            holding(vec![txt("with \"quotes\", a \\ and ü"), Set::new(Rtype::LOC, 60, vec![vec![0; 16]])]),
        ),
        (at("_vw.a"), holding(vec![Set::new(Rtype::SVCB, 60, vec![svcb])])),
        (at("b"), holding(vec![Set::new(Rtype::from_int(65_400), 60, vec![vec![1, 2], vec![]])])),
        (at("cut"), Some(Content { sets: vec![ds, ns], glue: vec![glue] })),
    ]);
    port.edit(&edit);
    let text = text(&port, || {});
    let imported = import::read(&text, &port.zone).expect("a zone");
    let sorted = |edit: &Edit| -> Edit {
        let mut edit = edit.clone();
        for content in edit.values_mut().flatten() {
            content.sets.sort_by_key(|set| set.rtype.to_int());
        }
        edit
    };
    assert_eq!(sorted(&imported.edit), sorted(&edit));
    for (owner, rtype) in [("vwp.test", Rtype::SOA), ("vwp.test", Rtype::DNSKEY), ("a.vwp.test", Rtype::NSEC)]
    {
        assert!(imported.left_out.contains(&(name(owner), rtype)), "{owner} {rtype}");
    }
}

#[test]
fn the_times_of_signatures_are_dates_as_nsd_reads_them() {
    // RFC 4034, section 3.3: the example's own bytes up to the signer.
    let mut data = vec![0, 1, 5, 3, 0, 1, 0x51, 0x80];
    data.extend(1_048_354_263_u32.to_be_bytes());
    data.extend(1_045_762_263_u32.to_be_bytes());
    data.extend([0x0a, 0x52]);
    data.extend(b"\x07example\x03com\x00\x01\x02\x03");
    let record = master::Record { owner: name("host.example.com"), rtype: Rtype::RRSIG, ttl_s: 86_400, data };
    let text =
        "host.example.com. 86400 IN RRSIG A 5 3 86400 20030322173103 20030220173103 2642 example.com. AQID\n";
    assert_eq!(master::line(&record), text);
}

#[test]
fn an_export_in_pages_is_one_moment() {
    let port = Port::new(false);
    for part in 0..20_u32 {
        let names = part * 60..part * 60 + 60;
        port.edit(&names.map(|n| (at(&format!("n{n}")), holding(vec![txt("before")]))).collect());
    }
    let quiet = text(&port, || {});
    let mut number = 0;
    let busy = text(&port, || {
        number += 1;
        port.edit(&Edit::from([
            (at(&format!("n{}", 1199 - number)), None),
            (at(&format!("n{}", 1100 - number)), holding(vec![txt("after")])),
            (at(&format!("z{number}")), holding(vec![txt("new")])),
        ]));
        port.publish();
    });
    assert!(number > 1);
    assert_eq!(busy, quiet);
}

#[test]
fn a_cursor_that_was_made_up_is_refused() {
    let port = Port::new(false);
    port.publish();
    for cursor in ["", "!", "AAAA", "AAAAAWFi", &"A".repeat(2000)] {
        let page = block_on(export::next(&port.store, &port.zone, cursor));
        assert!(matches!(page, Err(DnsError::Refused(_))), "{cursor}");
    }
    // A serial number that the zone no longer knows.
    assert_eq!(block_on(export::next(&port.store, &port.zone, "AAAAAQ")), Err(DnsError::Forgotten));
}

#[test]
fn a_master_file_is_read_as_people_write_it() {
    let port = Port::new(true);
    let read = |text: &str| import::read(text, &port.zone);
    let imported = read(
        "$TTL 300\n@ SOA ns hostmaster ( 1 2 3 4 5 )\n  NS ns\n  MX 10 mail\n\
         mail A 192.0.2.1\n     60 A 192.0.2.2 ; another one\n\
         www IN CNAME mail.vwp.test.\ncut NS ns.cut\nns.cut A 192.0.2.3\nx.cut TXT below\n",
    )
    .expect("a zone");
    let set = |place: &str, rtype| {
        let content = imported.edit.get(&at(place)).and_then(Option::as_ref).expect("content");
        content.sets.iter().find(|set| set.rtype == rtype).expect("a set").clone()
    };
    assert_eq!(set("mail", Rtype::A), Set::new(Rtype::A, 60, vec![vec![192, 0, 2, 1], vec![192, 0, 2, 2]]));
    assert_eq!(set("www", Rtype::CNAME).data, [name("mail.vwp.test").as_slice()]);
    let cut = imported.edit[&at("cut")].as_ref().expect("content");
    assert_eq!((cut.glue.len(), cut.sets.len()), (1, 1));
    let left_out: Vec<_> = imported.left_out.iter().map(|(name, rtype)| format!("{name} {rtype}")).collect();
    assert_eq!(left_out, ["vwp.test NS", "vwp.test SOA", "x.cut.vwp.test TXT"]);
    for (text, why) in [
        ("a.example. 60 IN A 192.0.2.1\n", "not in vwp.test"),
        ("a 60 CH TXT x\n", "class"),
        ("$INCLUDE other\n", "includes"),
        ("a 60 IN A not-an-address\n", "1:"),
        ("a 60 IN A \\# 3 010203\n", ""),
    ] {
        match read(text) {
            Err(DnsError::Refused(detail)) => assert!(detail.contains(why), "{text:?}: {detail}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert!(read(&"; a comment\n".repeat(100_000)).is_err());
}
