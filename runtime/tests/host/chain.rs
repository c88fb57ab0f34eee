//! Components of one application that call one another.

use crate::outbound::{BOTH, ask, host};
use http::StatusCode;

fn ok(text: &str) -> (StatusCode, String) {
    (StatusCode::OK, text.to_owned())
}

#[tokio::test]
async fn a_component_is_reached_by_its_id_even_without_a_public_route() {
    for allowed in ["http://hidden.spin.internal", "http://*.spin.internal"] {
        let host = host(&[allowed]).await;
        // From outside there is only the component that takes every path.
        assert_eq!(host.call("/environment", "").await, "NAME=guest");
        for path in BOTH {
            let answer = ask(&host, path, "http://hidden.spin.internal/environment", &[]).await;
            assert_eq!(answer, ok("NAME=hidden"), "{path}");
            let answer = ask(&host, path, "http://hidden.spin.internal/nothing", &[]).await;
            assert_eq!(answer, (StatusCode::NOT_FOUND, "no such route".to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_component_that_is_not_there_is_not_found() {
    let host = host(&["http://*.spin.internal"]).await;
    for path in BOTH {
        let (status, error) = ask(&host, path, "http://stranger.spin.internal/", &[]).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(error.contains("DestinationNotFound"), "{error}");
    }
}

#[tokio::test]
async fn a_component_reaches_the_applications_own_routes_as_self() {
    let host = host(&["http://self"]).await;
    for path in BOTH {
        // Without a host, too.
        for url in ["http://self.alt/inline/environment", "/inline/environment"] {
            assert_eq!(ask(&host, path, url, &[]).await, ok("NAME=inline"), "{path} {url}");
        }
        let (_, seen) = ask(&host, path, "http://self.alt/inline/host", &[]).await;
        let served = host.url().trim_start_matches("http://");
        assert_eq!(seen, served, "{path}");
    }
}

#[tokio::test]
async fn components_that_call_one_another_without_end_are_stopped() {
    let host = host(&["http://guest.spin.internal"]).await;
    let (status, error) = ask(&host, "/loop", "", &[]).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(error.contains("LoopDetected"), "{error}");
    // It took no instance for good.
    for _ in 0..40 {
        assert_eq!(ask(&host, "/loop", "", &[]).await.0, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(host.call("/environment", "").await, "NAME=guest");
}
