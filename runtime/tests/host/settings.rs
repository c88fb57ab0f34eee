//! Variables, through each of the interfaces that have them.

use crate::support::{Host, MANIFEST};

#[tokio::test]
async fn a_component_reads_its_own_variables_and_no_others() {
    let host = Host::start(MANIFEST).await;
    for interface in ["spin3", "spin2"] {
        let get = async |name: &str| host.call(&format!("/settings/{interface}/{name}"), "").await;
        assert_eq!(get("greeting").await, "Hello, Jena");
        assert_eq!(get("secret").await, "open sesame");
        // The application's variables are not the component's.
        let undefined = get("town").await;
        assert!(undefined.contains("Undefined"), "{undefined}");
        let invalid = get("Not-A-Name").await;
        assert!(invalid.contains("InvalidName"), "{invalid}");
    }
}

#[tokio::test]
async fn configuration_is_the_same_variables() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/settings/config/greeting", "").await, r#"Some("Hello, Jena")"#);
    assert_eq!(host.call("/settings/config/town", "").await, "None");
    assert_eq!(host.call("/settings/config/Not-A-Name", "").await, "None");
    assert_eq!(
        host.call("/settings/config", "").await,
        r#"[("greeting", "Hello, Jena"), ("secret", "open sesame")]"#
    );
}
