//! Serial numbers: what secondaries see of a zone.

use crate::support::{NOW_S, Port, address, at, content, edit, own};
use crate::verify::{nodes, verify};
use domain::base::Serial;
use domain::base::iana::Rtype as Type;
use futures::executor::block_on;
use vwp_dns::name::OrderedName;
use vwp_dns::publish::{self, Head};
use vwp_storage::Kv;

#[test]
fn a_zone_is_made_once_whoever_comes_first() {
    block_on(async {
        let port = Port::new();
        let (one, other) = futures::join!(port.publish(), port.publish());
        assert_eq!(one, other);
        assert_eq!(one, port.publish().await);
        assert_eq!(u64::from(one.serial), NOW_S);
        verify(&port, &one).await;
    });
}

#[test]
fn many_commits_share_a_serial_number_and_none_is_left_out() {
    block_on(async {
        let mut port = Port::new();
        let first = port.publish().await;
        port.now_ms += 100;
        port.edit(&edit([(at(&["a"]), content(vec![address(1)]))])).await.expect("an edit");
        assert_eq!(port.publish().await, first, "too soon");
        port.edit(&edit([(at(&["b"]), content(vec![address(2)]))])).await.expect("an edit");
        port.now_ms += 100;
        let second = port.publish().await;
        assert_eq!((second.serial, second.version), (first.serial + 1, first.version + 3));
        port.now_ms += 10_000;
        assert_eq!(port.publish().await, second, "nothing changed");
        let stored =
            port.store.get(&port.zone.published(second.serial)).await.expect("read").expect("a head");
        assert_eq!(Head::decode(&stored.value), Some(second.clone()));
        for length in 0..stored.value.len() {
            assert_eq!(Head::decode(&stored.value[..length]), None);
        }
        port.edit(&edit([(at(&["b"]), None)])).await.expect("an edit");
        let third = port.publish().await;
        assert_eq!(u64::from(third.serial), port.now_s(), "a serial number is not behind the time");
        assert!(Serial(third.serial) > Serial(second.serial));
        verify(&port, &third).await;
    });
}

#[test]
fn the_apex_follows_the_policy() {
    block_on(async {
        let mut port = Port::new();
        let first = port.publish().await;
        port.policy.nameservers = vec![own("ns3.example")];
        port.policy.secondary_times_s = [5, 6, 7];
        port.now_ms += 1000;
        port.maintain().await;
        port.now_ms += 1000;
        port.maintain().await;
        let head = publish::head(&port.store, &port.zone).await.expect("read").expect("a head");
        assert!(Serial(head.serial) > Serial(first.serial));
        assert!(head.soa.data[0].starts_with(b"\x03ns3\x07example\0"));
        let apex = nodes(&port).await.remove(&OrderedName::apex()).expect("an apex");
        assert_eq!(apex.set(Type::NS).expect("name servers").data, [b"\x03ns3\x07example\0"]);
        verify(&port, &head).await;
        port.now_ms += 1000;
        port.maintain().await;
        assert_eq!(publish::head(&port.store, &port.zone).await, Ok(Some(head)), "once is enough");
    });
}
