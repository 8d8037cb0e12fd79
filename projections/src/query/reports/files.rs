//! The page's style and script, which are part of the program. Their addresses change with them, so browsers may keep them.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../../../templates/reports/reports.css");
const SCRIPT: &str = include_str!("../../../templates/reports/reports.js");

/// Tells these files from those of another build.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = blake3::hash([STYLE, SCRIPT].concat().as_bytes());
    hash.to_hex().chars().take(12).collect()
});

pub(super) fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(media_type: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
