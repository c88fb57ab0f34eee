//! The API's own description. Beside `components/openapi/component`.

use crate::Api;
use crate::operation::{get, tagged};
use crate::schema::{any_object, text};

/// The table.
pub fn api() -> Api {
    let tag = "A tag that stays the same as long as the document does.";
    let operations = vec![
        get("/openapi.json", "showOpenapi", "Get this document")
            .header("If-None-Match", "The tag of the document that the caller has.", text())
            .answers(200, "The document.", any_object())
            .telling("ETag", tag)
            .done(304, "The caller has it."),
        get("/docs", "showDocs", "Read this document as a page")
            .header("If-None-Match", "The tag of the page that the caller has.", text())
            .gives(200, "The page.", "text/html; charset=utf-8", text())
            .telling("ETag", tag)
            .done(304, "The caller has it."),
        get("/docs/style.css", "showDocsStyle", "Get the style of that page")
            .header("If-None-Match", "The tag of the style that the caller has.", text())
            .gives(200, "The style.", "text/css; charset=utf-8", text())
            .telling("ETag", tag)
            .done(304, "The caller has it."),
    ];
    let about = "What the port's HTTP API is.";
    Api { name: "openapi", about, operations: tagged("This document", operations), schemas: Vec::new() }
}
