//! Middleware that says, for paths below `/middleware`, what it was given of what the
//! component behind it has; every other request it passes on.

use http_body_util::Full;
use spin_sdk::http::{BoxBody, Request, Response, StatusCode, box_body};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    let seen = match request.uri().path() {
        "/middleware/environment" => format!("{:?}", std::env::vars().collect::<Vec<_>>()),
        "/middleware/files" => {
            let names =
                std::fs::read_dir("/").map(|files| files.flatten().map(|file| file.file_name()).collect());
            format!("{:?}", names.map_err(|error| error.kind()).map(|names: Vec<_>| names))
        }
        _ => {
            return match spin_sdk::http::next(request).await {
                Ok(answer) => answer.map(box_body),
                Err(error) => {
                    let mut answer = text(format!("{error:?}"));
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                    answer
                }
            };
        }
    };
    text(seen)
}

fn text(text: String) -> Response<BoxBody> {
    Response::new(box_body(Full::new(text.into())))
}
